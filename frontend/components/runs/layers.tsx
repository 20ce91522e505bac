"use client";

import dynamic from "next/dynamic";
import { useMemo, useState } from "react";

import { Select } from "@/components/ui/field";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { useThemeClass } from "@/components/architecture/use-theme-class";
import { formatNumber } from "@/lib/format";
import type { Axis } from "@/lib/metrics";
import { useRunMetrics } from "@/lib/queries";
import { type LayerMetric, layerMetricsOf, layerSeries, layerTitle } from "@/lib/run-layers";
import { rampColours } from "@/lib/run-ramp";
import { isAlive, type Run } from "@/lib/types";

import type { ChartLine } from "./chart-lines";
import { NotMeasured, Section } from "./section";

const LineChart = dynamic(() => import("./line-chart"), {
  ssr: false,
  loading: () => <Skeleton className="m-4 h-72" />,
});

interface ChartState {
  axis: Axis;
  logX: boolean;
  zoom: readonly [number, number] | null;
  onZoom: (stretch: [number, number] | null) => void;
  origin: number | null;
}

interface Props {
  run: Run;
  /** All metrics of the run. */
  names: readonly string[];
  /** How the page's other charts are drawn. */
  chart: ChartState;
}

/** Measurements by layer: one of them at a time, a line for each layer from the first to the last. */
export function Layers({ run, names, chart }: Props) {
  const metrics = layerMetricsOf(names);
  const count = metrics[0] ? layerSeries(names, metrics[0].prefix).length : 0;
  return (
    <Section
      name="layers"
      title="Layers"
      note={
        metrics.length
          ? `${formatNumber(count)} layers: ${metrics.map(({ title }) => title.toLowerCase()).join(", ")}`
          : "not measured"
      }
    >
      {metrics.length ? (
        <LayerChart run={run} names={names} metrics={metrics} chart={chart} />
      ) : (
        <NotMeasured what="figures by layer" alive={isAlive(run)} />
      )}
    </Section>
  );
}

function LayerChart({ run, names, metrics, chart }: Props & { metrics: readonly LayerMetric[] }) {
  const [wanted, setWanted] = useState(metrics[0]?.prefix);
  const [logs, setLogs] = useState<Record<string, boolean>>({});
  const metric = metrics.find(({ prefix }) => prefix === wanted) ?? (metrics[0] as LayerMetric);
  const { prefix } = metric;
  const key = layerSeries(names, prefix).join();
  const series = useMemo(() => key.split(","), [key]);
  const { store, version, query } = useRunMetrics(run.id, series);
  const theme = useThemeClass();
  // eslint-disable-next-line react-hooks/exhaustive-deps -- the colours are the theme's
  const colours = useMemo(() => rampColours(series.length), [series.length, theme]);
  const lines = series.map((name, place): ChartLine => ({
    name,
    label: layerTitle(name.slice(prefix.length + 1)),
    colour: colours[place] as string,
    curve: store.curve(name),
    ghosts: [],
    origin: chart.origin,
  }));
  const logY = logs[prefix] ?? metric.logY;
  return (
    <>
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 pt-3 sm:px-5">
        <Select
          aria-label="What to show of each layer"
          value={prefix}
          onChange={(event) => setWanted(event.target.value)}
          className="w-60"
        >
          {metrics.map((item) => (
            <option key={item.prefix} value={item.prefix}>
              {item.title}
            </option>
          ))}
        </Select>
        <p className="min-w-0 flex-1 basis-80 text-sm text-pretty text-muted">{metric.about}</p>
      </div>
      {query.isError ? (
        <Failure
          what="The curves could not be read."
          error={query.error}
          retry={() => void query.refetch()}
          className="mx-4 mt-3 sm:mx-5"
        />
      ) : null}
      <LineChart
        key={`${prefix} ${chart.axis}`}
        title={`${metric.title} by layer`}
        unit={metric.unit}
        file={`${run.id}-${prefix.replaceAll("_", "-")}-by-layer`}
        lines={lines}
        version={version}
        height={280}
        axis={chart.axis}
        logX={chart.logX}
        logY={logY}
        zoom={chart.zoom}
        onZoom={chart.onZoom}
        onLogY={(on) => setLogs({ ...logs, [prefix]: on })}
        rule={metric.rule}
        depth
        loading={query.isPending}
      />
    </>
  );
}
