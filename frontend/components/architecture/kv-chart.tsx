"use client";

import { memo } from "react";

import { Info } from "@/components/tokenizer/info";
import { Card, CardHeader } from "@/components/ui/card";
import { Empty } from "@/components/ui/states";
import type { Plan } from "@/lib/architecture-config";
import { type Shape, windowedLayers } from "@/lib/architecture-shape";
import type { Analysis } from "@/lib/architecture-types";
import { formatBytes, formatShort } from "@/lib/format";

import { PRECISIONS } from "./totals";
import { XyChart } from "./xy-chart";

/** What a conversation keeps in memory as it grows. */
export const KvChart = memo(function KvChart({
  analysis,
  shape,
  plan,
}: {
  analysis: Analysis;
  shape: Shape;
  plan: Plan;
}) {
  const context = plan.context ?? shape.context;
  const bytes = analysis.memory.kv_cache_at_context / plan.batch;
  const windowed = windowedLayers(shape);
  if (bytes === 0) {
    return (
      <Card>
        <CardHeader title="KV cache" />
        <Empty title="There is no cache" className="py-10">
          An encoder reads the whole text at once: nothing has to be kept from token to token.
        </Empty>
      </Card>
    );
  }
  return (
    <Card className="flex flex-col overflow-hidden">
      <XyChart
        title="KV cache"
        note={`one sequence, ${PRECISIONS[plan.precision] ?? plan.precision}`}
        file="kv-cache"
        xName="tokens"
        yName="bytes"
        height={216}
        xLog={2}
        yLog
        formatX={formatShort}
        formatY={formatBytes}
        lines={[
          {
            label: "KV cache",
            colour: "--chart-1",
            points: analysis.kv_curve.map(({ context: x, bytes: y }) => ({ x, y })),
          },
        ]}
        marks={[
          {
            x: context,
            y: bytes,
            label: formatBytes(bytes),
            colour: "--chart-1",
            side: "left",
          },
        ]}
      >
        <Info
          name="The KV cache"
          about="2 (keys and values) × layers × KV heads × head size × bytes, for every token. A layer with a window keeps no more than its window."
        />
      </XyChart>
      <p className="mt-auto border-t px-4 py-2.5 text-sm text-pretty text-muted figures sm:px-5">
        {formatBytes(analysis.memory.kv_cache_per_token)} for each token
        {shape.kvHeads < shape.heads
          ? `; sharing makes it ${shape.heads / shape.kvHeads} times smaller than ${shape.heads} heads of their own`
          : ""}
        {windowed
          ? `; ${windowed} of ${shape.layers} layers stop growing at ${formatShort(shape.window)} tokens`
          : ""}
        .
      </p>
    </Card>
  );
});
