"use client";

import { Download, Grid3x3, Table2 } from "lucide-react";
import { useMemo, useState } from "react";

import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { Skeleton } from "@/components/ui/skeleton";
import { Empty, Failure } from "@/components/ui/states";
import { Choice } from "@/components/ui/toggle-group";
import { useAttention, useRested, useThumbnails } from "@/lib/architecture-queries";
import type { HeadPattern, MapKind } from "@/lib/architecture-types";
import { firstHead, scoresCsv } from "@/lib/attention-patterns";
import { KINDS } from "@/lib/attention-view";
import { save } from "@/lib/download";
import { cn } from "@/lib/utils";

import { AttentionHead } from "./attention-head";
import { HeadGrid } from "./head-grid";
import type { LabProps } from "./lab-props";
import { ModelText } from "./model-text";
import { PatternDefinitions } from "./pattern-definitions";
import { PatternFilter } from "./pattern-filter";
import { PatternScores } from "./pattern-scores";
import { placeIn, useAddress } from "./use-address";

const REST_MS = 250;
const THUMBNAIL = 64;
const CROWDED = 8; // heads of a layer beyond which the grid takes half of the width

/** What every head of a model looks at in one text. */
export function AttentionTab({ text, onText, models, current, ...address }: LabProps) {
  const [query, onQuery] = useAddress(address.query, address.onQuery);
  const rested = useRested(text, REST_MS);
  const ready = current.runnable && rested.trim() !== "";
  const asked = ready ? { model: current.ref, text: rested } : null;
  const kind: MapKind = KINDS.find(({ value }) => value === query.get("kind"))?.value ?? "weights";
  const answer = useAttention(asked);
  const thumbnails = useThumbnails(asked ? { ...asked, kind, size: THUMBNAIL } : null);
  const [view, setView] = useState<"grid" | "table">("grid");
  const report = ready ? answer.data : undefined;
  const causal = current.architecture !== "encoder";
  const withoutFirst = query.get("first") === "off";
  const label = query.get("pattern");
  const known = label !== null && report?.patterns.some((pattern) => pattern.label === label) ? label : null;
  const match = useMemo(() => (pattern: HeadPattern) => known === null || pattern.label === known, [known]);
  const shown = useMemo(() => report?.patterns.filter(match) ?? [], [report, match]);
  const first = useMemo(() => firstHead(report?.patterns ?? []), [report]);
  const layer = placeIn(query, "layer", report?.layers ?? 0) ?? first.layer;
  const head = placeIn(query, "head", report?.heads ?? 0) ?? (query.has("layer") ? 0 : first.head);
  const select = (nextLayer: number, nextHead: number) =>
    onQuery({ layer: String(nextLayer), head: String(nextHead) });
  const crowded = (report?.heads ?? 0) > CROWDED;
  const fitting = thumbnails.data?.shape[0] === report?.layers ? (thumbnails.data ?? null) : null;

  return (
    <div className="flex flex-col gap-4">
      <ModelText
        text={text}
        onText={onText}
        models={models}
        current={current}
        onModel={(ref) => onQuery({ model: ref, layer: null, head: null, token: null })}
      />
      {answer.isError ? (
        <Failure
          what="The attention could not be computed."
          error={answer.error}
          retry={() => void answer.refetch()}
        />
      ) : null}
      {!current.runnable ? null : rested.trim() === "" ? (
        <Card>
          <Empty icon={<Grid3x3 aria-hidden />} title="No text yet">
            Attention is how a model looks back at what it has read. Type a text above, or begin with one of
            the examples.
          </Empty>
        </Card>
      ) : report ? (
        <div className="grid items-start gap-4 lg:grid-cols-12">
          <Card
            className={cn(
              "lg:sticky lg:top-18 lg:flex lg:max-h-[calc(100dvh-88px)] lg:flex-col",
              crowded ? "lg:col-span-6" : "lg:col-span-5",
            )}
          >
            <CardHeader title="Heads">
              <Choice
                label="Heads as"
                value={view}
                onChange={setView}
                options={[
                  { value: "grid", label: <Grid3x3 aria-hidden />, name: "Pictures" },
                  { value: "table", label: <Table2 aria-hidden />, name: "Table of scores" },
                ]}
              />
            </CardHeader>
            <div className="flex flex-col gap-3 px-4 pt-1 pb-3 sm:px-5">
              <PatternFilter
                patterns={report.patterns}
                value={known}
                onChange={(next) => onQuery({ pattern: next })}
              />
            </div>
            <div className="min-h-0 flex-1 px-4 pb-3 sm:px-5 lg:overflow-auto">
              {view === "grid" ? (
                <HeadGrid
                  layers={report.layers}
                  heads={report.heads}
                  patterns={report.patterns}
                  thumbnails={fitting}
                  selected={{ layer, head }}
                  onSelect={select}
                  match={match}
                  withoutFirst={withoutFirst}
                  causal={causal}
                  stale={thumbnails.isPlaceholderData || answer.isPlaceholderData}
                />
              ) : (
                <PatternScores
                  patterns={shown}
                  selected={{ layer, head }}
                  withoutFirst={withoutFirst}
                  onSelect={select}
                  className="max-h-[60vh]"
                />
              )}
            </div>
            <div className="flex flex-wrap items-center gap-x-3 gap-y-1 border-t px-4 py-2 sm:px-5">
              <p className="min-w-40 flex-1 text-xs text-pretty text-muted">
                Each picture is scaled by its own largest value.
              </p>
              <PatternDefinitions report={report} />
              <Button
                look="ghost"
                size="sm"
                onClick={() => save(new Blob([scoresCsv(report.patterns)]), "attention-scores.csv")}
              >
                <Download aria-hidden /> Scores
              </Button>
            </div>
          </Card>
          <div className={cn("min-w-0", crowded ? "lg:col-span-6" : "lg:col-span-7")}>
            <AttentionHead
              report={report}
              layer={layer}
              head={head}
              kind={kind}
              pinned={placeIn(query, "token", report.tokens.length) ?? report.tokens.length - 1}
              withoutFirst={withoutFirst}
              causal={causal}
              thumbnails={fitting}
              onSelect={select}
              onKind={(next) => onQuery({ kind: next === "weights" ? null : next })}
              onPin={(token) => onQuery({ token: String(token) })}
              onWithoutFirst={(on) => onQuery({ first: on ? "off" : null })}
            />
          </div>
        </div>
      ) : answer.isError ? null : (
        <Waiting />
      )}
    </div>
  );
}

function Waiting() {
  return (
    <div className="grid gap-4 lg:grid-cols-12">
      <Skeleton className="h-[560px] rounded-xl lg:col-span-5" />
      <Skeleton className="h-[560px] rounded-xl lg:col-span-7" />
    </div>
  );
}
