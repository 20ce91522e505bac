"use client";

import dynamic from "next/dynamic";

import { Card, CardHeader } from "@/components/ui/card";
import { Skeleton } from "@/components/ui/skeleton";
import { useAnalysis } from "@/lib/architecture-queries";
import type { Analysis, AnalyzeRequest, Config } from "@/lib/architecture-types";
import { DASH, formatBytes, formatMetric, formatNumber, formatPower, formatShort } from "@/lib/format";
import { useHealth } from "@/lib/queries";
import type { RunPreview } from "@/lib/run-types";

import { Tile } from "../tile";

const LineChart = dynamic(() => import("../line-chart"), {
  ssr: false,
  loading: () => <Skeleton className="m-4 h-36" />,
});

/** What a training comes to, as the analysis of architectures is asked for it. */
export function analysisOf(preview: RunPreview | undefined, training: Config): AnalyzeRequest | null {
  if (!preview?.model) return null;
  const batch = training["micro_batch_size"] ?? training["batch_size"] ?? 16;
  const optimizer = training["optimizer"] === "sgd" ? "momentum" : (training["optimizer"] ?? "adamw");
  const precision = training["precision"] ?? "float32";
  return {
    config: preview.model,
    batch: Number(batch),
    optimizer: optimizer as AnalyzeRequest["optimizer"],
    precision: (precision === "auto" ? "float32" : precision) as AnalyzeRequest["precision"],
    checkpointing: (training["activation_checkpointing"] ?? "none") as AnalyzeRequest["checkpointing"],
    tokens: preview.tokens ?? undefined,
  } as AnalyzeRequest;
}

/** Parameters, tokens, operations and memory of the run as it stands, and the picture of its learning rate. */
export function PlanCard({
  preview,
  training,
  stage,
}: {
  preview: RunPreview | undefined;
  training: Config;
  stage: "pretrain" | "sft";
}) {
  const asked = useAnalysis(analysisOf(preview, training));
  const analysis = asked.data;
  const waiting = Boolean(preview?.model) && asked.isPending;
  const or = (text: string) => (waiting ? "…" : text);
  const health = useHealth();
  const shown = preview?.model ? analysis : undefined;
  const free = health.data?.memory.available_bytes;
  const schedule = preview?.schedule ?? [];
  const line = {
    name: "train/lr",
    label: "Learning rate",
    colour: "--chart-3",
    curve: { steps: schedule.map(({ step }) => step), values: schedule.map(({ rate }) => rate) },
    ghosts: [],
  };
  return (
    <Card className="overflow-hidden">
      <CardHeader title="What it comes to" />
      {stage === "pretrain" ? (
        <>
          <dl className="grid grid-cols-2 gap-px border-t bg-border">
            <Tile
              name="Parameters"
              value={or(formatShort(shown?.parameters.total))}
              full={formatNumber(shown?.parameters.total)}
              missing="Known once text, tokenizer and shape are"
            />
            <Tile
              name="Tokens read"
              value={formatShort(preview?.tokens)}
              full={formatNumber(preview?.tokens)}
              note={preview?.epochs ? `${formatMetric(preview.epochs)} times the text` : undefined}
              missing="Known once text, tokenizer and shape are"
              about="Steps, times sequences in a step, times the context length."
            />
            <Tile
              name="Operations"
              value={or(formatPower(shown?.budget.training_flops))}
              missing="Known once text, tokenizer and shape are"
              about="Floating-point operations of all steps, forward and backward; a multiply-add counts two."
            />
            <Memory analysis={shown} free={free} waiting={waiting} />
          </dl>
          <p className="px-4 pt-2 text-sm text-pretty text-muted sm:px-5" role="status">
            {shown && free && shown.memory.total_training > free
              ? `This needs more memory than is free here (${formatBytes(free)}): use fewer sequences at once, or a smaller shape.`
              : shown
                ? `Rule of thumb: ${formatShort(shown.budget.chinchilla_tokens)} tokens would be the best use of this many parameters.`
                : null}
          </p>
        </>
      ) : null}
      <LineChart
        title="Learning rate"
        file="learning-rate"
        lines={[line]}
        version={schedule.reduce((sum, { step, rate }) => sum + step * 31 + rate, schedule.length)}
        height={150}
        empty="Its settings are not right yet."
        format={formatMetric}
      />
    </Card>
  );
}

function Memory({
  analysis,
  free,
  waiting,
}: {
  analysis: Analysis | undefined;
  free: number | undefined;
  waiting: boolean;
}) {
  const need = analysis?.memory.total_training;
  return (
    <Tile
      name="Memory to train"
      value={need === undefined ? (waiting ? "…" : DASH) : formatBytes(need)}
      note={free === undefined ? undefined : `of ${formatBytes(free)} free`}
      missing="Known once text, tokenizer and shape are"
      about="Weights, gradients, optimizer and activations of the sequences that are computed at once."
    />
  );
}
