import { CircleAlert, RotateCw } from "lucide-react";
import type { ReactNode } from "react";

import { ApiError } from "@/lib/api";
import { cn } from "@/lib/utils";

import { Button } from "./button";

/** Nothing here yet: what the place is for, and the one action that fills it. */
export function Empty({
  icon,
  title,
  children,
  action,
  className,
}: {
  icon?: ReactNode;
  title: string;
  children?: ReactNode;
  action?: ReactNode;
  className?: string;
}) {
  return (
    <div className={cn("flex flex-col items-center px-6 py-12 text-center", className)}>
      {icon ? (
        <div className="mb-4 grid size-11 place-items-center rounded-xl bg-accent-soft text-accent-ink [&_svg]:size-5">
          {icon}
        </div>
      ) : null}
      <p className="text-lg font-semibold">{title}</p>
      {children ? <div className="mt-1 max-w-md text-base text-pretty text-muted">{children}</div> : null}
      {action ? <div className="mt-5 flex flex-wrap justify-center gap-2">{action}</div> : null}
    </div>
  );
}

/** Something failed: what, why where known, and how to try again. */
export function Failure({
  error,
  what,
  retry,
  className,
}: {
  error: unknown;
  what: string;
  retry?: () => void;
  className?: string;
}) {
  const hint = error instanceof ApiError ? error.hint : null;
  return (
    <div
      role="alert"
      className={cn("flex flex-wrap items-start gap-3 rounded-lg bg-bad-soft px-4 py-3", className)}
    >
      <CircleAlert className="mt-0.5 size-4 shrink-0 text-bad" aria-hidden />
      <div className="min-w-48 flex-1">
        <p className="font-medium">{what}</p>
        <p className="text-sm break-words text-foreground/80">
          {error instanceof Error ? error.message : String(error)} {hint}
        </p>
      </div>
      {retry ? (
        <Button size="sm" onClick={retry}>
          <RotateCw /> Try again
        </Button>
      ) : null}
    </div>
  );
}
