import type { StationKind, StationState } from "@/lib/road";
import { cn } from "@/lib/utils";

/** A small picture of what a model is at each stop: lines, pieces, a falling loss, an answer, a score, a voice. */
export function Vignette({ kind, state }: { kind: StationKind; state: StationState }) {
  return (
    <svg
      viewBox="0 0 96 56"
      aria-hidden
      fill="none"
      strokeLinecap="round"
      strokeLinejoin="round"
      className={cn(
        "h-11 w-auto transition-opacity duration-150 lg:h-16",
        state === "ahead" ? "text-muted opacity-55 grayscale" : "text-accent",
      )}
    >
      {PICTURES[kind]}
    </svg>
  );
}

const line = (x: number, y: number, width: number, strong = false) => (
  <path
    key={`${x} ${y}`}
    d={`M${x} ${y}h${width}`}
    strokeWidth="3"
    className={strong ? "stroke-current" : "stroke-border-strong"}
  />
);

/** Pieces of text: [x, row, width, colour]. */
const PIECES: [number, number, number, number][] = [
  [4, 0, 16, 1],
  [23, 0, 26, 3],
  [52, 0, 12, 5],
  [67, 0, 24, 4],
  [4, 1, 24, 5],
  [31, 1, 12, 1],
  [46, 1, 20, 4],
  [69, 1, 14, 3],
  [4, 2, 12, 4],
  [19, 2, 20, 3],
  [42, 2, 16, 1],
];
const FILLS = ["", "fill-chart-1", "", "fill-chart-3", "fill-chart-4", "fill-chart-5"];

const PICTURES: Record<StationKind, React.ReactNode> = {
  text: (
    <>
      {line(5, 10, 30, true)}
      {line(43, 10, 44)}
      {line(5, 22, 62)}
      {line(75, 22, 14, true)}
      {line(5, 34, 18)}
      {line(31, 34, 40, true)}
      {line(5, 46, 48)}
    </>
  ),
  tokenizer: PIECES.map(([x, row, width, colour]) => (
    <rect
      key={`${x} ${row}`}
      x={x}
      y={5 + 17 * row}
      width={width}
      height="12"
      rx="3"
      className={FILLS[colour]}
      fillOpacity="0.72"
    />
  )),
  pretrain: (
    <>
      <path d="M6 4v46h86" strokeWidth="2" className="stroke-border-strong" />
      <path d="M10 8c5 22 11 27 22 31s36 6 58 7" strokeWidth="3" className="stroke-current" />
      <path
        d="M10 12c6 20 13 22 24 25s34 5 56 5"
        strokeWidth="2"
        strokeDasharray="1 5"
        className="stroke-chart-2"
      />
    </>
  ),
  sft: (
    <>
      <rect
        x="5"
        y="5"
        width="52"
        height="18"
        rx="9"
        strokeWidth="2"
        className="fill-surface-2 stroke-border-strong"
      />
      {line(15, 14, 30)}
      <rect x="31" y="31" width="60" height="20" rx="10" className="fill-current" fillOpacity="0.16" />
      {line(42, 41, 22, true)}
      {line(71, 41, 9, true)}
    </>
  ),
  score: (
    <>
      <path d="M5 5v46" strokeWidth="2" className="stroke-border-strong" />
      <rect x="6" y="8" width="66" height="10" rx="2" className="fill-current" fillOpacity="0.85" />
      <path d="M64 13h16M64 10v6M80 10v6" strokeWidth="2" className="stroke-foreground" />
      <rect x="6" y="24" width="22" height="10" rx="2" className="fill-border-strong" />
      <path d="M22 29h13M22 26v6M35 26v6" strokeWidth="2" className="stroke-foreground" />
      <path d="M20 4v48" strokeWidth="1.5" strokeDasharray="2 4" className="stroke-muted" />
      <path d="M6 46h86" strokeWidth="2" className="stroke-border-strong" />
    </>
  ),
  chat: (
    <>
      <path
        d="M14 6h66a9 9 0 0 1 9 9v17a9 9 0 0 1-9 9H34l-13 11v-11h-7a9 9 0 0 1-9-9V15a9 9 0 0 1 9-9z"
        strokeWidth="2.5"
        className="fill-current stroke-current"
        fillOpacity="0.12"
      />
      {line(18, 18, 38, true)}
      {line(18, 30, 24, true)}
      <path d="M51 26v8" strokeWidth="3.5" className="stroke-chart-2" />
    </>
  ),
};
