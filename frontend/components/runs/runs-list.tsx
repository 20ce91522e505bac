"use client";

import { Activity, GitCompareArrows, Plus, Trash2 } from "lucide-react";
import Link from "next/link";
import { useRouter, useSearchParams } from "next/navigation";
import { useMemo, useState } from "react";

import { QuickstartButton } from "@/components/home/quickstart-button";
import { Page } from "@/components/shell/app-shell";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { Input, Select } from "@/components/ui/field";
import { Skeleton } from "@/components/ui/skeleton";
import { Empty, Failure } from "@/components/ui/states";
import { Choice } from "@/components/ui/toggle-group";
import { useRunActions } from "@/lib/actions";
import { useRuns } from "@/lib/queries";
import { NEW_RUN } from "@/lib/run-draft";
import { useSmallCurves } from "@/lib/run-queries";
import {
  compareHref,
  readView,
  type Show,
  shownRuns,
  type Sort,
  SORTS,
  type View,
  viewHref,
} from "@/lib/run-table";
import { stageTitle } from "@/lib/run-view";
import { isAlive, type Run } from "@/lib/types";

import { RunsTable } from "./runs-table";

const SHOWS: { value: Show; label: string }[] = [
  { value: "all", label: "All" },
  { value: "active", label: "At work" },
  { value: "finished", label: "Finished" },
  { value: "problems", label: "Ended early" },
];
const MOST_COMPARED = 10;
const MOST_CURVES = 100;

/** Stages whose runs have a loss, themselves or in a step. */
const trains = ({ stage }: Run): boolean => stage === "pretrain" || stage === "sft" || stage === "recipe";

/** The small curves of all runs that may have one; those of ended runs are read once. */
function useCurves(runs: readonly Run[]) {
  const some = runs.filter(trains).slice(0, MOST_CURVES);
  const idsOf = (alive: boolean) => some.filter((run) => isAlive(run) === alive).map(({ id }) => id);
  const ended = useSmallCurves(idsOf(false), false).data;
  const alive = useSmallCurves(idsOf(true), true).data;
  return useMemo(() => ({ ...ended, ...alive }), [ended, alive]);
}

export function RunsList() {
  const router = useRouter();
  const query = useSearchParams();
  const runs = useRuns();
  const { remove } = useRunActions();
  const [view, setView] = useState(() => readView(query));
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const curves = useCurves(runs.data ?? []);
  const set = (changes: Partial<View>) => {
    const next = { ...view, ...changes };
    setView(next);
    router.replace(viewHref(next), { scroll: false });
  };
  const found = useMemo(() => shownRuns(runs.data ?? [], view, curves), [runs.data, view, curves]);
  const stages = [...new Set((runs.data ?? []).map(({ stage }) => stage))].sort();
  const none = runs.data?.length === 0;
  const picked = (runs.data ?? []).filter(({ id }) => chosen.has(id));

  return (
    <Page
      title="Runs"
      note="Everything trained, prepared or scored here, newest first."
      actions={
        none ? null : (
          <Button asChild look="primary">
            <Link href={NEW_RUN}>
              <Plus aria-hidden /> New run
            </Link>
          </Button>
        )
      }
    >
      {runs.isError ? (
        <Failure what="The runs could not be read." error={runs.error} retry={() => void runs.refetch()} />
      ) : null}
      {none ? (
        <Card>
          <Empty
            icon={<Activity aria-hidden />}
            title="No runs yet"
            action={
              <>
                <QuickstartButton size="md" />
                <Button asChild>
                  <Link href={NEW_RUN}>Put one together</Link>
                </Button>
              </>
            }
          >
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
              placeholder="Name, tag or note"
              value={view.words}
              onChange={(event) => set({ words: event.target.value })}
              className="max-w-56 max-sm:max-w-none"
            />
            <Choice label="Which runs" value={view.show} options={SHOWS} onChange={(show) => set({ show })} />
            <Select
              aria-label="Stage"
              value={view.stage}
              onChange={(event) => set({ stage: event.target.value })}
              className="w-40 max-sm:min-w-36 max-sm:flex-1"
            >
              <option value="">All stages</option>
              {stages.map((stage) => (
                <option key={stage} value={stage}>
                  {stageTitle(stage)}
                </option>
              ))}
            </Select>
            <Select
              aria-label="Order"
              value={view.sort}
              onChange={(event) => set({ sort: event.target.value as Sort })}
              className="w-44 max-sm:min-w-36 max-sm:flex-1"
            >
              {Object.entries(SORTS).map(([value, label]) => (
                <option key={value} value={value}>
                  {label}
                </option>
              ))}
            </Select>
          </div>
          {picked.length ? (
            <Chosen
              runs={picked}
              onClear={() => setChosen(new Set())}
              onDelete={() => {
                picked.forEach((run) => remove.mutate(run));
                setChosen(new Set());
              }}
            />
          ) : null}
          <Card className="overflow-hidden">
            {runs.isPending ? (
              <div className="flex flex-col gap-3 p-4">
                {[0, 1, 2, 3].map((row) => (
                  <Skeleton key={row} className="h-8" />
                ))}
              </div>
            ) : (
              <RunsTable
                runs={found}
                curves={curves}
                chosen={chosen}
                onChoose={(id, on) =>
                  setChosen((now) => new Set(on ? [...now, id] : [...now].filter((item) => item !== id)))
                }
              />
            )}
          </Card>
        </>
      ) : null}
    </Page>
  );
}

/** What can be done with the chosen runs together. */
function Chosen({
  runs,
  onClear,
  onDelete,
}: {
  runs: readonly Run[];
  onClear: () => void;
  onDelete: () => void;
}) {
  const can = runs.length >= 2 && runs.length <= MOST_COMPARED;
  return (
    <div className="flex flex-wrap items-center gap-2 rounded-xl bg-accent-soft px-4 py-2" role="status">
      <span className="mr-2 font-medium figures">
        {runs.length} {runs.length === 1 ? "run" : "runs"} chosen
      </span>
      {can ? (
        <Button asChild size="sm">
          <Link href={compareHref(runs.map(({ id }) => id))}>
            <GitCompareArrows aria-hidden /> Compare
          </Link>
        </Button>
      ) : (
        <span className="text-sm text-muted">
          {runs.length < 2 ? "Choose another to compare." : `Up to ${MOST_COMPARED} can be compared.`}
        </span>
      )}
      <Button
        size="sm"
        disabled={runs.some(isAlive)}
        title={runs.some(isAlive) ? "Stop them first" : undefined}
        onClick={onDelete}
      >
        <Trash2 aria-hidden /> Delete
      </Button>
      <Button size="sm" look="ghost" onClick={onClear} className="ml-auto">
        Clear
      </Button>
    </div>
  );
}
