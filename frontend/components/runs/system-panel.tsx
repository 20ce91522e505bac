"use client";

import dynamic from "next/dynamic";

import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { formatBytes, formatNumber, formatPercent } from "@/lib/format";
import { useRunMetrics } from "@/lib/queries";
import { isAlive, type Run } from "@/lib/types";

import type { ChartLine } from "./chart-lines";
import { Section } from "./section";

const LineChart = dynamic(() => import("./line-chart"), {
  ssr: false,
  loading: () => <Skeleton className="m-4 h-28" />,
});

const percent = (value: number | null | undefined) =>
  value === null || value === undefined ? formatPercent(null) : `${formatNumber(value)}%`;
const milliseconds = (value: number | null | undefined) =>
  value === null || value === undefined
    ? formatNumber(null)
    : value < 1000
      ? `${formatNumber(value, value < 10 ? 2 : 0)}\u202fms`
      : `${formatNumber(value / 1000, 2)}\u202fs`;

type Format = (value: number | null | undefined) => string;

/** What is drawn together; a chart without any of its series is left out. */
const CHARTS: { title: string; format: Format; series: [string, string][] }[] = [
  {
    title: "Processor",
    format: percent,
    series: [
      ["system/cpu_percent", "Machine"],
      ["system/process_cpu_percent", "Run, of a core"],
    ],
  },
  { title: "Memory of the run", format: formatBytes, series: [["system/memory_rss_bytes", "Memory"]] },
  { title: "Free memory", format: formatBytes, series: [["system/memory_available_bytes", "Free"]] },
  { title: "Free disk", format: formatBytes, series: [["system/disk_free_bytes", "Free"]] },
  { title: "Graphics card", format: percent, series: [["system/gpu_percent", "Busy"]] },
  {
    title: "Graphics memory",
    format: formatBytes,
    series: [
      ["system/gpu_memory_bytes", "In use"],
      ["system/gpu_memory_allocated_bytes", "Run"],
    ],
  },
  {
    title: "Step time",
    format: milliseconds,
    series: [
      ["perf/step_ms", "Step"],
      ["perf/data_wait_ms", "Data wait"],
    ],
  },
  {
    title: "Share of peak rate",
    format: (value) => formatPercent(value, 0),
    series: [["perf/mfu", "MFU"]],
  },
];

const ALL: readonly string[] = CHARTS.flatMap(({ series }) => series.map(([name]) => name));

/** What the machine did meanwhile: small charts over time. */
export function SystemPanel({
  run,
  names,
  origin,
}: {
  run: Run;
  /** All metrics of the run. */
  names: readonly string[];
  /** When its first value was logged. */
  origin: number | null;
}) {
  const known = CHARTS.filter(({ series }) => series.some(([name]) => names.includes(name)));
  return (
    <Section
      name="system"
      title="System"
      note={known.length ? known.map(({ title }) => title.toLowerCase()).join(", ") : "nothing measured yet"}
    >
      {known.length ? (
        <Charts run={run} charts={known} names={names} origin={origin} />
      ) : (
        <p className="px-4 py-8 text-center text-muted sm:px-5">
          {isAlive(run)
            ? "The first figures come within seconds."
            : "This run measured nothing of its machine."}
        </p>
      )}
    </Section>
  );
}

function Charts({
  run,
  charts,
  names,
  origin,
}: {
  run: Run;
  charts: typeof CHARTS;
  names: readonly string[];
  origin: number | null;
}) {
  const { store, version, query } = useRunMetrics(run.id, ALL);
  const line = ([name, label]: [string, string], place: number): ChartLine => ({
    name,
    label,
    colour: `--chart-${place + 1}`,
    curve: store.curve(name),
    ghosts: store.ghosts(name),
    origin,
  });
  return (
    <>
      {query.isError ? (
        <Failure
          what="The figures could not be read."
          error={query.error}
          retry={() => void query.refetch()}
          className="m-4"
        />
      ) : null}
      <div className="grid grid-cols-1 gap-px bg-border md:grid-cols-2 xl:grid-cols-3">
        {charts.map(({ title, format, series }) => (
          <div key={title} className="min-w-0 bg-surface">
            <LineChart
              title={title}
              file={`${run.id}-${title.toLowerCase().replaceAll(" ", "-")}`}
              lines={series.filter(([name]) => names.includes(name)).map(line)}
              version={version}
              height={120}
              axis="time"
              format={format}
              tick={format}
              loading={query.isPending}
            />
          </div>
        ))}
        {/* What is left of the last row is ground, not gap. */}
        {charts.length % 2 ? <div className="hidden bg-surface md:max-xl:block" /> : null}
        {charts.length % 3 ? (
          <div
            className="hidden bg-surface xl:block"
            style={{ gridColumn: `span ${3 - (charts.length % 3)}` }}
          />
        ) : null}
      </div>
    </>
  );
}
