import { Compass } from "lucide-react";
import Link from "next/link";

import { Button } from "@/components/ui/button";
import { Empty } from "@/components/ui/states";

export const metadata = { title: "Page not found" };

export default function NotFound() {
  return (
    <Empty
      className="my-auto"
      icon={<Compass aria-hidden />}
      title="There is no page at this address"
      action={
        <Button asChild look="primary">
          <Link href="/">Go home</Link>
        </Button>
      }
    >
      <h1 className="sr-only">Page not found</h1>
      The link may be old, or mistyped.
    </Empty>
  );
}
