/** What happened on the way of a run: checkpoints and alerts, for charts and for reading. */

import { formatNumber } from "./format";
import type { RunEvent } from "./types";

export interface Alert {
  id: number;
  step: number | null;
  /** What it is about: spike, non_finite, divergence, ... */
  kind: string;
  severity: "info" | "warning" | "critical";
  message: string;
  hint: string;
}

const text = (value: unknown): string => (typeof value === "string" ? value : "");
const SEVERITIES = ["info", "warning", "critical"] as const;

/** The alerts of a run, newest first. */
export function alertsOf(events: readonly RunEvent[]): Alert[] {
  return events
    .filter((event) => event.type === "alert")
    .map(({ id, data }) => ({
      id,
      step: typeof data["step"] === "number" ? data["step"] : null,
      kind: text(data["kind"]),
      severity: SEVERITIES.find((name) => name === data["severity"]) ?? "warning",
      message: text(data["message"]),
      hint: text(data["hint"]),
    }))
    .reverse();
}

export interface MarkedStep {
  step: number;
  kind: "checkpoint" | "alert";
  label: string;
}

/** The steps to mark on a chart, each kind once a step. */
export function marksOf(events: readonly RunEvent[]): MarkedStep[] {
  const found = new Map<string, MarkedStep>();
  for (const { type, data } of events) {
    const step = data["step"];
    if ((type !== "checkpoint" && type !== "alert") || typeof step !== "number") continue;
    const label = type === "checkpoint" ? `checkpoint ${formatNumber(step)}` : text(data["message"]);
    found.set(`${type} ${step} ${type === "alert" ? label : ""}`, { step, kind: type, label });
  }
  return [...found.values()].sort((a, b) => a.step - b.step);
}
