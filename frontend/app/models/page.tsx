import { Suspense } from "react";

import { Models } from "@/components/models/models";

export const metadata = { title: "Models" };

export default function ModelsPage() {
  return (
    <Suspense>
      <Models />
    </Suspense>
  );
}
