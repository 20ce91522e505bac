import { cn } from "@/lib/utils";

/** A bar of how far something is; a null value says that this is not known. */
export function ProgressBar({
  value,
  label,
  className,
}: {
  value: number | null;
  label: string;
  className?: string;
}) {
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={value === null ? undefined : Math.round(100 * value)}
      className={cn("h-1.5 overflow-hidden rounded-full bg-surface-2", className)}
    >
      <div
        className={cn("h-full rounded-full bg-accent", value === null && "w-1/3 animate-pulse")}
        style={value === null ? undefined : { width: `${Math.min(1, Math.max(0, value)) * 100}%` }}
      />
    </div>
  );
}

/** The same as a ring, for the top bar. */
export function ProgressRing({ value, size = 16 }: { value: number | null; size?: number }) {
  const radius = size / 2 - 1.5;
  const length = 2 * Math.PI * radius;
  return (
    <svg
      aria-hidden
      width={size}
      height={size}
      viewBox={`0 0 ${size} ${size}`}
      className={cn("-rotate-90", value === null && "animate-spin")}
    >
      <circle
        cx={size / 2}
        cy={size / 2}
        r={radius}
        fill="none"
        strokeWidth={2.5}
        className="stroke-border-strong"
      />
      <circle
        cx={size / 2}
        cy={size / 2}
        r={radius}
        fill="none"
        strokeWidth={2.5}
        strokeLinecap="round"
        strokeDasharray={length}
        strokeDashoffset={length * (1 - (value ?? 0.3))}
        className="stroke-accent"
      />
    </svg>
  );
}
