import { Suspense } from "react";

import { Lab } from "@/components/tokenizer/lab";

export const metadata = { title: "Tokenizer" };

export default function TokenizerPage() {
  return (
    <Suspense>
      <Lab />
    </Suspense>
  );
}
