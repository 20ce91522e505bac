"use client";

import { useMemo } from "react";

import { diverging } from "@/lib/lens-heat";
import { type Component, componentKey, signed } from "@/lib/lens-view";
import { cn } from "@/lib/utils";

interface MapRow {
  layer: number;
  heads: (Component | undefined)[];
  ffn: Component | undefined;
}

/** Heads and feed-forward parts of each layer where they stand, coloured by what they say. */
export function AttributionMap({
  components,
  lit,
  onLit,
  className,
}: {
  components: readonly Component[];
  lit: string | null;
  onLit: (name: string | null) => void;
  className?: string;
}) {
  const { rows, heads, most, open } = useMemo(() => {
    const layers = new Map<number, MapRow>();
    let count = 0;
    for (const component of components) {
      if (component.layer === null) continue;
      const row = layers.get(component.layer) ?? { layer: component.layer, heads: [], ffn: undefined };
      if (component.head === null) {
        if (component.name.endsWith(".ffn.output")) row.ffn = component;
      } else {
        row.heads[component.head] = component;
        count = Math.max(count, component.head + 1);
      }
      layers.set(component.layer, row);
    }
    return {
      rows: [...layers.values()].sort((a, b) => a.layer - b.layer),
      heads: count,
      most: Math.max(1e-9, ...components.map(({ value }) => Math.abs(value))),
      open: count <= 8,
    };
  }, [components]);
  const named = components.find((component) => componentKey(component) === lit);
  const cell = (component: Component | undefined, key: string | number) => (
    <span
      key={key}
      data-part={component && componentKey(component)}
      className={cn(
        "grid h-7 min-w-0 place-items-center overflow-hidden rounded-sm text-xs figures",
        component && componentKey(component) === lit && "ring-2 ring-foreground",
      )}
      style={{ background: component ? diverging(component.value, most) : undefined }}
    >
      {component && open ? signed(component.value, most < 1 ? 2 : 1) : null}
    </span>
  );
  const columns = `2rem repeat(${Math.max(1, heads)}, minmax(0, 1fr)) ${open ? "" : "0.25rem"} minmax(2.5rem, ${open ? "1fr" : "2.5rem"})`;
  return (
    <div className={className}>
      <div
        role="img"
        aria-label="Parts of each layer by what they say; the list beside it has the figures."
        className="flex flex-col gap-1"
        onPointerOver={(event) =>
          onLit((event.target as Element).closest("[data-part]")?.getAttribute("data-part") ?? null)
        }
        onPointerLeave={() => onLit(null)}
      >
        <div className="grid items-center gap-1 text-xs text-muted" style={{ gridTemplateColumns: columns }}>
          <span />
          {Array.from({ length: heads }, (_, head) => (
            <span key={head} className="truncate text-center">
              {open ? `Head ${head}` : head}
            </span>
          ))}
          {open ? null : <span />}
          <span className="truncate text-center">{open ? "Feed-fwd" : "FFN"}</span>
        </div>
        {rows.map(({ layer, heads: own, ffn }) => (
          <div key={layer} className="grid items-center gap-1" style={{ gridTemplateColumns: columns }}>
            <span className="text-xs text-muted">L{layer}</span>
            {Array.from({ length: heads }, (_, head) => cell(own[head], head))}
            {open ? null : <span />}
            {cell(ffn, "ffn")}
          </div>
        ))}
      </div>
      <div className="mt-2 flex min-h-5 items-center gap-2 text-xs text-muted">
        against
        <span aria-hidden className="signed-scale h-2.5 w-20 rounded-sm" />
        for
        <span className="ml-auto truncate text-foreground">
          {named ? `${named.title}: ${signed(named.value)}` : null}
        </span>
      </div>
    </div>
  );
}
