"use client";

import { Activity } from "lucide-react";
import Link from "next/link";
import { useMemo, useState } from "react";

import { QuickstartButton } from "@/components/home/quickstart-button";
import { Page } from "@/components/shell/app-shell";
import { StateBadge } from "@/components/state-badge";
import { Ago, Took } from "@/components/time";
import { Card } from "@/components/ui/card";
import { Input } from "@/components/ui/field";
import { ProgressBar } from "@/components/ui/progress";
import { Skeleton } from "@/components/ui/skeleton";
import { Empty, Failure } from "@/components/ui/states";
import { Choice } from "@/components/ui/toggle-group";
import { DASH, formatExact } from "@/lib/format";
import { useRuns } from "@/lib/queries";
import { progressWords, shareDone, stageTitle } from "@/lib/run-view";
import { isAlive, type Run } from "@/lib/types";
import { runHref } from "@/lib/utils";

type Show = "all" | "active" | "finished" | "problems";

const SHOWS: { value: Show; label: string }[] = [
  { value: "all", label: "All" },
  { value: "active", label: "At work" },
  { value: "finished", label: "Finished" },
  { value: "problems", label: "Ended early" },
];

const belongs = (run: Run, show: Show): boolean =>
  show === "all" ||
  (show === "active" && isAlive(run)) ||
  (show === "finished" && run.state === "finished") ||
  (show === "problems" && !isAlive(run) && run.state !== "finished");

export function RunsList() {
  const runs = useRuns();
  const [text, setText] = useState("");
  const [show, setShow] = useState<Show>("all");
  const found = useMemo(() => {
    const words = text.trim().toLowerCase();
    return (runs.data ?? []).filter(
      (run) =>
        belongs(run, show) &&
        (!words || `${run.name} ${run.id} ${stageTitle(run.stage)}`.toLowerCase().includes(words)),
    );
  }, [runs.data, text, show]);
  const none = runs.data?.length === 0;

  return (
    <Page title="Runs" note="Everything trained, prepared or scored here, newest first.">
      {runs.isError ? (
        <Failure what="The runs could not be read." error={runs.error} retry={() => void runs.refetch()} />
      ) : null}
      {none ? (
        <Card>
          <Empty icon={<Activity aria-hidden />} title="No runs yet" action={<QuickstartButton size="md" />}>
            A run is one piece of work, such as training a model. Here you follow its curves live, read what
            the model writes as it learns, and stop or resume it.
          </Empty>
        </Card>
      ) : null}
      {runs.isPending || (runs.data && !none) ? (
        <>
          <div className="flex flex-wrap items-center gap-3">
            <Input
              type="search"
              aria-label="Filter runs by name"
              placeholder="Filter by name"
              value={text}
              onChange={(event) => setText(event.target.value)}
              className="max-w-64"
            />
            <Choice label="Which runs" value={show} options={SHOWS} onChange={setShow} />
          </div>
          <Card className="overflow-hidden">
            {runs.isPending ? (
              <div className="flex flex-col gap-3 p-4">
                {[0, 1, 2, 3].map((row) => (
                  <Skeleton key={row} className="h-8" />
                ))}
              </div>
            ) : (
              <RunsTable runs={found} />
            )}
          </Card>
        </>
      ) : null}
    </Page>
  );
}

function RunsTable({ runs }: { runs: readonly Run[] }) {
  if (!runs.length) return <p className="px-5 py-10 text-center text-muted">No run fits this filter.</p>;
  const head = "px-3 py-2.5 text-left text-xs font-medium text-muted first:pl-5 last:pr-5";
  const cell = "px-3 py-2.5 first:pl-5 last:pr-5";
  return (
    <table className="w-full table-fixed border-collapse text-base">
      <thead>
        <tr className="border-b">
          <th className={head}>Name</th>
          <th className={`${head} w-36 max-lg:hidden`}>Stage</th>
          <th className={`${head} w-28`}>State</th>
          <th className={`${head} w-44 max-md:hidden`}>Progress</th>
          <th className={`${head} w-32 max-sm:hidden`}>Started</th>
          <th className={`${head} w-32 text-right max-lg:hidden`}>Duration</th>
        </tr>
      </thead>
      <tbody>
        {runs.map((run) => (
          <tr key={run.id} className="relative border-b last:border-0 hover:bg-surface-2/60">
            <td className={`${cell} truncate font-medium`}>
              <Link href={runHref(run.id)} className="rounded-sm after:absolute after:inset-0">
                {run.name}
              </Link>
            </td>
            <td className={`${cell} truncate text-muted max-lg:hidden`}>{stageTitle(run.stage)}</td>
            <td className={cell}>
              <StateBadge state={run.state} />
            </td>
            <td className={`${cell} max-md:hidden`}>
              <Progress run={run} />
            </td>
            <td className={`${cell} text-muted max-sm:hidden`} title={formatExact(run.created_at)}>
              <Ago at={run.created_at} />
            </td>
            <td className={`${cell} text-right text-muted max-lg:hidden`}>
              <Took run={run} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Progress({ run }: { run: Run }) {
  const share = shareDone(run);
  if (run.state === "finished") return <span className="text-muted">Done</span>;
  return (
    <span className="flex items-center gap-2.5">
      <ProgressBar value={share} label={`Progress of ${run.name}`} className="flex-1" />
      <span className="w-17 text-right text-sm whitespace-nowrap text-muted figures">
        {progressWords(run) ?? DASH}
      </span>
    </span>
  );
}
