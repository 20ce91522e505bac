"use client";

import { Info as Icon } from "lucide-react";
import type { ReactNode } from "react";

import { Tip } from "@/components/ui/tooltip";

/** The "i" that tells what a figure is. */
export function Info({ name, about }: { name: string; about: ReactNode }) {
  return (
    <Tip text={about}>
      <button
        type="button"
        aria-label={`What is ${name.toLowerCase()}?`}
        className="rounded-full text-muted hover:text-foreground"
      >
        <Icon className="size-3.5" aria-hidden />
      </button>
    </Tip>
  );
}
