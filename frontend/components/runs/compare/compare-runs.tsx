"use client";

import { ArrowLeft } from "lucide-react";
import dynamic from "next/dynamic";
import Link from "next/link";
import { useSearchParams } from "next/navigation";
import { useState } from "react";

import { Page } from "@/components/shell/app-shell";
import { StateBadge } from "@/components/state-badge";
import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { Select } from "@/components/ui/field";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import type { Axis } from "@/lib/metrics";
import { useComparison } from "@/lib/run-queries";
import { colourOf, linesOf, namesOf, useManyMetrics } from "@/lib/run-overlay";
import type { RunComparison } from "@/lib/run-types";
import type { Run } from "@/lib/types";
import { runHref } from "@/lib/utils";

import { ComparedTable } from "./compared-table";

const LineChart = dynamic(() => import("../line-chart"), {
  ssr: false,
  loading: () => <Skeleton className="m-4 h-80" />,
});

/** Runs side by side: their curves in one chart, the settings that differ, and what came of each. */
export function CompareRuns() {
  const query = useSearchParams();
  const ids = [...new Set((query.get("ids") ?? "").split(",").filter(Boolean))];
  const comparison = useComparison(ids);
  const back = (
    <Button asChild>
      <Link href="/runs/">
        <ArrowLeft aria-hidden /> All runs
      </Link>
    </Button>
  );
  if (ids.length < 2) {
    return (
      <Page title="Compare runs" actions={back}>
        <p className="text-muted">Choose two or more runs in the list, then Compare.</p>
      </Page>
    );
  }
  return (
    <Page
      title="Compare runs"
      note="The same chart, the settings that differ, and what came of each."
      actions={back}
    >
      {comparison.isError ? (
        <Failure
          what="The runs could not be compared."
          error={comparison.error}
          retry={() => void comparison.refetch()}
        />
      ) : null}
      {comparison.isPending ? <Skeleton className="h-96 rounded-xl" /> : null}
      {comparison.data ? <Compared comparison={comparison.data} /> : null}
    </Page>
  );
}

function Compared({ comparison }: { comparison: RunComparison }) {
  const runs = comparison.runs as Run[];
  const [wanted, setWanted] = useState("train/loss");
  const [name, setName] = useState(wanted);
  const { metrics, version, failed, pending } = useManyMetrics(runs, name);
  const [axis, setAxis] = useState<Axis>("step");
  const [logX, setLogX] = useState(false);
  const [logY, setLogY] = useState(false);
  const [smoothing, setSmoothing] = useState(0);
  const names = namesOf(metrics);
  // The names come with the first answer; what nobody has logged yet gives way to another as long as that is so.
  const shown = names.includes(wanted) ? wanted : (names[0] ?? wanted);
  if (shown !== name) setName(shown);
  return (
    <>
      <ul className="flex flex-wrap gap-x-5 gap-y-2" aria-label="Runs">
        {runs.map((run, place) => (
          <li key={run.id} className="flex min-w-0 items-center gap-2">
            <span
              aria-hidden
              className="h-1 w-4 shrink-0 rounded-full"
              style={{ background: `var(${colourOf(place)})` }}
            />
            <Link href={runHref(run.id)} className="truncate font-medium underline-offset-4 hover:underline">
              {run.name}
            </Link>
            <StateBadge state={run.state} />
          </li>
        ))}
      </ul>
      {failed ? <Failure what="Some curves could not be read." error={failed} /> : null}
      <Card>
        <div className="flex items-center gap-3 px-4 pt-3 sm:px-5">
          <label htmlFor="metric" className="text-sm font-medium">
            Metric
          </label>
          <Select
            id="metric"
            value={name}
            onChange={(event) => setWanted(event.target.value)}
            className="w-64"
          >
            {names.length ? null : <option value={name}>{name}</option>}
            {names.map((item) => (
              <option key={item} value={item}>
                {item}
              </option>
            ))}
          </Select>
        </div>
        <LineChart
          key={`${name} ${axis}`}
          title={name}
          file={`compare-${name.replaceAll("/", "-")}`}
          lines={linesOf(runs, metrics, name, smoothing)}
          version={version}
          height={360}
          axis={axis}
          logX={logX}
          logY={logY}
          smoothing={smoothing}
          loading={pending}
          empty="None of these runs logged values."
          onAxis={setAxis}
          onLogX={setLogX}
          onLogY={setLogY}
          onSmoothing={setSmoothing}
        />
      </Card>
      <div className="grid items-start gap-4 xl:grid-cols-2">
        <Card className="overflow-hidden">
          <CardHeader title="Settings that differ" note={String(comparison.differences.length)} />
          {comparison.differences.length ? (
            <ComparedTable
              label="Settings that differ"
              runs={runs}
              rows={comparison.differences.map(({ field, values }) => ({ name: field, values }))}
            />
          ) : (
            <p className="px-4 pb-4 text-muted sm:px-5">They ran with the same settings and seed.</p>
          )}
        </Card>
        <Card className="overflow-hidden">
          <CardHeader title="What came of each" />
          <ComparedTable label="What came of each" runs={runs} rows={comparison.figures} figures />
        </Card>
      </div>
    </>
  );
}
