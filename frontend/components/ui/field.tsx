import type { ComponentProps, ReactNode } from "react";

import { cn } from "@/lib/utils";

const BOX =
  "rounded-lg border border-border-strong bg-surface text-base placeholder:text-muted disabled:opacity-50 aria-invalid:border-bad";

export function Input({ className, ...props }: ComponentProps<"input">) {
  return <input className={cn(BOX, "h-9 w-full min-w-0 px-3", className)} {...props} />;
}

/** The platform's own select: best on phones and for screen readers. */
export function Select({ className, children, ...props }: ComponentProps<"select">) {
  return (
    <select className={cn(BOX, "h-9 min-w-0 truncate pr-8 pl-3", className)} {...props}>
      {children}
    </select>
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
export function Range({ className, ...props }: Omit<ComponentProps<"input">, "type">) {
  return <input type="range" className={cn("h-5 w-full min-w-0 accent-accent", className)} {...props} />;
}
