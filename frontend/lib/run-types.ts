/** The shapes of what the run pages ask for beside the run itself. */

import type { components } from "./api.gen";

type Schemas = components["schemas"];

export type Artifact = Required<Schemas["ArtifactInfo"]>;
export type StageDetail = Schemas["StageDetail"];
export type RunPreview = Schemas["RunPreview"];
export type PreviewRequest = Schemas["PreviewRequest"];
export type RunChanges = Schemas["RunChanges"];
export type SmallCurve = Schemas["SmallCurve"];
export type RunComparison = Schemas["RunComparison"];
export type SettingDifference = Schemas["SettingDifference"];
export type RunFigure = Schemas["RunFigure"];
