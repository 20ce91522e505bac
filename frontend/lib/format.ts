/** Figures in words: units, thousands separators, a sensible precision, and a dash for what is missing. */

export const DASH = "–";
const NARROW = "\u202f"; // keeps a figure and its unit together

type Figure = number | null | undefined;
const missing = (value: unknown): value is null | undefined =>
  value === null || value === undefined || (typeof value === "number" && !Number.isFinite(value));

/** "1,234" or "0.5". */
export function formatNumber(value: Figure, digits = 0): string {
  if (missing(value)) return DASH;
  return value.toLocaleString("en-US", { maximumFractionDigits: digits, minimumFractionDigits: 0 });
}

/** "1.23M": three significant digits and a letter; full below 10,000. */
export function formatShort(value: Figure): string {
  if (missing(value)) return DASH;
  const size = Math.abs(value);
  if (size < 10_000) return formatNumber(value, size < 10 && !Number.isInteger(value) ? 2 : 0);
  for (const [unit, letter] of [
    [1e12, "T"],
    [1e9, "B"],
    [1e6, "M"],
    [1e3, "k"],
  ] as const) {
    // 999,950 is "1M", not "1000k"
    if (size >= unit * 0.9995) return `${Number((value / unit).toPrecision(3))}${letter}`;
  }
  return String(value);
}

/** "1.99 × 10¹⁸": for figures beyond what letters are known for. */
export function formatPower(value: Figure): string {
  if (missing(value)) return DASH;
  if (Math.abs(value) < 1e15) return formatShort(value);
  const [digits = "", power = ""] = value.toExponential(2).split("e+");
  const raised = Array.from(power, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)]).join("");
  return `${Number(digits)}${NARROW}×${NARROW}10${raised}`;
}

/** "1.99 PFLOP": floating-point operations, with the prefixes of units. */
export function formatFlops(value: Figure, unit = `${NARROW}`): string {
  if (missing(value)) return DASH;
  for (const [size, letter] of FLOP_UNITS) {
    if (Math.abs(value) >= size * 0.9995) {
      return `${Number((value / size).toPrecision(3))}${unit}${letter}${unit ? "FLOP" : ""}`;
    }
  }
  return `${formatNumber(value)}${unit}${unit ? "FLOP" : ""}`;
}

const FLOP_UNITS = [
  [1e24, "Y"],
  [1e21, "Z"],
  [1e18, "E"],
  [1e15, "P"],
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
] as const;

/** A loss: fixed three decimals, so that a live figure does not jump. */
export function formatLoss(value: Figure, digits = 3): string {
  return missing(value) ? DASH : value.toFixed(digits);
}

/** Any metric: "0.0003" reads "3.00e-4", "12.34" stays. */
export function formatMetric(value: Figure): string {
  if (missing(value)) return DASH;
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 1e-3) return value.toExponential(2);
  if (size < 10) return value.toFixed(size < 0.1 ? 5 : 3);
  return size < 1000 ? value.toFixed(1) : formatShort(value);
}

/** "12.3 MB" in powers of 1000, or GiB-like steps where `binary`. */
export function formatBytes(value: Figure): string {
  if (missing(value)) return DASH;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let size = Math.abs(value);
  let place = 0;
  while (size >= 999.5 && place < units.length - 1) {
    size /= 1000;
    place += 1;
  }
  const text = place === 0 || size >= 100 ? Math.round(size).toString() : size.toFixed(1);
  return `${value < 0 ? "-" : ""}${text}${NARROW}${units[place]}`;
}

/** "45 s", "12 min 30 s", "3 h 5 min", "2 d 4 h". */
export function formatDuration(seconds: Figure): string {
  if (missing(seconds) || seconds < 0) return DASH;
  if (seconds < 1) return `<1${NARROW}s`;
  const whole = Math.round(seconds);
  const parts: [number, string][] = [
    [Math.floor(whole / 86_400), "d"],
    [Math.floor((whole % 86_400) / 3600), "h"],
    [Math.floor((whole % 3600) / 60), "min"],
    [whole % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count}${NARROW}${unit}`)
    .join(" ");
}

/** A share as "62.3%". */
export function formatPercent(value: Figure, digits = 1): string {
  return missing(value) ? DASH : `${(100 * value).toFixed(digits)}%`;
}

/** Seconds since 1970, or an ISO text, as a date. */
export function toDate(value: number | string | null | undefined): Date | null {
  if (missing(value)) return null;
  const date = typeof value === "number" ? new Date(value * 1000) : new Date(value);
  return Number.isNaN(date.getTime()) ? null : date;
}

/** "just now", "5 min ago", "3 h ago", "yesterday", then the date. */
export function formatAgo(value: number | string | null | undefined, now = Date.now()): string {
  const date = toDate(value);
  if (!date) return DASH;
  const seconds = (now - date.getTime()) / 1000;
  if (seconds < 45) return "just now";
  if (seconds < 3600) return `${Math.max(1, Math.floor(seconds / 60))}${NARROW}min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}${NARROW}h ago`;
  if (seconds < 2 * 86_400) return "yesterday";
  if (seconds < 7 * 86_400) return `${Math.floor(seconds / 86_400)} days ago`;
  return date.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
}

/** The exact time, for the hover. */
export function formatExact(value: number | string | null | undefined): string {
  const date = toDate(value);
  return date ? date.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" }) : "";
}

/** A configuration as readable YAML (plain scalars, quotes where they are needed). */
export function toYaml(value: unknown, indent = 0): string {
  const pad = "  ".repeat(indent);
  if (Array.isArray(value)) {
    if (!value.length) return `${pad}[]\n`;
    return value
      .map((item) =>
        isNested(item)
          ? `${pad}- ${toYaml(item, indent + 1).slice(pad.length + 2)}`
          : `${pad}- ${scalar(item)}\n`,
      )
      .join("");
  }
  if (value !== null && typeof value === "object") {
    const entries = Object.entries(value);
    if (!entries.length) return `${pad}{}\n`;
    return entries
      .map(([key, item]) =>
        isNested(item)
          ? `${pad}${scalar(key)}:\n${toYaml(item, indent + 1)}`
          : `${pad}${scalar(key)}: ${scalar(item)}\n`,
      )
      .join("");
  }
  return `${pad}${scalar(value)}\n`;
}

const isNested = (value: unknown): boolean =>
  value !== null && typeof value === "object" && Object.keys(value).length > 0;

function scalar(value: unknown): string {
  if (Array.isArray(value)) return "[]";
  if (value !== null && typeof value === "object") return "{}";
  if (typeof value !== "string") return String(value ?? "null");
  const plain = /^[A-Za-z_][\w ./()-]*$/.test(value) && value === value.trim();
  const reserved = /^(true|false|null|yes|no|on|off|y|n)$/i.test(value);
  return plain && !reserved ? value : JSON.stringify(value);
}
