"use client";

import { memo, useId } from "react";

import { Info } from "@/components/tokenizer/info";
import { Card, CardHeader } from "@/components/ui/card";
import { Field, Range } from "@/components/ui/field";
import type { Plan } from "@/lib/architecture-config";
import type { Shape } from "@/lib/architecture-shape";
import type { Analysis } from "@/lib/architecture-types";
import { formatNumber, formatShort } from "@/lib/format";

import { BreakdownBar } from "./breakdown-bar";
import { colourOf, componentTitle } from "./component-colours";

/** Contexts to choose from: powers of two up to the model's own. */
export function contextsUpTo(most: number): number[] {
  const found: number[] = [];
  for (let size = 16; size < most; size *= 2) found.push(size);
  return [...found, most];
}

/** What one token costs, part by part, and how that grows with what stands before it. */
export const ComputeCard = memo(function ComputeCard({
  analysis,
  shape,
  plan,
  onPlan,
}: {
  analysis: Analysis;
  shape: Shape;
  plan: Plan;
  onPlan: (plan: Plan) => void;
}) {
  const id = useId();
  const contexts = contextsUpTo(shape.context);
  const context = plan.context ?? shape.context;
  const place = contexts.findIndex((size) => size >= context);
  const { flops } = analysis;
  return (
    <Card className="overflow-hidden">
      <CardHeader title="Operations per token" note="forward, by part">
        <Info
          name="Operations per token"
          about="A multiplication and an addition count two. Matrices cost the same for every token; scores and mixing grow with what the token can look at."
        />
      </CardHeader>
      <div className="px-4 pt-1 pb-4 sm:px-5">
        <Field label="Context" htmlFor={id} value={`${formatNumber(context)} tokens`}>
          <Range
            id={id}
            min={0}
            max={contexts.length - 1}
            value={place < 0 ? contexts.length - 1 : place}
            aria-valuetext={`${formatNumber(context)} tokens`}
            onChange={(event) => {
              const next = contexts[Number(event.target.value)]!;
              onPlan({ ...plan, context: next === shape.context ? null : next });
            }}
          />
        </Field>
        <BreakdownBar
          className="mt-3"
          label="Operations by part"
          format={(value) => formatShort(value)}
          exact={(value) => formatNumber(value)}
          slices={flops.by_component.map(({ component, forward }, index) => ({
            key: component,
            label: componentTitle(component),
            value: forward,
            colour: flopColour(component, index),
          }))}
        />
        <dl className="mt-3 flex flex-wrap gap-x-8 gap-y-1 text-sm figures">
          <div className="flex gap-2">
            <dt className="text-muted">Forward</dt>
            <dd className="font-medium" title={formatNumber(flops.per_token_forward)}>
              {formatShort(flops.per_token_forward)}
            </dd>
          </div>
          <div className="flex gap-2">
            <dt className="text-muted">Training</dt>
            <dd className="font-medium" title={formatNumber(flops.per_token_training)}>
              {formatShort(flops.per_token_training)}
            </dd>
          </div>
        </dl>
      </div>
    </Card>
  );
});

/** Scores have a colour of their own beside the projections: only they grow with the context. */
const flopColour = (component: string, place: number): string =>
  /score|mix/.test(component) ? "--chart-5" : colourOf(component, place);
