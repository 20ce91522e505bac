"use client";

import { ScanSearch } from "lucide-react";
import dynamic from "next/dynamic";
import { useMemo, useState } from "react";

import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import {
  formatBytes,
  formatDuration,
  formatLoss,
  formatMetric,
  formatNumber,
  formatShort,
} from "@/lib/format";
import { useRunEvents, useRunMetrics } from "@/lib/queries";
import { showError } from "@/lib/actions";
import { alertsOf, marksOf } from "@/lib/run-marks";
import { type Click, pickStep } from "@/lib/run-pick";
import { useZoom } from "@/lib/run-zoom";
import { figure, shareDone } from "@/lib/run-view";
import { isAlive, type Run } from "@/lib/types";
import { useOpenStep } from "@/lib/use-open-step";

import { Alerts } from "./alerts";
import type { ChartLine, Mark } from "./chart-lines";
import { Histograms } from "./histograms";
import { Layers } from "./layers";
import { Samples } from "./samples";
import { SystemPanel } from "./system-panel";
import { Tile } from "./tile";

const LineChart = dynamic(() => import("./line-chart"), {
  ssr: false,
  loading: () => <Skeleton className="m-4 h-64" />,
});
const BatchSheet = dynamic(async () => (await import("./batch-sheet")).BatchSheet, { ssr: false });

/** Live curves, figures and what the model writes. */
export function TrainingView({ run }: { run: Run }) {
  const { store, version, query } = useRunMetrics(run.id);
  const [logX, setLogX] = useState(false);
  const [logY, setLogY] = useState(false);
  const [smoothing, setSmoothing] = useState(0);
  const alive = isAlive(run);
  const { axis, setAxis, zoom, setZoom, shown, drawn } = useZoom(run.id, store, version, alive);
  const events = useRunEvents(run.id);
  const opened = useOpenStep();
  const marks = useMemo(() => {
    const found: Mark[] = marksOf(events.data ?? []);
    return opened.step === null
      ? found
      : [...found, { step: opened.step, kind: "open" as const, label: "opened" }];
  }, [events.data, opened.step]);
  const alerts = useMemo(() => alertsOf(events.data ?? []), [events.data]);
  const line = (name: string, label: string, colour: number, extra?: Partial<ChartLine>): ChartLine => ({
    name,
    label,
    colour: `--chart-${colour}`,
    curve: shown.curve(name),
    ghosts: shown.ghosts(name),
    origin: store.origin(),
    ...extra,
  });
  const common = { version: drawn, axis, logX, zoom, onZoom: setZoom, loading: query.isPending };
  const pick = (name: string) => ({
    onPick: (click: Click) => {
      pickStep(run.id, name, shown.curve(name), axis, store.origin(), click)
        .then((step) => step !== null && step > 0 && opened.open(step))
        .catch((error: unknown) => showError("The step could not be found.", error));
    },
  });
  const newest = store.curve("train/loss").steps.at(-1) ?? 0;
  const losses = [
    line("train/loss", "Train", 1, { smoothing }),
    line("val/loss", "Validation", 2, { points: true }),
  ];

  return (
    <>
      <Tiles run={run} latest={(name) => store.latest(name)} />
      {query.isError ? (
        <Failure
          what="The curves could not be read."
          error={query.error}
          retry={() => void query.refetch()}
        />
      ) : null}
      <Alerts alerts={alerts} onStep={opened.open} />
      <div className="grid grid-cols-1 gap-4 lg:grid-cols-12">
        <Card className="lg:col-span-8">
          <LineChart
            title="Loss"
            unit="nats per token"
            file={`${run.id}-loss`}
            lines={losses}
            {...common}
            height={320}
            logY={logY}
            marks={marks}
            empty={alive ? "The first values come after a few steps." : "This run logged no loss."}
            onAxis={setAxis}
            onLogX={setLogX}
            onLogY={setLogY}
            onSmoothing={setSmoothing}
            smoothing={smoothing}
            {...pick("train/loss")}
          >
            <Button
              look="ghost"
              size="icon"
              aria-label="Look into a step"
              title="Look into a step: click a point, or begin with the newest"
              disabled={!(newest > 0)}
              onClick={() => opened.open(newest)}
            >
              <ScanSearch />
            </Button>
          </LineChart>
        </Card>
        <Samples run={run} className="lg:col-span-4" />
        <Card className="lg:col-span-4">
          <LineChart
            title="Learning rate"
            file={`${run.id}-learning-rate`}
            lines={[line("train/lr", "Learning rate", 3)]}
            {...common}
            height={140}
          />
        </Card>
        <Card className="lg:col-span-4">
          <LineChart
            title="Gradient norm"
            file={`${run.id}-gradient-norm`}
            lines={[line("train/grad_norm", "Gradient norm", 4)]}
            {...common}
            height={140}
            {...pick("train/grad_norm")}
          />
        </Card>
        <Card className="lg:col-span-4">
          <LineChart
            title="Speed"
            unit="tokens per second"
            file={`${run.id}-speed`}
            lines={[line("perf/tokens_per_second", "Tokens per second", 5)]}
            {...common}
            height={140}
            format={formatShort}
          />
        </Card>
      </div>
      <Layers
        run={run}
        names={store.allNames()}
        chart={{ axis, logX, zoom, onZoom: setZoom, origin: store.origin() }}
      />
      <Histograms run={run} measured={store.allNames().some((name) => name.startsWith("grad_norm/"))} />
      <SystemPanel run={run} names={store.allNames()} origin={store.origin()} />
      <BatchSheet
        run={run}
        step={opened.step}
        row={opened.row}
        score={opened.score}
        onStep={opened.open}
        onRow={opened.setRow}
        onScore={opened.setScore}
      />
    </>
  );
}

function Tiles({ run, latest }: { run: Run; latest: (name: string) => number | null }) {
  const { progress, summary } = run;
  const alive = isAlive(run);
  const total = progress.total;
  const speed = alive
    ? (figure(progress.details, "tokens_per_second") ?? latest("perf/tokens_per_second"))
    : (figure(summary, "tokens_per_second") ?? latest("perf/tokens_per_second"));
  const memory =
    figure(summary, "peak_memory_bytes") ?? latest("perf/peak_memory_bytes") ?? run.peak_memory_bytes;
  const seconds = figure(summary, "seconds");
  return (
    <dl className="grid grid-cols-2 gap-px overflow-hidden rounded-xl border bg-border sm:grid-cols-4 xl:grid-cols-7">
      <Tile
        name="Step"
        value={formatNumber(progress.done)}
        note={total ? `of ${formatNumber(total)}` : undefined}
        share={shareDone(run)}
      />
      <Tile
        name="Train loss"
        value={formatLoss(latest("train/loss"))}
        about="Mean negative log-probability of the next token over the last batch, in nats. Lower is better; a model that knows nothing has the logarithm of its vocabulary."
      />
      <Tile
        name="Validation loss"
        value={formatLoss(latest("val/loss"))}
        about="The same over text that is kept aside and never trained on. Where it rises while the train loss falls, the model learns by heart."
      />
      <Tile
        name="Bits per byte"
        value={formatLoss(latest("val/bits_per_byte"))}
        missing="Only pre-training measures it"
        about="Validation loss divided by ln 2 and by the bytes in a token: it can be compared between tokenizers."
      />
      <Tile name="Tokens per second" value={formatShort(speed)} full={formatMetric(speed)} />
      {alive ? (
        <Tile name="Time to go" value={formatDuration(progress.eta_s)} missing="Known after a few steps" />
      ) : (
        <Tile name="Time spent" value={formatDuration(seconds)} missing="The run did not come to its end" />
      )}
      <Tile
        name="Peak memory"
        value={formatBytes(memory)}
        missing="Measured with the first validation"
        last
      />
    </dl>
  );
}
