import { Suspense } from "react";

import { CompareRuns } from "@/components/runs/compare/compare-runs";

export const metadata = { title: "Compare runs" };

export default function ComparePage() {
  return (
    <Suspense>
      <CompareRuns />
    </Suspense>
  );
}
