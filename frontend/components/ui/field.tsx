import { ChevronDown } from "lucide-react";
import type { ComponentProps, CSSProperties, ReactNode } from "react";

import { cn } from "@/lib/utils";

const BOX =
  "rounded-lg border border-border-strong bg-surface text-base placeholder:text-muted disabled:opacity-50 aria-invalid:border-bad";

export function Input({ className, ...props }: ComponentProps<"input">) {
  return <input className={cn(BOX, "h-9 w-full min-w-0 px-3", className)} {...props} />;
}

/** The platform's own select: best on phones and for screen readers. */
export function Select({ className, children, ...props }: ComponentProps<"select">) {
  return (
    <span className={cn("relative inline-flex min-w-0", className)}>
      <select className={cn(BOX, "h-9 w-full min-w-0 appearance-none truncate pr-8 pl-3")} {...props}>
        {children}
      </select>
      <ChevronDown aria-hidden className="pointer-events-none absolute top-2.5 right-2.5 size-4 text-muted" />
    </span>
  );
}

/** A label, its control and a line of help. */
export function Field({
  label,
  hint,
  value,
  htmlFor,
  children,
}: {
  label: string;
  hint?: ReactNode;
  value?: ReactNode;
  htmlFor: string;
  children: ReactNode;
}) {
  return (
    <div className="flex flex-col gap-1.5">
      <div className="flex items-baseline justify-between gap-2">
        <label htmlFor={htmlFor} className="text-sm font-medium">
          {label}
        </label>
        {value !== undefined ? <span className="font-mono text-xs text-muted figures">{value}</span> : null}
      </div>
      {children}
      {hint ? <p className="text-xs text-muted">{hint}</p> : null}
    </div>
  );
}

/** A slider of the platform in the accent colour. */
export function Range({
  min,
  max,
  value,
  ...props
}: Omit<ComponentProps<"input">, "type" | "min" | "max" | "value"> & {
  min: number;
  max: number;
  value: number;
}) {
  const share = max > min ? (value - min) / (max - min) : 1;
  return (
    <input
      type="range"
      min={min}
      max={max}
      value={value}
      className="slider w-full min-w-0"
      style={{ "--share": Math.min(1, Math.max(0, share)) } as CSSProperties}
      {...props}
    />
  );
}
