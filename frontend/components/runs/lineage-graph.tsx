"use client";

import Link from "next/link";
import { Fragment, type ReactNode } from "react";

import {
  type Box,
  HEAD,
  type Lineage,
  type LineageNode,
  type Picture,
  ROW,
  type Wire,
} from "@/lib/lineage-layout";
import {
  fitted,
  headOf,
  hrefOf,
  KINDS,
  sentenceOf,
  shortFigure,
  standing,
  widthOf,
} from "@/lib/lineage-words";
import { cn } from "@/lib/utils";

interface Props {
  graph: Lineage;
  picture: Picture;
  pointed: LineageNode | null;
  onPoint: (node: LineageNode | null) => void;
}

/** The lineage as a drawing: boxes are runs with what they made, wires lead to what was made from that. */
export function LineageGraph({ graph, picture, pointed, onPoint }: Props) {
  const near = pointed ? relatives(graph, pointed.id) : null;
  const { width, height } = picture;
  return (
    <svg
      role="group"
      aria-label={`Lineage: ${graph.nodes.length} things from the text to what was made of it. The list says the same in words.`}
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      className="block text-xs figures"
      onPointerLeave={() => onPoint(null)}
    >
      {picture.wires.map((wire) => (
        <WirePath
          key={`${wire.from.id} ${wire.to}`}
          wire={wire}
          lit={near ? isLit(wire, picture, near) : null}
        />
      ))}
      {picture.boxes.map((box) => (
        <BoxPicture key={box.id} box={box} pointed={pointed} near={near} onPoint={onPoint} />
      ))}
    </svg>
  );
}

/** Everything that a node was made from or that was made from it, itself included. */
function relatives(graph: Lineage, id: string): ReadonlySet<string> {
  const reach = (step: (place: string) => string[]) => {
    const found = new Set([id]);
    for (const place of found) for (const next of step(place)) found.add(next);
    return found;
  };
  const ahead = reach((place) =>
    graph.edges.filter((edge) => edge.before === place).map(({ after }) => after),
  );
  const behind = reach((place) =>
    graph.edges.filter((edge) => edge.after === place).map(({ before }) => before),
  );
  return new Set([...ahead, ...behind]);
}

function isLit(wire: Wire, picture: Picture, near: ReadonlySet<string>): boolean {
  const box = picture.boxes.find(({ id }) => id === wire.to);
  return near.has(wire.from.id) && Boolean(box && near.has((box.head ?? box.rows[0])?.id ?? ""));
}

function WirePath({ wire, lit }: { wire: Wire; lit: boolean | null }) {
  const { x, y } = wire.tip;
  const colour = `var(${KINDS[wire.from.kind].colour})`;
  return (
    <g opacity={lit === false ? 0.15 : 1} className="transition-opacity duration-100">
      <path
        d={wire.path}
        fill="none"
        style={{ stroke: colour }}
        strokeWidth={lit ? 2 : 1.5}
        strokeDasharray={wire.from.deleted ? "3 3" : undefined}
      />
      <path d={`M${x} ${y} l-6 -3.5 v7 z`} style={{ fill: colour }} />
    </g>
  );
}

const PAD = 10;

function BoxPicture({
  box,
  pointed,
  near,
  onPoint,
}: {
  box: Box;
  pointed: LineageNode | null;
  near: ReadonlySet<string> | null;
  onPoint: (node: LineageNode | null) => void;
}) {
  const { head, rows, x, y, width, height } = box;
  const marked = [head, ...rows].some((node) => node?.marked);
  const gone = (head ?? rows[0])?.deleted ?? false;
  const faint = near !== null && ![head, ...rows].some((node) => node && near.has(node.id));
  const top = head ? HEAD : 6;
  return (
    <g
      transform={`translate(${x} ${y})`}
      opacity={faint ? 0.4 : 1}
      className="transition-opacity duration-100"
    >
      <rect
        width={width}
        height={height}
        rx={8}
        strokeDasharray={gone ? "4 3" : undefined}
        strokeWidth={marked ? 1.75 : 1}
        className={cn("fill-surface", marked ? "stroke-accent" : "stroke-border-strong")}
      />
      {head && rows.length ? <line x1={0} x2={width} y1={HEAD} y2={HEAD} className="stroke-border" /> : null}
      {head ? (
        <Target node={head} y={0} height={HEAD} width={width} pointed={pointed} onPoint={onPoint}>
          <text
            x={PAD}
            y={HEAD / 2}
            dy="0.35em"
            className={cn("font-semibold", marked ? "fill-accent-ink" : "fill-foreground")}
          >
            {fitted(headOf(head), width - 2 * PAD - 7 * standing(head).length)}
          </text>
        </Target>
      ) : null}
      {head ? <Beside x={width - PAD} y={HEAD / 2} text={standing(head)} /> : null}
      {rows.map((node, place) => {
        const said = standing(node) || shortFigure(node);
        const room = width - 2 * PAD - 14;
        const beside = widthOf(node.name) + 8 + widthOf(said) <= room || node.deleted ? said : "";
        const middle = top + place * ROW + ROW / 2;
        return (
          <Fragment key={node.id}>
            <Target
              node={node}
              y={top + place * ROW}
              height={ROW}
              width={width}
              pointed={pointed}
              onPoint={onPoint}
            >
              <Dot node={node} y={middle} />
              <text
                x={PAD + 14}
                y={middle}
                dy="0.35em"
                className={node.deleted ? "fill-muted" : "fill-foreground"}
              >
                {fitted(node.name, room - (beside ? widthOf(beside) + 8 : 0))}
              </text>
            </Target>
            <Beside x={width - PAD} y={middle} text={beside} />
          </Fragment>
        );
      })}
    </g>
  );
}

/** A figure or a state at the right of a name, which the name's label says too. */
function Beside({ x, y, text }: { x: number; y: number; text: string }) {
  return (
    <text aria-hidden x={x} y={y} dy="0.35em" textAnchor="end" className="pointer-events-none fill-muted">
      {text}
    </text>
  );
}

/** The sign of a kind: a ring for a checkpoint, a square for what is made. */
function Dot({ node, y }: { node: LineageNode; y: number }) {
  const colour = `var(${KINDS[node.kind].colour})`;
  if (node.kind === "checkpoint") {
    return <circle cx={PAD + 4} cy={y} r={3.5} fill="none" strokeWidth={2} style={{ stroke: colour }} />;
  }
  return <rect x={PAD} y={y - 4} width={8} height={8} rx={2} style={{ fill: colour }} />;
}

/** What can be pointed at, reached by keys and, where there is a page of it, opened. */
function Target({
  node,
  y,
  height,
  width,
  pointed,
  onPoint,
  children,
}: {
  node: LineageNode;
  y: number;
  height: number;
  width: number;
  pointed: LineageNode | null;
  onPoint: (node: LineageNode | null) => void;
  children: ReactNode;
}) {
  const href = node.marked ? null : hrefOf(node);
  const lit = pointed?.id === node.id;
  const events = {
    onPointerEnter: () => onPoint(node),
    onFocus: () => onPoint(node),
    onBlur: () => onPoint(null),
  };
  const inside = (
    <>
      <rect
        x={2}
        y={y + 2}
        width={width - 4}
        height={height - 4}
        rx={6}
        className={lit ? "fill-surface-2" : "fill-transparent"}
      />
      {children}
    </>
  );
  const label = sentenceOf(node);
  return href ? (
    <Link href={href} aria-label={label} className="rounded-md outline-offset-[-2px]" {...events}>
      {inside}
    </Link>
  ) : (
    <g tabIndex={0} role="img" aria-label={label} className="rounded-md outline-offset-[-2px]" {...events}>
      {inside}
    </g>
  );
}
