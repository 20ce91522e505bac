import type { Glyph } from "@/lib/architecture-drawing";
import type { Shape } from "@/lib/architecture-shape";

const CELLS = 9;

/** The small signs of the picture; each is drawn around its own centre in the current colour. */
export function GlyphPicture({ glyph, shape }: { glyph: Glyph; shape: Shape }) {
  const { kind, size } = glyph;
  if (kind === "plus" || kind === "times") return <Operator kind={kind} size={size} />;
  if (kind === "rotate") return <Turn size={size} share={shape.ropeShare} />;
  if (kind === "activation") return <Curve activation={shape.activation} size={size} />;
  if (kind === "wave") return <Wave size={size} />;
  return <Mask shape={shape} windowed={kind === "window"} size={size} />;
}

function Operator({ kind, size }: { kind: "plus" | "times"; size: number }) {
  const arm = size / 2 - size / 5;
  return (
    <g stroke="currentColor" strokeWidth={1.5} fill="none">
      <circle
        r={size / 2}
        fill="var(--surface)"
        className="group-focus-visible:stroke-ring group-focus-visible:[stroke-width:3]"
      />
      {kind === "plus" ? (
        <path d={`M${-arm} 0H${arm}M0 ${-arm}V${arm}`} />
      ) : (
        <path
          d={`M${-arm * 0.75} ${-arm * 0.75}L${arm * 0.75} ${arm * 0.75}M${-arm * 0.75} ${arm * 0.75}L${arm * 0.75} ${-arm * 0.75}`}
        />
      )}
    </g>
  );
}

/** A turn as far around as the share of each head that is rotated. */
function Turn({ size, share }: { size: number; share: number }) {
  const radius = size / 2;
  const angle = -Math.PI / 2 + 2 * Math.PI * Math.min(share, 0.86);
  const [x, y] = [(radius - 3) * Math.cos(angle), (radius - 3) * Math.sin(angle)];
  const large = share > 0.5 ? 1 : 0;
  const [tx, ty] = [-Math.sin(angle), Math.cos(angle)];
  return (
    <g stroke="currentColor" strokeWidth={1.5} fill="none">
      <circle
        r={radius}
        fill="var(--surface)"
        strokeWidth={1}
        className="group-focus-visible:stroke-ring group-focus-visible:[stroke-width:3]"
      />
      <path d={`M0 ${3 - radius}A${radius - 3} ${radius - 3} 0 ${large} 1 ${x} ${y}`} />
      <path
        d={`M${x + 3 * tx} ${y + 3 * ty}L${x - 2.2 * ty} ${y + 2.2 * tx}L${x + 2.2 * ty} ${y - 2.2 * tx}Z`}
        fill="currentColor"
        stroke="none"
      />
    </g>
  );
}

const erf = (value: number): number => {
  const t = 1 / (1 + 0.3275911 * Math.abs(value));
  const tail =
    ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) *
    t *
    Math.exp(-value * value);
  return Math.sign(value) * (1 - tail);
};
const gelu = (u: number) => 0.5 * u * (1 + erf(u / Math.SQRT2));
const FUNCTIONS: Record<string, (u: number) => number> = {
  relu: (u) => Math.max(0, u),
  relu2: (u) => Math.max(0, u) ** 2 / 2,
  gelu,
  gelu_tanh: gelu,
  swiglu: (u) => u / (1 + Math.exp(-u)),
  geglu: gelu,
  geglu_tanh: gelu,
};

/** The function itself, from -3 to 3. */
function Curve({ activation, size }: { activation: string; size: number }) {
  const f = FUNCTIONS[activation] ?? ((u: number) => u);
  const [w, h] = [size, size * 0.62];
  const points = Array.from({ length: 37 }, (_, place) => {
    const u = -3 + place / 6;
    return [((u + 3) / 6 - 0.5) * (w - 6), (0.5 - (f(u) + 0.6) / 3.6) * (h - 4)] as const;
  }).filter(([, y]) => y > -h / 2);
  return (
    <g fill="none" stroke="currentColor">
      <rect
        x={-w / 2}
        y={-h / 2}
        width={w}
        height={h}
        rx={5}
        fill="var(--surface)"
        className="group-focus-visible:stroke-ring group-focus-visible:[stroke-width:3]"
      />
      <path d={`M${-w / 2 + 3} ${(0.5 - 0.6 / 3.6) * (h - 4)}H${w / 2 - 3}`} strokeOpacity={0.3} />
      <path d={`M${points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}`} strokeWidth={1.5} />
    </g>
  );
}

function Wave({ size }: { size: number }) {
  const w = Math.max(8, size - 12);
  const wave = (length: number, y: number) => {
    const steps = 40;
    return `M${Array.from({ length: steps + 1 }, (_, place) => {
      const x = (place / steps - 0.5) * w;
      return `${x.toFixed(1)} ${(y + 5 * Math.sin((2 * Math.PI * (x + w / 2)) / length)).toFixed(1)}`;
    }).join("L")}`;
  };
  return (
    <g fill="none" stroke="currentColor" strokeWidth={1.25}>
      <path d={wave(w / 6, -16)} />
      <path d={wave(w / 2.5, 0)} />
      <path d={wave(w * 1.2, 16)} />
    </g>
  );
}

/** Which tokens (across) a token (down) sees, as a small table. */
function Mask({ shape, windowed, size }: { shape: Shape; windowed: boolean; size: number }) {
  const cell = size / CELLS;
  const reach = windowed ? 3 : CELLS;
  const both = shape.architecture === "encoder";
  // Cells of one strength are one path.
  const paths = new Map<number, string>();
  for (let row = 0; row < CELLS; row += 1) {
    for (let column = 0; column < CELLS; column += 1) {
      const back = row - column;
      const sees = both || (back >= 0 && back < reach);
      const strength = !sees
        ? 0.1
        : shape.positions === "alibi"
          ? Math.max(0.12, 0.9 - 0.13 * Math.abs(back))
          : 0.85;
      const [x, y, side] = [column * cell - size / 2, row * cell - size / 2, cell * 0.82];
      const square = `M${x.toFixed(1)} ${y.toFixed(1)}h${side.toFixed(1)}v${side.toFixed(1)}h-${side.toFixed(1)}z`;
      paths.set(strength, (paths.get(strength) ?? "") + square);
    }
  }
  return (
    <g>
      <rect
        x={-size / 2 - 4}
        y={-size / 2 - 4}
        width={size + 7}
        height={size + 7}
        rx={5}
        fill="var(--surface)"
        className="group-focus-visible:stroke-ring group-focus-visible:[stroke-width:3]"
      />
      {[...paths].map(([strength, d]) => (
        <path key={strength} d={d} fill="currentColor" fillOpacity={strength} />
      ))}
    </g>
  );
}
