"use client";

import { Download } from "lucide-react";
import { memo, useMemo, useRef, useState } from "react";

import { Info } from "@/components/tokenizer/info";
import { useWide } from "@/components/tokenizer/use-wide";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { Dialog, SheetContent } from "@/components/ui/dialog";
import { Skeleton } from "@/components/ui/skeleton";
import { draw } from "@/lib/architecture-drawing";
import { partsOf, totalOf } from "@/lib/architecture-parts";
import type { Shape } from "@/lib/architecture-shape";
import type { Analysis } from "@/lib/architecture-types";
import { formatNumber, formatShort } from "@/lib/format";
import { saveSvg } from "@/lib/save-svg";
import { cn } from "@/lib/utils";

import { BlockDiagram, type Lit } from "./block-diagram";
import { BreakdownBar } from "./breakdown-bar";
import { colourOf, componentTitle, knownComponent } from "./component-colours";
import { PartList } from "./part-list";
import { PartPanel } from "./part-panel";
import { useWidth } from "./use-width";

/** The picture of the model, the part that is pointed at, and what all parts of a kind come to. */
export const BlockCard = memo(function BlockCard({
  shape,
  analysis,
  stale,
  onField,
  className,
}: {
  shape: Shape;
  analysis: Analysis | undefined;
  stale: boolean;
  /** Asks to see a setting in the form. */
  onField: (name: string) => void;
  className?: string;
}) {
  const card = useRef<HTMLElement>(null);
  const [ref, width] = useWidth<HTMLDivElement>(500);
  const [lit, setLit] = useState<Lit>(null);
  const [pinned, setPinned] = useState<string>("scores");
  const parts = useMemo(() => partsOf(shape), [shape]);
  const square = useMemo(() => draw(shape, width).pitch, [shape, width]);
  const [sheet, setSheet] = useState(false);
  const wide = useWide();
  const total = totalOf(parts);
  const pin = (part: string) => {
    setPinned(part);
    if (!wide) setSheet(true);
  };
  const shown = lit && "part" in lit ? lit.part : pinned;
  const open = parts.find((part) => part.id === shown) ?? parts.find((part) => part.id === "scores");
  const component = lit && "component" in lit ? lit.component : lit ? (open?.component ?? null) : null;

  return (
    <Card ref={card} className={cn("overflow-hidden", className)}>
      <CardHeader
        title="The model, to scale"
        note={
          <span className="figures">
            one square is {formatNumber(square)} × {formatNumber(square)} ={" "}
            <span title={formatNumber(square * square)}>{formatShort(square * square)}</span> weights
          </span>
        }
      >
        {stale ? <Badge tone="warn">does not go together yet</Badge> : null}
        <Button
          look="ghost"
          size="icon"
          aria-label="Save the picture (SVG)"
          title="Save the picture (SVG)"
          onClick={() => {
            const picture = card.current?.querySelector<SVGSVGElement>("svg[role=group]");
            if (picture) saveSvg(picture, "architecture.svg");
          }}
        >
          <Download />
        </Button>
        <Info
          name="This picture"
          about="Every matrix has the area of its weights. A vector comes in at a left edge, which is as long as it, and leaves at a lower one. Point at a part, click to keep it, or move with the arrow keys."
        />
      </CardHeader>
      <div className="grid lg:grid-cols-[minmax(0,1fr)_264px]">
        <div ref={ref} className="min-w-0 overflow-hidden">
          <BlockDiagram
            shape={shape}
            parts={parts}
            width={width}
            lit={lit}
            pinned={pinned}
            onLit={(part) => setLit(part ? { part } : null)}
            onPin={pin}
          />
        </div>
        <div className="flex min-h-0 flex-col divide-y border-t lg:border-t-0 lg:border-l">
          {wide && open ? (
            <div className="px-4 py-3">
              <PartPanel part={open} total={total} onField={onField} />
            </div>
          ) : null}
          <div className="px-4 pt-3 pb-3">
            <h3 className="mb-2 flex items-center gap-1.5 text-sm font-semibold">
              Parameters
              <Info
                name="Parameters by component"
                about="Counted on the module that would be built, by the program; the picture's parts add up to the same."
              />
            </h3>
            {analysis ? (
              <BreakdownBar
                label="Parameters by component"
                format={formatShort}
                exact={formatNumber}
                lit={component && matching(analysis, component)}
                onLit={(key) => setLit(key ? { component: knownComponent(key) ?? key } : null)}
                slices={analysis.parameters.by_component.map(({ component: name, count }, place) => ({
                  key: name,
                  label: componentTitle(name),
                  value: count,
                  colour: colourOf(name, place),
                }))}
              />
            ) : (
              <Skeleton className="h-24" />
            )}
          </div>
          <PartList
            parts={parts}
            total={total}
            lit={open?.id ?? null}
            onLit={(part) => setLit(part ? { part } : null)}
            onPin={pin}
          />
        </div>
      </div>
      {wide ? null : (
        <Dialog open={sheet} onOpenChange={setSheet}>
          <SheetContent
            side="bottom"
            title={<span className="sr-only">Part</span>}
            className="max-h-[80dvh] gap-0 p-4 pb-6"
          >
            {open ? (
              <PartPanel
                part={open}
                total={total}
                onField={(name) => {
                  setSheet(false);
                  onField(name);
                }}
              />
            ) : null}
          </SheetContent>
        </Dialog>
      )}
    </Card>
  );
});

/** The program's name of a component of the picture. */
const matching = (analysis: Analysis, component: string): string | null =>
  analysis.parameters.by_component.find((item) => knownComponent(item.component) === component)?.component ??
  null;
