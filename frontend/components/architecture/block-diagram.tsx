"use client";

import { type KeyboardEvent, useId, useMemo, useRef } from "react";

import {
  type Bar,
  type Box,
  type Drawing,
  draw,
  type Glyph,
  type Heads as HeadsRow,
  type Wire,
} from "@/lib/architecture-drawing";
import type { Component, Part } from "@/lib/architecture-parts";
import { type Shape, windowOf } from "@/lib/architecture-shape";
import { formatNumber, formatShort } from "@/lib/format";
import { cn } from "@/lib/utils";

import { COLOURS } from "./component-colours";
import { GlyphPicture } from "./diagram-glyphs";

/** What is lit: one part, or every part of a kind. */
export type Lit = { part: string } | { component: string } | null;

interface Props {
  shape: Shape;
  parts: readonly Part[];
  width: number;
  lit: Lit;
  /** The part that stays open. */
  pinned: string | null;
  onLit: (part: string | null) => void;
  onPin: (part: string) => void;
}

const MOVES = "[transition:x_120ms,y_120ms,width_120ms,height_120ms,opacity_100ms,fill-opacity_100ms]";
const STEPS: Record<string, number> = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };

/** The whole model as a drawing to scale on squared paper; every part can be pointed at, clicked and reached by keys. */
export function BlockDiagram({ shape, parts, width, lit, pinned, onLit, onPin }: Props) {
  const paper = useId();
  const svg = useRef<SVGSVGElement>(null);
  const drawing = useMemo(() => draw(shape, width), [shape, width]);
  const drawn = useMemo(() => {
    const ids = new Set(
      [...drawing.boxes, ...drawing.bars, ...drawing.heads, ...drawing.glyphs].map((item) => item.part),
    );
    return parts.filter((part) => ids.has(part.id));
  }, [drawing, parts]);
  const sizes = useMemo(() => new Map(parts.map((part) => [part.id, part.size])), [parts]);
  const first = drawn.find((part) => part.id === pinned)?.id ?? drawn[0]?.id;

  const onKeyDown = (event: KeyboardEvent, place: number) => {
    const step = STEPS[event.key];
    const target = step
      ? drawn[(place + step + drawn.length) % drawn.length]
      : event.key === "Home"
        ? drawn[0]
        : event.key === "End"
          ? drawn.at(-1)
          : undefined;
    if (target) {
      event.preventDefault();
      svg.current?.querySelector<SVGGElement>(`[data-part="${CSS.escape(target.id)}"]`)?.focus();
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      onPin(drawn[place]!.id);
    }
  };
  const dim = (part: string, component: Component): boolean =>
    lit !== null && ("part" in lit ? lit.part !== part : lit.component !== component);

  return (
    <svg
      ref={svg}
      role="group"
      aria-label="The model, drawn to scale"
      viewBox={`0 0 ${drawing.width} ${drawing.height}`}
      width={drawing.width}
      height={drawing.height}
      className="block max-w-full overflow-visible text-[11px] select-none"
    >
      <Frame drawing={drawing} />
      <Paper id={paper} drawing={drawing} />
      <Wires drawing={drawing} lit={lit} parts={parts} />
      <Strip drawing={drawing} shape={shape} />
      {drawn.map((part, place) => (
        <g
          key={part.id}
          role="button"
          tabIndex={part.id === first ? 0 : -1}
          data-part={part.id}
          aria-pressed={part.id === pinned}
          aria-label={spoken(part)}
          onPointerEnter={(event) => event.pointerType === "mouse" && onLit(part.id)}
          onPointerLeave={() => onLit(null)}
          onFocus={() => onLit(part.id)}
          onBlur={() => onLit(null)}
          onClick={() => onPin(part.id)}
          onKeyDown={(event) => onKeyDown(event, place)}
          opacity={dim(part.id, part.component) ? 0.28 : 1}
          className={cn(
            "group cursor-pointer outline-none [transition:opacity_100ms]",
            lit !== null && !dim(part.id, part.component) && "is-lit",
          )}
        >
          {drawing.boxes
            .filter((box) => box.part === part.id)
            .map((box) => (
              <Matrix key={`${box.x}-${box.y}`} box={box} pinned={part.id === pinned} />
            ))}
          {drawing.bars
            .filter((bar) => bar.part === part.id)
            .map((bar, index) => (
              <Vector key={index} bar={bar} />
            ))}
          {drawing.heads
            .filter((heads) => heads.part === part.id)
            .map((heads) => (
              <HeadRow key={heads.y} row={heads} />
            ))}
          {drawing.glyphs
            .filter((glyph) => glyph.part === part.id)
            .map((glyph, index) => (
              <Sign key={index} glyph={glyph} shape={shape} />
            ))}
        </g>
      ))}
      {/* The words lie over the buttons, whose names say more than there is room for. */}
      <g aria-hidden className="pointer-events-none">
        {drawing.boxes.map((box) => (
          <BoxLabel
            key={`${box.part} ${box.y}`}
            box={box}
            size={sizes.get(box.part) ?? ""}
            dim={dim(box.part, box.component)}
          />
        ))}
        {drawing.words.map((words) => (
          <text
            key={`${words.text} ${words.x}`}
            x={words.x}
            y={words.y}
            textAnchor={words.anchor}
            className={words.strong ? "fill-foreground font-semibold figures" : "fill-muted"}
          >
            {words.text}
          </text>
        ))}
      </g>
    </svg>
  );
}

function spoken(part: Part): string {
  if (!part.count) return part.title;
  const each = part.times > 1 ? `, in each of ${formatNumber(part.times)}` : "";
  return `${part.title}, ${part.size}: ${formatNumber(part.count)} parameters${each}`;
}

/** Squared paper: a square is so many units of a dimension on each side. */
function Paper({ id, drawing }: { id: string; drawing: Drawing }) {
  const square = drawing.pitch * drawing.unit;
  return (
    <>
      <defs>
        <pattern
          id={id}
          width={square}
          height={square}
          patternUnits="userSpaceOnUse"
          x={drawing.origin.x}
          y={drawing.origin.y}
        >
          <path d={`M${square} 0H0V${square}`} fill="none" className="stroke-chart-grid" strokeWidth={0.75} />
        </pattern>
      </defs>
      <rect width={drawing.width} height={drawing.height} fill={`url(#${id})`} />
    </>
  );
}

function Frame({ drawing: { frame } }: { drawing: Drawing }) {
  return (
    <g aria-hidden fill="var(--surface)" fillOpacity={0.72} className="stroke-border-strong">
      {[8, 4, 0].map((by) => (
        <rect
          key={by}
          x={frame.x + by}
          y={frame.y - by}
          width={frame.w}
          height={frame.h}
          rx={10}
          fillOpacity={by ? 0.9 : 0.6}
        />
      ))}
    </g>
  );
}

function Wires({ drawing, lit, parts }: { drawing: Drawing; lit: Lit; parts: readonly Part[] }) {
  const component = (id: string) => parts.find((part) => part.id === id)?.component;
  const looks = {
    wire: "stroke-muted [stroke-width:1.25]",
    stream: "stroke-accent [stroke-width:4] [stroke-linecap:round]",
    query: "opacity-40 [stroke-width:0.75]",
    key: "opacity-80 [stroke-width:1.1]",
    value: "opacity-80 [stroke-width:1.1] [stroke-dasharray:3_2]",
  } as const;
  const strokeOf = (wire: Wire) => {
    const kind = wire.kind === "wire" || wire.kind === "stream" ? undefined : component(wire.parts[0] ?? "");
    return kind && `var(${COLOURS[kind]})`;
  };
  return (
    <g aria-hidden fill="none" className="[transition:opacity_100ms]">
      {drawing.wires.map((wire, index) => {
        const shown =
          lit === null ||
          wire.kind === "stream" ||
          ("part" in lit
            ? wire.parts.includes(lit.part)
            : wire.parts.some((id) => component(id) === lit.component));
        return (
          <path
            key={index}
            d={wire.d}
            className={looks[wire.kind]}
            style={{ stroke: strokeOf(wire), opacity: shown ? undefined : 0.15 }}
          />
        );
      })}
    </g>
  );
}

const TORN = 5;

/** The outline of a box, torn at the right where it goes on. */
function outline({ x, y, w, h, torn }: Box): string {
  if (!torn) return `M${x} ${y}H${x + w}V${y + h}H${x}Z`;
  const teeth = Math.max(2, Math.round(h / 9));
  const step = h / teeth;
  const edge = Array.from({ length: teeth }, (_, place) => {
    const top = y + place * step;
    return `L${x + w - TORN} ${top + step / 2}L${x + w} ${top + step}`;
  }).join("");
  return `M${x} ${y}H${x + w}${edge}H${x}Z`;
}

function Matrix({ box, pinned }: { box: Box; pinned: boolean }) {
  const colour = `var(${COLOURS[box.component]})`;
  const stripes = box.stripes && box.w / box.stripes >= 2 ? box.stripes : 0;
  return (
    <g stroke={colour} strokeWidth={pinned ? 2 : 1}>
      {Array.from({ length: box.sheets ?? 0 }, (_, place) => 3 * ((box.sheets ?? 0) - place)).map((by) => (
        <path
          key={by}
          d={outline({ ...box, x: box.x + by, y: box.y - by })}
          fill={`color-mix(in oklab, ${colour} 10%, var(--surface))`}
          strokeWidth={0.75}
        />
      ))}
      <path
        d={outline(box)}
        fill={box.ghost ? "var(--surface)" : `color-mix(in oklab, ${colour} var(--ink), var(--surface))`}
        strokeDasharray={box.ghost ? "4 3" : undefined}
        className="[--ink:20%] group-hover:[--ink:38%] group-focus-visible:[stroke:var(--ring)] group-focus-visible:[stroke-width:3] group-[.is-lit]:[--ink:38%]"
      />
      {stripes > 1
        ? Array.from({ length: stripes - 1 }, (_, place) => box.x + ((place + 1) * box.w) / stripes).map(
            (x) => <path key={x} d={`M${x} ${box.y}v${box.h}`} strokeWidth={0.5} strokeOpacity={0.55} />,
          )
        : null}
    </g>
  );
}

const SIZE_ROOM = 96;

function BoxLabel({ box, size, dim }: { box: Box; size: string; dim: boolean }) {
  const inside = box.labelAt === "inside";
  const at = {
    inside: { x: box.x + 7, y: box.y + Math.min(15, box.h / 2 + 4) },
    above: { x: box.x, y: box.y - 5 },
    right: { x: box.x + box.w + 8, y: box.y + box.h / 2 },
    none: null,
  }[box.labelAt];
  const below = inside && box.h >= 34 && box.w >= SIZE_ROOM ? { x: box.x + 7, y: box.y + 30 } : null;
  const sized =
    box.labelAt === "right"
      ? { x: box.x + box.w + 8, y: box.y + box.h / 2 + 15 }
      : box.labelAt === "above" && box.w >= SIZE_ROOM && !box.stripes
        ? { x: box.x + 7, y: box.y + 15 }
        : below;
  return (
    <g opacity={dim ? 0.28 : 1} className="[transition:opacity_100ms]">
      {at && box.label ? (
        <text {...at} className="fill-foreground font-medium">
          {box.label}
        </text>
      ) : null}
      {sized ? (
        <text {...sized} className="fill-foreground/75 text-[10.5px] figures">
          {size}
        </text>
      ) : null}
    </g>
  );
}

function Vector({ bar }: { bar: Bar }) {
  return (
    <>
      <rect x={bar.x - 5} y={bar.y - 3} width={bar.w + 10} height={bar.h + 6} fill="transparent" />
      <rect
        x={bar.x}
        y={bar.y}
        width={bar.w}
        height={bar.h}
        rx={2}
        fill={`var(${COLOURS[bar.component]})`}
        className={cn("group-focus-visible:stroke-ring group-focus-visible:[stroke-width:3]", MOVES)}
      />
    </>
  );
}

/** The heads in a row; those that share keys and values stand together under one bracket. */
function HeadRow({ row }: { row: HeadsRow }) {
  const { x, y, w, h, heads, groups } = row;
  const step = w / heads;
  const each = step >= 3 ? heads : groups;
  const size = w / each;
  const gap = Math.min(2, size * 0.25);
  const perGroup = each / groups;
  const colour = `var(${COLOURS[row.component]})`;
  return (
    <g fill={colour}>
      <rect x={x - 4} y={y - 10} width={w + 8} height={h + 20} fill="transparent" />
      {each * 2 <= w
        ? Array.from({ length: each }, (_, place) => (
            <rect
              key={place}
              x={x + place * size + gap / 2}
              y={y}
              width={size - gap}
              height={h}
              rx={Math.min(2.5, size / 4)}
              fillOpacity={Math.floor(place / perGroup) % 2 ? 0.62 : 0.92}
              className="group-focus-visible:stroke-ring group-focus-visible:[stroke-width:2]"
            />
          ))
        : null}
      {each * 2 > w ? <rect x={x} y={y} width={w} height={h} rx={2} fillOpacity={0.8} /> : null}
      {groups * 4 <= w
        ? Array.from({ length: groups }, (_, group) => {
            const [from, to] = [x + (group * w) / groups + gap, x + ((group + 1) * w) / groups - gap];
            return (
              <path
                key={group}
                d={`M${from} ${y - 2}v-3H${to}v3M${from} ${y + h + 2}v3H${to}v-3`}
                fill="none"
                stroke={colour}
                strokeWidth={1}
              />
            );
          })
        : null}
    </g>
  );
}

function Sign({ glyph, shape }: { glyph: Glyph; shape: Shape }) {
  return (
    <g transform={`translate(${glyph.x} ${glyph.y})`} style={{ color: `var(${COLOURS[glyph.component]})` }}>
      <GlyphPicture glyph={glyph} shape={shape} />
    </g>
  );
}

/** All layers, one under the other: solid where they see everything, light where through a window. */
function Strip({ drawing: { strip }, shape }: { drawing: Drawing; shape: Shape }) {
  const step = strip.h / strip.layers;
  const gap = step >= 4 ? 1.5 : step >= 2 ? 0.5 : 0;
  return (
    <g aria-hidden className="fill-muted">
      {Array.from({ length: strip.layers }, (_, layer) => {
        const window = windowOf(shape, layer);
        return (
          <rect
            key={layer}
            x={strip.x}
            y={strip.y + layer * step}
            width={strip.w}
            height={Math.max(0.4, step - gap)}
            rx={Math.min(2, step / 4)}
            fillOpacity={window === null ? 0.75 : 0.28}
          >
            <title>
              {`Layer ${layer}: ${window === null ? "sees everything" : `sees ${formatShort(window)} tokens`}`}
            </title>
          </rect>
        );
      })}
    </g>
  );
}
