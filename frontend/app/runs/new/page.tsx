import { Suspense } from "react";

import { NewRun } from "@/components/runs/new/new-run";

export const metadata = { title: "New run" };

export default function NewRunPage() {
  return (
    <Suspense>
      <NewRun />
    </Suspense>
  );
}
