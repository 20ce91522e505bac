import { ChevronRight } from "lucide-react";
import { memo } from "react";

import { labelOf } from "@/components/config-form/schema";
import type { Analysis } from "@/lib/architecture-types";

/** How every figure on the page is worked out, and who says so. */
export const FormulaList = memo(function FormulaList({ analysis }: { analysis: Analysis }) {
  return (
    <details className="group rounded-xl border bg-surface shadow-card">
      <summary className="flex h-12 list-none items-center gap-2 px-4 font-semibold sm:px-5 [&::-webkit-details-marker]:hidden">
        <ChevronRight
          aria-hidden
          className="size-4 text-muted transition-transform duration-100 group-open:rotate-90"
        />
        How these figures are worked out
      </summary>
      <div className="border-t px-4 py-3 sm:px-5">
        {analysis.notes.length ? (
          <ul className="mb-3 list-disc pl-5 text-sm text-pretty">
            {analysis.notes.map((note) => (
              <li key={note}>{note}</li>
            ))}
          </ul>
        ) : null}
        <dl className="grid gap-x-8 gap-y-3 lg:grid-cols-2">
          {analysis.formulas.map((item) => (
            <div key={item.name} className="min-w-0">
              <dt className="text-sm font-medium">{labelOf(item.name)}</dt>
              <dd className="mt-0.5 font-mono text-sm break-words">{item.formula}</dd>
              <dd className="text-xs text-muted">{item.source}</dd>
            </div>
          ))}
        </dl>
      </div>
    </details>
  );
});
