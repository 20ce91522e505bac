"use client";

import { ChevronLeft, ChevronRight } from "lucide-react";
import { useMemo, useState } from "react";

import { Button } from "@/components/ui/button";
import { Range } from "@/components/ui/field";
import { formatNumber } from "@/lib/format";
import { layout, type MergePicture, mergePicture, symbolsAt } from "@/lib/tokenizer-merges";
import { visible } from "@/lib/tokenizer-text";
import type { InspectedPiece } from "@/lib/tokenizer-types";
import { cn } from "@/lib/utils";

const ROW = 52;
const SYMBOL = 28;
const CAPSULE = 36;
const PAD = 3;
const DRAWN = 120;

/** How the symbols of one piece become its tokens, merge by merge. The hue and shades are those of the text. */
export function MergeTree({ piece, hue, own }: { piece: InspectedPiece; hue: number; own: number | null }) {
  const picture = useMemo(() => mergePicture(piece), [piece]);
  const [step, setStep] = useState(picture.steps);
  const drawn =
    picture.symbols <= DRAWN ? (
      <Tree picture={picture} step={step} hue={hue} own={own} onStep={setStep} />
    ) : (
      <p className="text-sm text-muted">
        With {formatNumber(picture.symbols)} symbols it is too long to draw.
      </p>
    );
  if (!picture.steps) {
    return (
      <>
        {picture.symbols > 1 ? drawn : null}
        <p className="text-sm text-pretty text-muted">
          {piece.whole || piece.tokens.length === 1
            ? "The piece is one token as it stands: there was nothing to merge."
            : "No two neighbours of this piece are in the list of merges, so each symbol stays a token."}
        </p>
      </>
    );
  }
  const merge = piece.merges[step - 1];
  return (
    <div className="flex flex-col gap-2">
      {drawn}
      <div className="flex items-center gap-1">
        <Button
          look="ghost"
          size="icon"
          aria-label="One merge back"
          disabled={step === 0}
          onClick={() => setStep(step - 1)}
        >
          <ChevronLeft />
        </Button>
        <Range
          aria-label="Merge"
          aria-valuetext={`${step} of ${picture.steps} merges`}
          min={0}
          max={picture.steps}
          value={step}
          onChange={(event) => setStep(Number(event.target.value))}
        />
        <Button
          look="ghost"
          size="icon"
          aria-label="One merge on"
          disabled={step === picture.steps}
          onClick={() => setStep(step + 1)}
        >
          <ChevronRight />
        </Button>
      </div>
      <p className="min-h-10 text-sm text-pretty text-muted" aria-live="polite">
        {merge ? (
          <>
            Merge {step} of {picture.steps}: <Mono>{merge.left}</Mono> and <Mono>{merge.right}</Mono> become{" "}
            <Mono>{merge.merged}</Mono>. Of all neighbours they have the lowest rank,{" "}
            <span className="figures">{formatNumber(merge.rank)}</span>.
          </>
        ) : (
          `Before any merge the piece is ${formatNumber(picture.symbols)} symbols.`
        )}
      </p>
    </div>
  );
}

function Mono({ children }: { children: string }) {
  return <span className="rounded-sm bg-surface-2 px-1 font-mono text-foreground">{visible(children)}</span>;
}

function Tree({
  picture,
  step,
  hue,
  own,
  onStep,
}: {
  picture: MergePicture;
  step: number;
  hue: number;
  own: number | null;
  onStep: (step: number) => void;
}) {
  const { placed, width } = useMemo(() => layout(picture), [picture]);
  const height = SYMBOL + (picture.rows - 1) * ROW + 2 * PAD;
  const top = (row: number) => PAD + (row === 0 ? 0 : SYMBOL + (row - 1) * ROW + (ROW - CAPSULE));
  const bottom = (row: number) => (row === 0 ? PAD + SYMBOL : top(row) + CAPSULE);
  const now = new Set(symbolsAt(picture, step).map((node) => node.id));
  const words = symbolsAt(picture, step)
    .map((node) => visible(node.text))
    .join(" ");

  return (
    <div
      className="-mx-1 overflow-x-auto px-1 pb-1"
      tabIndex={0}
      role="region"
      aria-label="Picture of the merges"
    >
      <svg
        width={width + 2 * PAD}
        height={height}
        viewBox={`${-PAD} 0 ${width + 2 * PAD} ${height}`}
        role="img"
        aria-label={`After ${step} of ${picture.steps} merges: ${words}`}
        className={cn("font-mono", `hue-${hue}`)}
      >
        {placed.map(({ node, x, width: span }) => {
          if (!node.parts) return null;
          const y = top(node.row);
          const done = node.step <= step;
          return node.parts.map((part) => {
            const from = placed[part]!;
            const middle = from.x + from.width / 2;
            const to = Math.min(Math.max(middle, x + 10), x + span - 10);
            const start = bottom(from.node.row);
            return (
              <path
                key={part}
                d={`M${middle} ${start}C${middle} ${(start + y) / 2} ${to} ${(start + y) / 2} ${to} ${y}`}
                fill="none"
                strokeWidth={node.step === step ? 2 : 1.25}
                className={cn(
                  "transition-opacity duration-150",
                  node.step === step ? "stroke-accent" : "stroke-border-strong",
                  !done && "opacity-30",
                )}
              />
            );
          });
        })}
        {placed.map(({ node, x, width: span }) => {
          const token = picture.tokens.indexOf(node.id);
          const isToken = token >= 0;
          const done = node.step <= step;
          const current = node.step === step && step > 0;
          const high = node.row === 0 ? SYMBOL : CAPSULE;
          const y = top(node.row);
          return (
            <g
              key={node.id}
              onClick={() => onStep(node.step)}
              className={cn("cursor-pointer transition-opacity duration-150", !done && "opacity-30")}
            >
              <rect
                x={x}
                y={y}
                width={span}
                height={high}
                rx={6}
                strokeWidth={current || (isToken && token === own) ? 2 : 1}
                strokeDasharray={done ? undefined : "3 3"}
                style={isToken ? { fill: token % 2 ? "var(--fill-b)" : "var(--fill)" } : undefined}
                className={cn(
                  "transition-[fill,stroke] duration-150",
                  !isToken && (now.has(node.id) ? "fill-surface-2" : "fill-surface"),
                  current || (isToken && token === own)
                    ? "stroke-accent"
                    : isToken
                      ? "stroke-transparent"
                      : "stroke-border-strong",
                )}
              />
              <text
                x={x + span / 2}
                y={y + (node.row === 0 ? 18 : 15)}
                textAnchor="middle"
                fontSize={13}
                className={isToken || now.has(node.id) ? "fill-foreground" : "fill-muted"}
              >
                {visible(node.text)}
              </text>
              {node.rank === null ? null : (
                <text
                  x={x + span / 2}
                  y={y + 29}
                  textAnchor="middle"
                  fontSize={11}
                  className={cn("figures", isToken ? "fill-foreground" : "fill-muted")}
                >
                  {formatNumber(node.rank)}
                </text>
              )}
            </g>
          );
        })}
      </svg>
    </div>
  );
}
