import { Suspense } from "react";

import { RunsRoute } from "@/components/runs/runs-route";

export const metadata = { title: "Runs" };

export default function RunsPage() {
  return (
    <Suspense>
      <RunsRoute />
    </Suspense>
  );
}
