"use client";

import { useSearchParams } from "next/navigation";

import { RunPage } from "./run-page";
import { RunsList } from "./runs-list";

/** The list, or with `?id=` one run. */
export function RunsRoute() {
  const id = useSearchParams().get("id");
  return id ? <RunPage key={id} id={id} /> : <RunsList />;
}
