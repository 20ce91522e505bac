"use client";

import { Play } from "lucide-react";
import { useCallback, useMemo, useState } from "react";

import { Info } from "@/components/tokenizer/info";
import { useWide } from "@/components/tokenizer/use-wide";
import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { Skeleton } from "@/components/ui/skeleton";
import { Empty, Failure } from "@/components/ui/states";
import { Choice } from "@/components/ui/toggle-group";
import { useSweep } from "@/lib/architecture-queries";
import type { Intervention, LabModel, PatchPart, Sweep, SweepRequest } from "@/lib/architecture-types";
import { useTokenCount } from "@/lib/attention-queries";
import { formatNumber } from "@/lib/format";
import { diverging } from "@/lib/lens-heat";
import { signed, tokenWords } from "@/lib/lens-view";
import { partWords, PATCH_PARTS, samePart } from "@/lib/patch-edits";
import { PATCH_EXAMPLES } from "@/lib/patch-examples";
import { differences, isLightSweep, strongestCell, sweepCsv, sweepPasses } from "@/lib/patch-view";
import { cn } from "@/lib/utils";

import { HeatGrid, type Place } from "./heat-grid";
import { PictureSave } from "./picture-save";

/** Every part in turn, at every token, taken from the other text: which of them carries the answer? */
export function PatchSweep({
  model,
  text,
  other,
  reading,
  part: wanted,
  edits,
  onPart,
  onApply,
  onExample,
}: {
  model: LabModel;
  text: string;
  other: string;
  reading: number | null;
  part: string | null;
  edits: readonly Intervention[];
  onPart: (part: PatchPart) => void;
  onApply: (edit: Intervention) => void;
  onExample: (texts: { text: string; other: string; part?: PatchPart }) => void;
}) {
  const part = PATCH_PARTS.find(({ value }) => value === wanted) ?? PATCH_PARTS[0]!;
  const counted = useTokenCount(model.tokenizer, text);
  // Not yet counted is not yet known to be light; without a tokenizer a token is at most a character.
  const count = model.tokenizer === null ? text.length : counted;
  const passes = count === null ? null : sweepPasses(model.layers, model.heads, count, part.value);
  const light = count !== null && passes !== null && isLightSweep(model.parameters, count, passes);
  // The page changes `text` towards `other`; the sweep repairs a corrupted text with values of a clean one.
  const body: SweepRequest = {
    model: model.ref,
    text: other,
    source_text: text,
    part: part.value,
    ...(reading === null ? {} : { position: reading }),
  };
  const name = JSON.stringify(body);
  const [asked, setAsked] = useState<string | null>(null);
  const possible = other !== "" && other !== text;
  const sweep = useSweep(possible && (light || asked === name) ? body : null);
  const shown = possible && sweep.data && sweep.data.asked.model === model.ref ? sweep.data : undefined;

  return (
    <Card className="overflow-hidden">
      <CardHeader title="Sweep">
        <Info
          name="The sweep"
          about="One part at a time is taken from the other text while the model reads the first one. 0: it answers as for its own text. 1: that one part is enough to make it answer as for the other text. Measured by the difference of the two answers' logits (causal tracing, Meng et al. 2022)."
        />
        {shown ? <Save sweep={shown} model={model} part={part.label} /> : null}
      </CardHeader>
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 pb-3 sm:px-5">
        <Choice
          label="Part"
          value={part.value}
          onChange={onPart}
          options={PATCH_PARTS.map(({ value, label }) => ({ value, label }))}
        />
        <span className="flex items-center gap-2 text-xs text-muted">
          <span className="figures">-1</span>
          <span aria-hidden className="signed-scale h-2.5 w-24 rounded-sm" />
          <span className="figures">1</span>
        </span>
        <p className="text-sm text-muted">{part.about}</p>
      </div>
      {!possible ? (
        <Empty
          title="A sweep needs two texts"
          className="py-8"
          action={PATCH_EXAMPLES.map((pair) => (
            <Button key={pair.name} size="sm" onClick={() => onExample(pair)}>
              {pair.name}
            </Button>
          ))}
        >
          Write another text above that has as many tokens and another answer, or take one of these pairs.
        </Empty>
      ) : sweep.isError ? (
        <div className="px-4 pb-4 sm:px-5">
          <Failure
            what="The sweep could not be run."
            error={sweep.error}
            retry={() => void sweep.refetch()}
          />
        </div>
      ) : shown && shown.values.every((row) => row.every((value) => value === null)) ? (
        <Empty title="Both texts have the same answer" className="py-8">
          After both the model says{" "}
          <span className="font-mono text-foreground">{tokenWords(shown.answer_text)}</span>: there is nothing
          to carry over. Change a word on which the answer depends.
        </Empty>
      ) : shown ? (
        <div className={cn(sweep.isPlaceholderData && "opacity-70")}>
          <SweepGrid sweep={shown} part={shown.asked.part ?? part.value} edits={edits} onApply={onApply} />
        </div>
      ) : light || asked === name || passes === null ? (
        <div className="px-4 pb-5 sm:px-5">
          <Skeleton className="h-48" />
          <p className="mt-2 text-sm text-muted figures" role="status">
            {passes === null ? " " : `${formatNumber(passes)} runs of the model.`}
          </p>
        </div>
      ) : (
        <div className="flex flex-wrap items-center gap-3 px-4 pb-5 sm:px-5">
          <Button onClick={() => setAsked(name)}>
            <Play aria-hidden /> Run the sweep
          </Button>
          <p className="text-sm text-pretty text-muted">
            <span className="figures">{formatNumber(passes)}</span> runs of a model of this size take a while
            here.
          </p>
        </div>
      )}
    </Card>
  );
}

type Shown = Pick<
  Sweep,
  | "tokens"
  | "source_tokens"
  | "rows"
  | "columns"
  | "values"
  | "answer_text"
  | "wrong_text"
  | "clean"
  | "corrupted"
>;

/** What is measured, in words. */
const metricOf = ({ answer_text, wrong_text }: Pick<Sweep, "answer_text" | "wrong_text">): string =>
  `logit of ${tokenWords(answer_text)}${wrong_text === null ? "" : ` minus that of ${tokenWords(wrong_text)}`}`;

/** What a cell stands for, as an intervention. */
const editOf = (part: PatchPart, [layer, column]: Place): Intervention =>
  part === "head"
    ? { kind: "patch", part, layer, head: column, position: null }
    : { kind: "patch", part, layer, position: column };

function SweepGrid({
  sweep,
  part,
  edits,
  onApply,
}: {
  sweep: Shown;
  part: PatchPart;
  edits: readonly Intervention[];
  onApply: (edit: Intervention) => void;
}) {
  const wide = useWide();
  const [peeked, setPeeked] = useState<Place | null>(null);
  const [picked, setPicked] = useState<{ of: Shown; place: Place } | null>(null);
  const { rows, columns, values, tokens } = sweep;
  const best = useMemo(() => strongestCell(values), [values]);
  const own = picked && picked.of === sweep ? picked.place : best;
  const inside = peeked && peeked[0] < rows.length && peeked[1] < columns.length ? peeked : null;
  const active = inside ?? own;
  const differ = useMemo(() => differences(tokens, sweep.source_tokens), [tokens, sweep.source_tokens]);
  const heads = part === "head";
  const rowList = useMemo(() => rows.map((label, at) => ({ key: `${at}`, label })), [rows]);
  const columnList = useMemo(
    () =>
      heads
        ? columns.map((label, at) => ({ key: `head${at}`, label: `Head ${at}`, about: label }))
        : sweep.source_tokens.map(({ id, text }, at) => ({
            key: `${at}.${id}`,
            label: `${tokenWords(text)}${differ.has(at) ? " *" : ""}`,
            about: differ.has(at)
              ? `Token ${formatNumber(at)}: ${tokenWords(text)}, in the other text ${tokenWords(tokens[at]!.text)}`
              : `Token ${formatNumber(at)}: ${tokenWords(text)}`,
          })),
    [heads, columns, sweep.source_tokens, tokens, differ],
  );
  const cell = useCallback(
    (row: number, column: number) => {
      const value = values[row]?.[column];
      if (value === undefined || value === null) return null;
      return {
        text: Math.abs(value) < 0.005 ? "" : value.toFixed(2),
        name: `${rows[row]}, ${columnList[column]!.label}: ${value.toFixed(2)}`,
        colour: diverging(value, 1),
        mark: edits.some((edit) => edit.kind === "patch" && samePart(edit, editOf(part, [row, column]))),
      };
    },
    [values, rows, columnList, edits, part],
  );
  const value = active ? values[active[0]]?.[active[1]] : undefined;
  const edit = active ? editOf(part, active) : null;
  const applied = edit ? edits.some((item) => item.kind === "patch" && samePart(item, edit)) : false;
  return (
    <>
      <div className="pb-1 pl-4 sm:pl-5">
        <HeatGrid
          label="Sweep: layers by tokens or heads"
          rows={rowList}
          columns={columnList}
          cell={cell}
          width={!wide ? 56 : heads && columns.length <= 8 ? 92 : 64}
          height={30}
          labelWidth={wide ? 92 : 76}
          active={active}
          onPeek={wide ? setPeeked : undefined}
          onPick={(place) => {
            setPeeked(null);
            setPicked({ of: sweep, place });
          }}
        />
      </div>
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2 border-t px-4 py-3 sm:px-5">
        <p className="min-w-56 flex-1 text-sm text-pretty text-muted max-sm:basis-full">
          {edit && value !== undefined && value !== null ? (
            <>
              <span className="text-foreground">
                {partWords(edit)}
                {edit.position === null || edit.position === undefined ? null : (
                  <>
                    , token {formatNumber(edit.position)}{" "}
                    <span className="font-mono">
                      {tokenWords(sweep.source_tokens[edit.position]?.text ?? "")}
                    </span>
                  </>
                )}
                : <span className="font-medium figures">{signed(value)}</span>.
              </span>{" "}
              {sentence(value)}{" "}
            </>
          ) : null}
          <span className="figures">
            0 is {sweep.corrupted.toFixed(2)}, 1 is {sweep.clean.toFixed(2)}: {metricOf(sweep)}.
          </span>
          {differ.size && !heads ? " A star marks tokens that differ." : null}
        </p>
        {edit ? (
          <Button
            size="sm"
            onClick={() => {
              if (active) setPicked({ of: sweep, place: active });
              onApply(edit);
            }}
          >
            {applied ? "Take it out" : "Put it in"}
          </Button>
        ) : null}
      </div>
    </>
  );
}

function sentence(value: number): string {
  if (value >= 0.8) return "Alone it makes the model answer as for the other text.";
  if (value >= 0.2) return "It carries a part of the other answer.";
  if (value > -0.2) return "It changes next to nothing.";
  return "It drives the model further from the other answer.";
}

function Save({ sweep, model, part }: { sweep: Shown; model: LabModel; part: string }) {
  const picture = () => ({
    title: `Sweep of ${part.toLowerCase()}: ${model.name}${model.random ? " (random weights)" : ""}`,
    note: `0: answers as for its own text. 1: answers as for the other text. ${metricOf(sweep)}`,
    rows: sweep.rows,
    columns: sweep.columns.map(tokenWords),
    cell: (row: number, column: number) => {
      const value = sweep.values[row]?.[column];
      return value === undefined || value === null
        ? null
        : { text: Math.abs(value) < 0.005 ? "" : value.toFixed(2), colour: diverging(value, 1) };
    },
    width: 64,
    height: 28,
  });
  return <PictureSave file="sweep" csv={() => sweepCsv(sweep)} picture={picture} />;
}
