/** The shapes of the transformer part of the REST contract, under the names that the pages use. */

import type { components } from "./api.gen";

type Schemas = components["schemas"];

/** A configuration as JSON: the fields of the schema; those that are left out have their defaults. */
export type Config = Record<string, unknown>;

export type LabModel = Schemas["LabModel"];
export type PresetInfo = Schemas["PresetEntry"];
export type Devices = Schemas["DeviceList"];
export type Device = Devices["devices"][number];

export type Analysis = Schemas["ArchitectureAnalysis"];
export type AnalyzeRequest = Schemas["ArchitectureRequest"];
export type Budget = Schemas["Budget"];
export type Formula = Schemas["Formula"];
export type CompareRequest = Schemas["CompareArchitecturesRequest"];
export type Comparison = Schemas["ArchitectureComparison"];
export type ComparedField = Schemas["ComparedField"];
export type RecommendRequest = Schemas["RecommendRequest"];
export type Recommendation = Schemas["Recommendation"];
export type Recommendations = Schemas["Recommendations"];

/** The page asks by text. */
type ByText<T> = Omit<T, "text" | "ids"> & { text: string };

export type LabToken = Schemas["LabToken"];
export type AttentionReport = Schemas["AttentionAnswer"];
export type HeadPattern = Schemas["HeadPattern"];
export type PatternDefinition = Schemas["PatternDefinition"];
export type MapRequest = ByText<Schemas["MapRequest"]>;
export type MapKind = NonNullable<MapRequest["kind"]>;
export type Prediction = Schemas["Prediction"];
export type TraceRequest = ByText<Schemas["TraceRequest"]>;
export type Trace = Schemas["TraceAnswer"];
export type TraceStep = Schemas["TracedTensor"];
export type TraceTensorRequest = ByText<Schemas["TensorRequest"]>;
export type TraceTensor = Schemas["TensorAnswer"];
export type ExplainRequest = ByText<Schemas["ExplainRequest"]>;
export type Explanation = Schemas["ExplainAnswer"];
/** A number of the computation, by the tensor that it is in. */
export type NumberRef = Schemas["NumberPlace"];
export type ExplainedTerm = Schemas["Term"];
export type LensRequest = ByText<Schemas["LensRequest"]>;
export type Lens = Schemas["LensAnswer"];
export type LensCell = Schemas["LensPosition"];
export type AttributionRequest = ByText<Schemas["AttributionRequest"]>;
export type Attribution = Schemas["AttributionAnswer"];
export type Intervention = Schemas["PatchIntervention"];
export type PatchPart = Intervention["part"];
export type PatchRequest = ByText<Schemas["PatchRequest"]>;
export type Patched = Schemas["PatchAnswer"];
export type SweepRequest = ByText<Schemas["SweepRequest"]>;
export type Sweep = Schemas["SweepAnswer"];
