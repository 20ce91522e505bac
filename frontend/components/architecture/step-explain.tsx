"use client";

import { ChevronRight, CornerLeftUp } from "lucide-react";

import { Button } from "@/components/ui/button";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { useExplanation } from "@/lib/architecture-queries";
import { formatNumber } from "@/lib/format";
import { formatValue, type NumberRef, partOf, type Term } from "@/lib/steps-model";
import { cn } from "@/lib/utils";

/** Where one number comes from: the products that it is the sum of. A term can be asked about in turn. */
export function StepExplain({
  model,
  text,
  known,
  trail,
  onTrail,
}: {
  model: string;
  text: string;
  /** The formula that is said already. */
  known?: string;
  /** The numbers that were opened one after the other; the last is shown. */
  trail: readonly NumberRef[];
  onTrail: (trail: readonly NumberRef[]) => void;
}) {
  const now = trail.at(-1)!;
  const answer = useExplanation({ model, text, ...now });
  const shown = answer.data;
  const products =
    shown?.terms.some(({ factor_b, source_b }) => factor_b !== 1 || source_b !== null) ?? false;
  const most = Math.max(1e-12, ...(shown?.terms.map(({ product }) => Math.abs(product)) ?? []));
  return (
    <section aria-label="Where the number comes from" className="flex min-w-0 flex-col gap-2.5">
      <nav aria-label="Numbers on the way" className="flex flex-wrap items-center gap-y-1 text-xs">
        <ol className="flex min-w-0 flex-wrap items-center gap-y-1">
          {trail.map((item, at) => (
            <li key={at} className="flex items-center">
              {at ? <ChevronRight aria-hidden className="size-3.5 text-muted" /> : null}
              <button
                type="button"
                aria-current={at === trail.length - 1 ? "step" : undefined}
                onClick={() => onTrail(trail.slice(0, at + 1))}
                className={cn(
                  "rounded-sm px-1 font-mono",
                  at === trail.length - 1 ? "font-medium" : "text-accent-ink hover:underline",
                )}
              >
                {nameOf(item)}
              </button>
            </li>
          ))}
        </ol>
        {trail.length > 1 ? (
          <Button look="ghost" size="sm" className="ml-auto h-7" onClick={() => onTrail(trail.slice(0, -1))}>
            <CornerLeftUp aria-hidden /> Back
          </Button>
        ) : null}
      </nav>
      {answer.isError ? (
        <Failure
          what="The number could not be taken apart."
          error={answer.error}
          retry={() => void answer.refetch()}
        />
      ) : shown ? (
        <div className={cn("flex flex-col gap-2.5", answer.isPlaceholderData && "opacity-50")}>
          <div className="flex flex-wrap items-baseline gap-x-3">
            <span className="font-mono text-xl font-semibold figures">{formatValue(shown.value)}</span>
            <span className="min-w-0 text-sm text-pretty text-muted">{shown.title}</span>
          </div>
          {shown.formula === known ? null : (
            <code className="block rounded-md bg-surface-2 px-2.5 py-1.5 font-mono text-xs break-words">
              {shown.formula}
            </code>
          )}
          <table className="w-full table-fixed text-xs">
            <caption className="sr-only">The largest terms of the sum</caption>
            <thead className="text-left text-muted">
              <tr>
                <th scope="col" className="w-[58%] py-1 font-medium">
                  {shown.count > 1 ? `${formatNumber(shown.count)} terms` : "Term"}
                </th>
                <th scope="col" className="py-1 text-right font-medium">
                  {products ? "Product" : "Value"}
                </th>
              </tr>
            </thead>
            <tbody>
              {shown.terms.map((term, at) => (
                <TermRow
                  key={at}
                  term={term}
                  products={products}
                  most={most}
                  onOpen={(source) => onTrail([...trail, source])}
                />
              ))}
              {shown.count > shown.terms.length ? (
                <SumRow
                  name={`${formatNumber(shown.count - shown.terms.length)} smaller terms`}
                  value={shown.rest}
                />
              ) : null}
              {shown.bias !== 0 ? <SumRow name="bias" value={shown.bias} /> : null}
              <SumRow name="sum" value={shown.sum} strong />
            </tbody>
          </table>
        </div>
      ) : (
        <div className="flex flex-col gap-2">
          <Skeleton className="h-7 w-1/2" />
          <Skeleton className="h-40" />
        </div>
      )}
    </section>
  );
}

/** "b2 ffn.output[17]" */
export function nameOf({ name, index, head, position }: NumberRef): string {
  const block = /^blocks\.(\d+)\./.exec(name)?.[1];
  const where = head === null ? "" : ` h${head}`;
  return `${block === undefined ? "" : `b${block} `}${partOf(name)}${where}[${index}]@${position}`;
}

function TermRow({
  term,
  products,
  most,
  onOpen,
}: {
  term: Term;
  products: boolean;
  most: number;
  onOpen: (source: NumberRef) => void;
}) {
  const share = Math.abs(term.product) / most;
  const { source } = term;
  return (
    <tr className="border-t align-top">
      <th scope="row" className="py-1 pr-2 text-left font-normal">
        {!products && source ? (
          <Opener name={term.label} onOpen={() => onOpen(source)}>
            {term.label}
          </Opener>
        ) : (
          <span className="block truncate" title={term.label}>
            {term.label}
          </span>
        )}{" "}
        {products ? (
          <span className="flex flex-wrap items-baseline gap-x-1 font-mono text-muted figures">
            <Factor value={term.factor_a} source={term.source} label={term.label} onOpen={onOpen} />
            <span> × </span>
            <Factor value={term.factor_b} source={term.source_b} label={term.label} onOpen={onOpen} />
          </span>
        ) : null}
      </th>
      <td className="py-1">
        <span className="flex items-center justify-end gap-2">
          <span aria-hidden className="flex h-2 min-w-0 flex-1">
            <span className="flex w-1/2 justify-end">
              {term.product < 0 ? (
                <span className="rounded-l-full bg-chart-1" style={{ width: `${100 * share}%` }} />
              ) : null}
            </span>
            <span className="w-px bg-border-strong" />
            <span className="flex w-1/2">
              {term.product >= 0 ? (
                <span className="rounded-r-full bg-chart-2" style={{ width: `${100 * share}%` }} />
              ) : null}
            </span>
          </span>
          <span className="w-16 shrink-0 text-right font-mono figures">{formatValue(term.product)}</span>
        </span>
      </td>
    </tr>
  );
}

/** A number that leads on to where it comes from. */
function Opener({ name, onOpen, children }: { name: string; onOpen: () => void; children: React.ReactNode }) {
  return (
    <button
      type="button"
      onClick={onOpen}
      title={`${name}: where does it come from?`}
      className="max-w-full truncate rounded-sm text-left text-accent-ink underline decoration-accent/40 underline-offset-2 hover:decoration-accent"
    >
      {children}
    </button>
  );
}

function Factor({
  value,
  source,
  label,
  onOpen,
}: {
  value: number;
  source: NumberRef | null;
  label: string;
  onOpen: (source: NumberRef) => void;
}) {
  return source ? (
    <Opener name={`${formatValue(value)} in ${label}`} onOpen={() => onOpen(source)}>
      {formatValue(value)}
    </Opener>
  ) : (
    <span>{formatValue(value)}</span>
  );
}

function SumRow({ name, value, strong = false }: { name: string; value: number; strong?: boolean }) {
  return (
    <tr className={cn("border-t", strong && "border-t-2 border-border-strong font-semibold")}>
      <th scope="row" className={cn("py-1 text-left", strong ? "" : "font-normal text-muted")}>
        {name}
      </th>
      <td className="py-1 text-right font-mono figures">{formatValue(value)}</td>
    </tr>
  );
}
