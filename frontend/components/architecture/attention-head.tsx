"use client";

import { ChevronLeft, ChevronRight, Download, ZoomIn, ZoomOut } from "lucide-react";
import { useCallback, useMemo, useRef, useState } from "react";

import { Info } from "@/components/tokenizer/info";
import { Switch } from "@/components/tokenizer/switch";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { Menu, MenuContent, MenuItem, MenuTrigger } from "@/components/ui/menu";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { Choice } from "@/components/ui/toggle-group";
import { type Grid, useAttentionMap } from "@/lib/architecture-queries";
import type { AttentionReport, HeadPattern, MapKind } from "@/lib/architecture-types";
import { LookStore } from "@/lib/attention-hover";
import { MIXED, patternTitle, scoreText } from "@/lib/attention-patterns";
import {
  fitted,
  formatWeight,
  KINDS,
  mapCsv,
  MapValues,
  showing,
  sizeOf,
  tileOf,
  type View,
  zoomed,
} from "@/lib/attention-view";
import { save } from "@/lib/download";

import { AttentionText, type Direction } from "./attention-arcs";
import { AttentionMap } from "./attention-map";
import { AttentionMinimap } from "./attention-minimap";
import { AttentionOffsets } from "./attention-offsets";
import { mapPicture } from "./attention-picture";
import { AttentionReadout } from "./attention-readout";

export interface AttentionHeadProps {
  report: AttentionReport & { asked: { model: string; text: string } };
  layer: number;
  head: number;
  kind: MapKind;
  pinned: number;
  withoutFirst: boolean;
  causal: boolean;
  thumbnails: Grid<Uint8Array> | null;
  onSelect: (layer: number, head: number) => void;
  onKind: (kind: MapKind) => void;
  onPin: (token: number) => void;
  onWithoutFirst: (on: boolean) => void;
}

/** One head: the text with where a token looks, and the map with tokens on both axes. */
export function AttentionHead(props: AttentionHeadProps) {
  const { report, layer, head, kind, pinned, withoutFirst, causal, thumbnails, onPin } = props;
  const { tokens, asked } = report;
  const count = tokens.length;
  const [looks] = useState(() => new LookStore());
  const [direction, setDirection] = useState<Direction>("to");
  const [wanted, setWanted] = useState<{ of: unknown; view: View } | null>(null);
  const view = useMemo(
    () => fitted(wanted && wanted.of === report.asked ? wanted.view : null, count),
    [wanted, report.asked, count],
  );
  const setView = (next: View) => setWanted({ of: report.asked, view: next });
  const tile = tileOf(view, count);
  const whole = sizeOf(tile.rows) === count;
  const body = { ...asked, layer, head: kind === "rollout" ? 0 : head, kind };
  const map = useAttentionMap({
    ...body,
    rows: [tile.rows.from, tile.rows.to],
    columns: [tile.columns.from, tile.columns.to],
  });
  const line = useAttentionMap(
    whole
      ? null
      : direction === "to"
        ? { ...body, rows: [pinned, pinned + 1], columns: [0, count] }
        : { ...body, rows: [0, count], columns: [pinned, pinned + 1] },
  );
  const fits = map.data?.shape[0] === sizeOf(tile.rows) && map.data.shape[1] === sizeOf(tile.columns);
  const values = useMemo(
    () => (map.data && fits ? new MapValues(map.data.values, tile) : null),
    // eslint-disable-next-line react-hooks/exhaustive-deps -- the tile is a new object with the same numbers
    [map.data, fits, tile.rows.from, tile.columns.from],
  );
  const pinnedValues = useMemo(
    () => (!whole && line.data && !line.isPlaceholderData ? Array.from(line.data.values) : null),
    [whole, line.data, line.isPlaceholderData],
  );
  const most = useMemo(() => values?.largest(view, withoutFirst) ?? 0, [values, view, withoutFirst]);
  const canvas = useRef<HTMLCanvasElement | null>(null);
  const keepCanvas = useCallback((drawn: HTMLCanvasElement | null) => void (canvas.current = drawn), []);

  const pattern = report.patterns.find((item) => item.layer === layer && item.head === head);
  const title = kind === "rollout" ? `Layer ${layer}, all heads` : `Layer ${layer}, head ${head}`;
  const kindText = KINDS.find(({ value }) => value === kind)!;
  const file = `attention-${kind}-layer-${layer}${kind === "rollout" ? "" : `-head-${head}`}`;
  const step = (by: number) => {
    const place = layer * report.heads + head + by;
    props.onSelect(Math.floor(place / report.heads), place % report.heads);
  };
  const common = { tokens, pinned, direction, withoutFirst, looks, pinnedValues };

  return (
    <Card className="overflow-hidden">
      <div className="flex min-h-12 flex-wrap items-center gap-x-3 gap-y-1.5 px-4 pt-3 sm:px-5">
        <h2 className="text-base font-semibold figures">{title}</h2>
        {pattern && kind !== "rollout" ? (
          <Badge tone="accent" className="figures">
            {patternTitle(pattern.label)} {scoreText(pattern)}
          </Badge>
        ) : null}
        {pattern && kind !== "rollout" ? (
          <Info name={patternTitle(pattern.label)} about={aboutPattern(report, pattern)} />
        ) : null}
        <div className="ml-auto flex items-center">
          <Button
            look="ghost"
            size="icon"
            aria-label="Head before"
            disabled={layer === 0 && head === 0}
            onClick={() => step(-1)}
          >
            <ChevronLeft />
          </Button>
          <Button
            look="ghost"
            size="icon"
            aria-label="Next head"
            disabled={layer === report.layers - 1 && head === report.heads - 1}
            onClick={() => step(1)}
          >
            <ChevronRight />
          </Button>
          <Menu>
            <MenuTrigger asChild>
              <Button look="ghost" size="icon" aria-label="Save the map" title="Save" disabled={!values}>
                <Download />
              </Button>
            </MenuTrigger>
            <MenuContent>
              <MenuItem
                onSelect={() => {
                  if (!canvas.current) return;
                  mapPicture(canvas.current, `${title}: ${kindText.label.toLowerCase()}`, most)?.toBlob(
                    (blob) => blob && save(blob, `${file}.png`),
                  );
                }}
              >
                Picture (PNG)
              </MenuItem>
              <MenuItem
                onSelect={() => values && save(new Blob([mapCsv(tokens, values, view)]), `${file}.csv`)}
              >
                Numbers (CSV)
              </MenuItem>
            </MenuContent>
          </Menu>
        </div>
      </div>
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 pt-1 pb-3 sm:px-5">
        <span className="inline-flex max-w-full items-center gap-2">
          <Choice
            label="What the map shows"
            value={kind}
            onChange={props.onKind}
            options={KINDS.map(({ value, label }) => ({ value, label }))}
          />
          <Info name={kindText.label} about={kindText.about} />
        </span>
        <Switch
          label="Hide first token"
          checked={withoutFirst}
          onChange={props.onWithoutFirst}
          about="Many heads park what they do not need on the first token (an attention sink, Xiao et al. 2023). Hidden, the colours follow what remains."
        />
      </div>
      {map.isError ? (
        <div className="px-4 pb-4 sm:px-5">
          <Failure what="The map could not be read." error={map.error} retry={() => void map.refetch()} />
        </div>
      ) : values ? (
        <>
          <div className="border-t px-4 pt-2 pb-3 sm:px-5">
            <div className="flex flex-wrap items-center justify-between gap-2">
              <Choice
                label="Direction"
                value={direction}
                onChange={setDirection}
                options={[
                  { value: "to", label: "Looks at" },
                  { value: "from", label: "Looked at by" },
                ]}
              />
              <span className="text-xs text-muted">Point at a token; a click keeps it.</span>
            </div>
            <AttentionText
              {...common}
              values={values}
              onPick={onPin}
              className="mt-1 max-h-56 overflow-y-auto pb-1"
            />
            <AttentionReadout {...common} values={values} />
          </div>
          <div className="flex flex-col gap-3 border-t px-4 pt-3 pb-4 sm:px-5">
            {count > sizeOf(view.rows) ? (
              <AttentionMinimap
                thumbnails={thumbnails}
                layer={layer}
                head={head}
                count={count}
                view={view}
                causal={causal}
                withoutFirst={withoutFirst}
                onMove={setView}
              />
            ) : null}
            <AttentionMap
              label={`Attention map of ${title.toLowerCase()}`}
              tokens={tokens}
              values={values}
              view={view}
              most={most}
              causal={causal}
              withoutFirst={withoutFirst}
              pinned={direction === "to" ? pinned : null}
              looks={looks}
              onPick={onPin}
              onShow={(row, column) => {
                const next = showing(view, row, column);
                if (next !== view) setView(next);
              }}
              onZoom={(factor, around) => setView(zoomed(view, factor, count, around))}
              onCanvas={keepCanvas}
            />
            <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
              <Scale most={most} />
              {kind === "weights" && pattern ? <AttentionOffsets offsets={pattern.offsets} /> : null}
              <div className="ml-auto flex items-center gap-1">
                <Button
                  look="ghost"
                  size="icon"
                  aria-label="Show more tokens"
                  disabled={sizeOf(zoomed(view, 0.5, count).rows) === sizeOf(view.rows)}
                  onClick={() => setView(zoomed(view, 0.5, count))}
                >
                  <ZoomOut />
                </Button>
                <Button
                  look="ghost"
                  size="icon"
                  aria-label="Show fewer tokens, larger"
                  disabled={sizeOf(zoomed(view, 2, count).rows) === sizeOf(view.rows)}
                  onClick={() => {
                    const look = looks.current();
                    const row = look?.row ?? pinned;
                    setView(zoomed(view, 2, count, { row, column: look?.column ?? row }));
                  }}
                >
                  <ZoomIn />
                </Button>
              </div>
            </div>
          </div>
        </>
      ) : (
        <div className="flex flex-col gap-3 border-t px-4 py-4 sm:px-5">
          <Skeleton className="h-24" />
          <Skeleton className="aspect-square w-full" />
        </div>
      )}
    </Card>
  );
}

/** What the colours stand for. */
function Scale({ most }: { most: number }) {
  return (
    <span className="flex items-center gap-2 text-xs text-muted figures">
      0
      <span aria-hidden className="ramp h-2 w-28 rounded-full border" />
      {formatWeight(most)}
      <Info
        name="The colour scale"
        about="Up to the largest value shown. Colours follow the square root, so that small weights are seen too."
      />
    </span>
  );
}

function aboutPattern(report: AttentionReport, pattern: HeadPattern): string {
  if (pattern.label === MIXED) return `No pattern describes it well on ${pattern.measured_on}.`;
  const found = report.definitions.find(({ name }) => name === pattern.label);
  return [found?.formula, found ? `Source: ${found.source}.` : null, `Measured on ${pattern.measured_on}.`]
    .filter(Boolean)
    .join(" ");
}
