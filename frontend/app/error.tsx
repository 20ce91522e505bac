"use client";

import { CircleAlert } from "lucide-react";
import Link from "next/link";

import { Button } from "@/components/ui/button";
import { Empty } from "@/components/ui/states";

/** What is shown when a page itself breaks. */
export default function PageError({ error, reset }: { error: Error; reset: () => void }) {
  return (
    <Empty
      className="my-auto"
      icon={<CircleAlert aria-hidden />}
      title="This page broke"
      action={
        <>
          <Button look="primary" onClick={reset}>
            Show it again
          </Button>
          <Button asChild>
            <Link href="/">Go home</Link>
          </Button>
        </>
      }
    >
      <h1 className="sr-only">This page broke</h1>
      Runs are not affected: they go on by themselves. The error was: {error.message}
    </Empty>
  );
}
