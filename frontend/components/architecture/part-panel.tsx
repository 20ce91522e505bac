"use client";

import { labelOf } from "@/components/config-form/schema";
import type { Part } from "@/lib/architecture-parts";
import { formatNumber, formatPercent } from "@/lib/format";

import { COLOURS, componentTitle } from "./component-colours";

/** One part of the model: shape, weights, formula, where it comes from, and the settings that make it so. */
export function PartPanel({
  part,
  total,
  onField,
}: {
  part: Part;
  total: number;
  onField: (name: string) => void;
}) {
  const all = part.count * part.times;
  return (
    <section aria-label="Part" aria-live="polite" className="flex flex-col gap-3 lg:min-h-80">
      <div>
        <p className="flex items-center gap-2 text-xs text-muted">
          <span
            aria-hidden
            className="size-2.5 rounded-sm"
            style={{ background: `var(${COLOURS[part.component]})` }}
          />
          {componentTitle(part.component)}
        </p>
        <h3 className="text-lg font-semibold">{part.title}</h3>
      </div>
      <p className="rounded-lg bg-surface-2 px-3 py-2 font-mono text-sm break-words">{part.formula}</p>
      {part.count ? (
        <dl className="text-sm figures">
          <Row name="Shape">
            <span className="font-mono">{part.size}</span>
          </Row>
          {part.times > 1 ? (
            <>
              <Row name="In each block">{formatNumber(part.count)}</Row>
              <Row name={`In all ${formatNumber(part.times)}`}>{formatNumber(all)}</Row>
            </>
          ) : (
            <Row name="Parameters">{formatNumber(all)}</Row>
          )}
          <Row name="Of the model">{formatPercent(total ? all / total : 0, 2)}</Row>
        </dl>
      ) : (
        <p className="text-sm text-muted">No weights of its own.</p>
      )}
      <p className="text-sm">{part.about}</p>
      {part.source ? <p className="text-xs text-pretty text-muted">{part.source}</p> : null}
      <div className="mt-auto flex flex-wrap items-center gap-1.5 pt-1">
        <span className="text-xs text-muted">Set by</span>
        {part.fields.map((field) => (
          <button
            key={field}
            type="button"
            onClick={() => onField(field)}
            className="h-6 rounded-md border border-border-strong px-1.5 text-xs hover:bg-surface-2"
          >
            {labelOf(field)}
          </button>
        ))}
      </div>
    </section>
  );
}

function Row({ name, children }: { name: string; children: React.ReactNode }) {
  return (
    <div className="flex items-baseline justify-between gap-3 border-b py-1 last:border-0">
      <dt className="text-muted">{name}</dt>
      <dd className="text-right font-medium">{children}</dd>
    </div>
  );
}
