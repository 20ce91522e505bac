import type { LabModel } from "@/lib/architecture-types";

/** What the tabs that run a model are given: the one text, the models, and the address that holds the rest. */
export interface LabProps {
  text: string;
  onText: (text: string) => void;
  /** Workspace models (newest first, built-in last), then presets that are small enough to run. */
  models: readonly LabModel[];
  /** The model that the address names by `model`, else the first that can run. */
  current: LabModel;
  query: URLSearchParams;
  /** Changes the address; null takes a value out. */
  onQuery: (changes: Record<string, string | null>) => void;
}

/** What the tabs that only reckon are given: they need no model that runs. */
export type ShapeProps = Pick<LabProps, "query" | "onQuery">;
