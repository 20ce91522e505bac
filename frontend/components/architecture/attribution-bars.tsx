"use client";

import Link from "next/link";
import { useState } from "react";

import { Button } from "@/components/ui/button";
import { formatNumber } from "@/lib/format";
import { type Component, componentKey, signed, strongest } from "@/lib/lens-view";
import { cn } from "@/lib/utils";

const FEW = 12;

/** Bars to the right for what speaks for the token, to the left for what speaks against it; the strongest first. */
export function AttributionBars({
  components,
  lit,
  onLit,
  href,
}: {
  components: readonly Component[];
  lit: string | null;
  onLit: (name: string | null) => void;
  /** Where a head is opened. */
  href: (layer: number, head: number) => string;
}) {
  const [all, setAll] = useState(false);
  const { shown, others } = strongest(components, all ? components.length : FEW);
  const most = Math.max(1e-9, ...shown.map(({ value }) => Math.abs(value)), Math.abs(others?.value ?? 0));
  const below = shown.some(({ value }) => value < 0) || (others?.value ?? 0) < 0;
  const zero = below ? 50 : 0;
  return (
    <div>
      <ol aria-label="Parts by strength" className="flex flex-col">
        {shown.map((component) => {
          const { title, layer, head, value } = component;
          const key = componentKey(component);
          return (
            <li
              key={key}
              onPointerEnter={() => onLit(key)}
              onPointerLeave={() => onLit(null)}
              className={cn(
                "grid grid-cols-[minmax(0,9.5rem)_1fr_3.75rem] items-center gap-3 rounded-md px-1.5 py-[3px] text-sm",
                lit === key && "bg-surface-2",
              )}
            >
              {layer !== null && head !== null ? (
                <Link
                  href={href(layer, head)}
                  title={`${title}: open in the tab Attention`}
                  className="truncate rounded-sm text-accent-ink underline decoration-border-strong underline-offset-4 hover:decoration-accent"
                >
                  {title}
                </Link>
              ) : (
                <span className="truncate" title={title}>
                  {title}
                </span>
              )}
              <Bar value={value} most={most} zero={zero} />
              <span className="text-right figures">{signed(value)}</span>
            </li>
          );
        })}
        {others ? (
          <li className="grid grid-cols-[minmax(0,9.5rem)_1fr_3.75rem] items-center gap-3 px-1.5 py-[3px] text-sm text-muted">
            <span className="truncate">{formatNumber(others.count)} others</span>
            <Bar value={others.value} most={most} zero={zero} />
            <span className="text-right figures">{signed(others.value)}</span>
          </li>
        ) : null}
      </ol>
      {components.length > FEW ? (
        <Button look="ghost" size="sm" className="mt-1.5" onClick={() => setAll(!all)}>
          {all ? "Show the strongest" : `Show all ${formatNumber(components.length)}`}
        </Button>
      ) : null}
    </div>
  );
}

function Bar({ value, most, zero }: { value: number; most: number; zero: number }) {
  const length = ((100 - zero) * Math.abs(value)) / most;
  return (
    <span aria-hidden className="relative h-4">
      <span className="absolute inset-y-[-3px] w-px bg-border-strong" style={{ left: `${zero}%` }} />
      <span
        className={cn("absolute inset-y-[2px] rounded-[3px]", value < 0 ? "part-minus" : "part-plus")}
        style={{ left: `${value < 0 ? zero - length : zero}%`, width: `${Math.max(length, 0.3)}%` }}
      />
    </span>
  );
}
