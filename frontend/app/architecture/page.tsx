import { Suspense } from "react";

import { Lab } from "@/components/architecture/lab";

export const metadata = { title: "Architecture" };

export default function ArchitecturePage() {
  return (
    <Suspense>
      <Lab />
    </Suspense>
  );
}
