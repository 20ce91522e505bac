"use client";

import { Download, List } from "lucide-react";
import { useMemo, useRef, useState } from "react";

import { useWidth } from "@/components/architecture/use-width";
import { Info } from "@/components/tokenizer/info";
import { Ago } from "@/components/time";
import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { useLineage } from "@/lib/checkpoint-queries";
import { layOut, type Lineage, type LineageNode } from "@/lib/lineage-layout";
import { figuresOf, headOf, KINDS, standing } from "@/lib/lineage-words";
import { saveSvg } from "@/lib/save-svg";
import type { Run } from "@/lib/types";

import { LineageGraph } from "./lineage-graph";
import { LineageList } from "./lineage-list";

const ABOUT =
  "What this run was made from, and all that was made from it: each box is a run with what it made. Forks leave from the checkpoint that they went on from.";

/** Where a run comes from and what came of it; nothing where it stands alone. */
export function LineageCard({ run }: { run: Run }) {
  const lineage = useLineage(run);
  const [listed, setListed] = useState(false);
  const picture = useRef<HTMLDivElement>(null);
  if (lineage.data && lineage.data.nodes.length < 2) return null;
  const save = () => {
    const svg = picture.current?.querySelector("svg");
    if (svg) saveSvg(svg, `${run.id}-lineage.svg`);
  };
  return (
    <Card aria-label="Lineage" className="overflow-hidden">
      <CardHeader
        title={
          <span className="inline-flex items-center gap-1.5">
            Lineage <Info name="Lineage" about={ABOUT} />
          </span>
        }
        note="from text to model"
      >
        <Button
          look="ghost"
          size="icon"
          aria-pressed={listed}
          aria-label="Lineage as a list"
          title="As a list"
          onClick={() => setListed(!listed)}
          className={listed ? "bg-accent-soft text-accent-ink" : undefined}
        >
          <List aria-hidden />
        </Button>
        <Button
          look="ghost"
          size="icon"
          aria-label="Save the lineage as a picture"
          title="Save as a picture (SVG)"
          disabled={listed || !lineage.data}
          onClick={save}
        >
          <Download aria-hidden />
        </Button>
      </CardHeader>
      {lineage.isPending ? <Skeleton className="m-4 h-40" /> : null}
      {lineage.isError ? (
        <Failure
          className="m-4"
          what="The lineage could not be read."
          error={lineage.error}
          retry={() => void lineage.refetch()}
        />
      ) : null}
      {lineage.data ? (
        <div ref={picture}>
          {listed ? <LineageList graph={lineage.data} /> : <Drawn graph={lineage.data} />}
        </div>
      ) : null}
    </Card>
  );
}

function Drawn({ graph }: { graph: Lineage }) {
  const [ref, width] = useWidth<HTMLDivElement>(1000);
  const [pointed, setPointed] = useState<LineageNode | null>(null);
  const drawing = useMemo(() => layOut(graph, width), [graph, width]);
  const shown = graph.nodes.find(({ id }) => id === pointed?.id) ?? graph.nodes.find(({ marked }) => marked);
  return (
    <>
      <div className="px-4 pt-2 sm:px-5">
        <div ref={ref} className="overflow-x-auto pb-3">
          <LineageGraph graph={graph} picture={drawing} pointed={pointed} onPoint={setPointed} />
        </div>
      </div>
      {shown ? <Facts node={shown} /> : null}
    </>
  );
}

/** What is known of the node that is pointed at, else of the run itself. */
function Facts({ node }: { node: LineageNode }) {
  const facts = figuresOf(node);
  const kind = node.kind === "run" ? headOf(node) : KINDS[node.kind].label;
  return (
    <p
      role="status"
      className="flex min-h-10 flex-wrap items-baseline gap-x-4 gap-y-0.5 border-t px-4 py-2 text-sm figures sm:px-5"
    >
      <span className="font-medium">
        {kind}: {node.name}
      </span>
      {standing(node) ? <span className="text-muted">{standing(node)}</span> : null}
      {facts.map(([label, value]) => (
        <span key={label} className="whitespace-nowrap">
          {value} <span className="text-muted">{label}</span>
        </span>
      ))}
      {node.created_at === null ? null : (
        <span className="text-muted">
          <Ago at={node.created_at} />
        </span>
      )}
      <span className="min-w-0 font-mono text-xs break-all text-muted">{node.id}</span>
    </p>
  );
}
