"use client";

import { BookOpen } from "lucide-react";
import { useState } from "react";

import { Button } from "@/components/ui/button";
import { Dialog, DialogTrigger, SheetContent } from "@/components/ui/dialog";
import type { AttentionReport } from "@/lib/architecture-types";
import { formatNumber } from "@/lib/format";

/** How each score is computed, where that comes from, and what else it takes for the pattern. */
export function PatternDefinitions({ report }: { report: AttentionReport }) {
  const [open, setOpen] = useState(false);
  return (
    <Dialog open={open} onOpenChange={setOpen}>
      <DialogTrigger asChild>
        <Button look="ghost" size="sm">
          <BookOpen aria-hidden /> Definitions
        </Button>
      </DialogTrigger>
      <SheetContent
        title="How heads are labelled"
        description="Every head has all of these scores; its label is the clearest. A label says what a head does on this text, not what it is for."
        className="max-w-lg"
      >
        <p className="rounded-lg bg-surface-2 px-3 py-2 text-sm text-pretty">
          A is the map of one head: A[i, j] is how much token i looks at token j. Scores are measured on your
          text
          {report.induction_probe ? (
            <>
              ; those for induction on a probe of{" "}
              <span className="figures">{formatNumber(report.induction_probe.tokens)}</span> random tokens
              said twice (seed <span className="figures">{report.induction_probe.seed}</span>), as ordinary
              text repeats too little
            </>
          ) : null}
          .
        </p>
        <dl className="flex flex-col gap-5">
          {report.definitions.map(
            ({ name, title, formula, source, false_positives, threshold, measured_on }) => (
              <div key={name} className="border-t pt-3 first:border-0 first:pt-0">
                <dt className="flex flex-wrap items-baseline gap-x-2">
                  <span className="font-semibold">{title}</span>
                  <span className="text-xs text-muted figures">
                    {threshold === null ? "a figure, never a label" : `label from a strength of ${threshold}`}
                    , measured on {measured_on === "probe" ? "the probe" : "your text"}
                  </span>
                </dt>
                <dd className="mt-1.5 flex flex-col gap-1.5 text-sm">
                  <code className="block rounded-md bg-surface-2 px-2.5 py-1.5 font-mono text-xs break-words">
                    {formula}
                  </code>
                  {false_positives ? (
                    <p className="text-pretty text-muted">
                      <span className="font-medium text-foreground">False positives:</span> {false_positives}
                    </p>
                  ) : null}
                  <p className="text-xs text-muted">Source: {source}</p>
                </dd>
              </div>
            ),
          )}
        </dl>
      </SheetContent>
    </Dialog>
  );
}
