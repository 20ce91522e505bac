"use client";

import { ArrowRight, LoaderCircle, Sparkles } from "lucide-react";
import Link from "next/link";

import { Button } from "@/components/ui/button";
import { useStartRecipe } from "@/lib/actions";
import { useRuns } from "@/lib/queries";
import { isQuickstart } from "@/lib/run-view";
import { isAlive } from "@/lib/types";
import { runHref } from "@/lib/utils";

/** Starts the quickstart; while one runs, leads to it. */
export function QuickstartButton({
  size = "lg",
  again = false,
}: {
  size?: "md" | "lg";
  /** There is a model already: training another is no longer the first thing to do. */
  again?: boolean;
}) {
  const runs = useRuns();
  const start = useStartRecipe();
  const running = runs.data?.find((run) => isQuickstart(run) && isAlive(run));
  if (running) {
    return (
      <Button asChild look="primary" size={size}>
        <Link href={runHref(running.id)}>
          Open the running quickstart <ArrowRight aria-hidden />
        </Link>
      </Button>
    );
  }
  return (
    <Button
      look={again ? "outline" : "primary"}
      size={size}
      disabled={start.isPending}
      onClick={() => start.mutate("quickstart")}
    >
      {start.isPending ? <LoaderCircle className="animate-spin" aria-hidden /> : <Sparkles aria-hidden />}
      {start.isPending ? "Starting" : again ? "Train another" : "Train your first model"}
    </Button>
  );
}
