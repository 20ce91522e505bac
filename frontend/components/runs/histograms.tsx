"use client";

import { useState } from "react";

import { Select } from "@/components/ui/field";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { Choice } from "@/components/ui/toggle-group";
import { layersOf, useHistograms } from "@/lib/run-histograms";
import { layerTitle } from "@/lib/run-layers";
import { isAlive, type Run } from "@/lib/types";

import { HistogramPicture } from "./histogram-picture";
import { NotMeasured, Section } from "./section";

const KINDS = [
  { value: "weights", label: "Weights" },
  { value: "gradients", label: "Gradients" },
] as const;
type Kind = (typeof KINDS)[number]["value"];

/** How the weights and gradients of a layer are spread, through time. */
export function Histograms({ run, measured }: { run: Run; measured: boolean }) {
  return (
    <Section name="histograms" title="Histograms" note={measured ? "weights, gradients" : "not measured"}>
      <Board run={run} />
    </Section>
  );
}

const HEIGHT = 320;

function Board({ run }: { run: Run }) {
  const alive = isAlive(run);
  const [kind, setKind] = useState<Kind>("weights");
  const [wanted, setWanted] = useState<string | null>(null);
  const index = useHistograms(run.id, null, alive);
  const layers = layersOf(index.data?.names ?? [], kind);
  const layer = wanted !== null && layers.includes(wanted) ? wanted : (layers[0] ?? null);
  const name = layer === null ? null : `${kind}/${layer}`;
  const query = useHistograms(run.id, name, alive);
  const failed = index.isError ? index : query.isError ? query : null;
  const found = name === null ? undefined : query.data?.histograms[name];
  if (index.data && !index.data.names.length) return <NotMeasured what="histograms" alive={alive} />;
  return (
    <>
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 pt-3 sm:px-5">
        <Choice label="Of what" value={kind} options={KINDS} onChange={setKind} />
        <Select
          aria-label="Layer"
          value={layer ?? ""}
          onChange={(event) => setWanted(event.target.value)}
          className="w-48"
        >
          {layers.map((item) => (
            <option key={item} value={item}>
              {layerTitle(item)}
            </option>
          ))}
        </Select>
        <p className="min-w-0 flex-1 basis-80 text-sm text-pretty text-muted">
          Bins are equally wide in the logarithm, on both sides of zero: values spread like a bell show as two
          bands.
        </p>
      </div>
      {failed ? (
        <Failure
          what="The histograms could not be read."
          error={failed.error}
          retry={() => void failed.refetch()}
          className="m-4"
        />
      ) : null}
      {found && query.data ? (
        <HistogramPicture
          title={`${kind === "weights" ? "Weights" : "Gradients"} of ${layerTitle(layer ?? "")}`}
          file={`${run.id}-${kind}-${layer}`}
          edges={query.data.edges}
          histograms={found}
          height={HEIGHT}
        />
      ) : failed ? null : (
        <Skeleton className="m-4" style={{ height: HEIGHT + 16 }} />
      )}
    </>
  );
}
