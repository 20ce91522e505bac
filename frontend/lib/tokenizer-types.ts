/** The shapes of the tokenization part of the REST contract, under the names that the page uses. */

import type { components } from "./api.gen";

type Schemas = components["schemas"];

export type TokenizerInfo = Schemas["TokenizerEntry"];
export type InspectedPiece = Schemas["InspectedPiece"];
export type Inspection = Schemas["InspectedText"];
export type Encoded = Schemas["EncodedText"];
export type Comparison = Schemas["Comparison"];
export type ComparedText = Schemas["ComparedTokenizer"];
export type Figures = Schemas["CoverageFigures"];
export type Coverage = Schemas["CoverageReport"];
export type SuspiciousGroup = Schemas["SuspiciousGroup"];
/** Answers have every field: those with a default are optional in requests only. */
export type Price = Required<Schemas["Price"]>;
export type PriceTable = Required<Omit<Schemas["PriceTable"], "prices">> & { prices: Price[] };
export type CostEstimate = Schemas["CostAnswer"];
export type RunnerUp = Schemas["RunnerUp"];
export type TracedMerge = Schemas["TracedMerge"];
export type Trace = Schemas["Trace"];
export type Replay = Schemas["Replay"];

/** What painting needs of a token: its offsets are code points. */
export type ShownToken = Schemas["ReplayedToken"] &
  Partial<Pick<Schemas["InspectedToken"], "special" | "piece" | "begins">>;
