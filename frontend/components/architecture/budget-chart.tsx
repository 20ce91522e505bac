"use client";

import { memo, useId } from "react";

import { Info } from "@/components/tokenizer/info";
import { FigureRow } from "@/components/tokenizer/figure-row";
import { Card } from "@/components/ui/card";
import { Field, Range, Select } from "@/components/ui/field";
import type { Plan } from "@/lib/architecture-config";
import { useDevices } from "@/lib/architecture-queries";
import type { Analysis } from "@/lib/architecture-types";
import { DASH, formatDuration, formatNumber, formatPercent, formatPower, formatShort } from "@/lib/format";
import { formatMoney } from "@/lib/tokenizer-cost";

import { XyChart, type XyMark } from "./xy-chart";

const STEPS_PER_DECADE = 10;
const LEAST = 6; // 10^6 tokens
const MOST = 14;
const fromStep = (step: number): number => {
  const exact = 10 ** (LEAST + step / STEPS_PER_DECADE);
  return Number(exact.toPrecision(2));
};
const toStep = (tokens: number): number =>
  Math.round((Math.log10(Math.max(1, tokens)) - LEAST) * STEPS_PER_DECADE);

/** Tokens, time and cost of a training, on the curve of the loss that the scaling law predicts. */
export const BudgetCard = memo(function BudgetCard({
  analysis,
  plan,
  onPlan,
}: {
  analysis: Analysis;
  plan: Plan;
  onPlan: (plan: Plan) => void;
}) {
  const devices = useDevices();
  const { budget } = analysis;
  const ids = { tokens: useId(), device: useId(), use: useId() };
  const points = budget.loss_curve.map(({ tokens: x, loss }) => ({ x, y: loss }));
  const noDevice = "Choose a device for time and cost.";
  const marks: XyMark[] = [
    {
      x: budget.chinchilla_tokens,
      y: lossAt(points, budget.chinchilla_tokens),
      label: "Chinchilla",
      colour: "--chart-2",
      hollow: true,
      side: budget.tokens > budget.chinchilla_tokens ? "left" : "right",
    },
  ];
  if (plan.tokens !== null && plan.tokens !== budget.chinchilla_tokens)
    marks.push({
      x: budget.tokens,
      y: budget.predicted_loss,
      label: budget.predicted_loss.toFixed(2),
      colour: "--chart-1",
      side: budget.tokens > budget.chinchilla_tokens ? "right" : "left",
    });
  return (
    <Card className="flex flex-col overflow-hidden">
      <XyChart
        title="Budget"
        note="predicted loss over tokens"
        file="predicted-loss"
        xName="tokens"
        yName="nats per token"
        height={216}
        xLog={10}
        formatX={formatShort}
        formatY={(value) => String(Number(value.toPrecision(3)))}
        lines={[
          { label: "Hoffmann et al. 2022", colour: "--chart-1", points },
          {
            label: "Besiroglu et al. 2024",
            colour: "--chart-1",
            dashed: true,
            points: budget.loss_curve.map(({ tokens: x, loss_replication: y }) => ({ x, y })),
          },
        ]}
        marks={marks.filter((mark) => Number.isFinite(mark.y))}
      >
        <Info
          name="The predicted loss"
          about="L = E + A / N^α + B / D^β with N parameters and D tokens, as two papers fitted it on English web text: a guide, not a promise. The Chinchilla point is 20 tokens for each parameter (arXiv:2203.15556); the dashed line is a later fit of the same runs (arXiv:2404.10102)."
        />
      </XyChart>
      <div className="grid gap-x-4 gap-y-3 px-4 pt-1 pb-4 sm:grid-cols-3 sm:px-5">
        <Field label="Tokens" htmlFor={ids.tokens} value={formatShort(budget.tokens)}>
          <Range
            id={ids.tokens}
            min={0}
            max={(MOST - LEAST) * STEPS_PER_DECADE}
            value={Math.max(0, toStep(budget.tokens))}
            aria-valuetext={`${formatShort(budget.tokens)} tokens`}
            onChange={(event) => onPlan({ ...plan, tokens: fromStep(Number(event.target.value)) })}
          />
        </Field>
        <Field label="Device" htmlFor={ids.device}>
          <Select
            id={ids.device}
            value={plan.device ?? ""}
            onChange={(event) => onPlan({ ...plan, device: event.target.value || null })}
          >
            <option value="">none</option>
            {devices.data ? <option value={devices.data.this.name}>this computer</option> : null}
            {devices.data?.devices.map((device) => (
              <option key={device.name} value={device.name}>
                {device.title}
              </option>
            ))}
          </Select>
        </Field>
        <Field label="Share of its peak" htmlFor={ids.use} value={formatPercent(plan.utilization, 0)}>
          <Range
            id={ids.use}
            min={5}
            max={80}
            step={5}
            disabled={plan.device === null}
            value={Math.round(100 * plan.utilization)}
            aria-valuetext={formatPercent(plan.utilization, 0)}
            onChange={(event) => onPlan({ ...plan, utilization: Number(event.target.value) / 100 })}
          />
        </Field>
        {plan.tokens !== null ? (
          <button
            type="button"
            onClick={() => onPlan({ ...plan, tokens: null })}
            className="justify-self-start text-sm text-accent-ink underline underline-offset-2 sm:col-span-3"
          >
            Back to 20 tokens for each parameter ({formatShort(budget.chinchilla_tokens)})
          </button>
        ) : null}
      </div>
      <FigureRow
        className="mt-auto grid-cols-2 border-t sm:grid-cols-4"
        figures={[
          {
            name: "Operations",
            value: formatPower(budget.training_flops),
            full: formatNumber(budget.training_flops),
          },
          { name: "Time", value: formatDuration(budget.seconds), missing: noDevice },
          {
            name: "Cost",
            value: budget.cost === null ? DASH : formatMoney(budget.cost, budget.currency),
            missing: plan.device ? "There is no price for this device." : noDevice,
            about: devices.data?.as_of ? `By prices of ${devices.data.as_of}.` : undefined,
          },
          {
            name: "Energy",
            value: budget.energy_kwh === null ? DASH : formatShort(budget.energy_kwh),
            note: budget.energy_kwh === null ? undefined : "kWh",
            missing: noDevice,
          },
        ]}
      />
    </Card>
  );
});

/** The curve's loss at so many tokens, from the nearest points, along the logarithm. */
function lossAt(points: readonly { x: number; y: number }[], tokens: number): number {
  const after = points.findIndex((point) => point.x >= tokens);
  const right = points[after];
  const left = points[after - 1] ?? right;
  if (!right || !left) return NaN;
  if (right === left) return right.x === tokens ? right.y : NaN;
  const share = Math.log(tokens / left.x) / Math.log(right.x / left.x);
  return left.y + share * (right.y - left.y);
}
