"use client";

import { Footprints } from "lucide-react";
import { useEffect, useMemo } from "react";

import { Info } from "@/components/tokenizer/info";
import { useWide } from "@/components/tokenizer/use-wide";
import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { Dialog, SheetContent } from "@/components/ui/dialog";
import { Skeleton } from "@/components/ui/skeleton";
import { Empty, Failure } from "@/components/ui/states";
import { useComputation, useRested } from "@/lib/architecture-queries";
import {
  boxesOf,
  type NumberRef,
  outlineOf,
  readOpen,
  readTrail,
  toggled,
  writeOpen,
  writeTrail,
} from "@/lib/steps-model";
import { visible } from "@/lib/tokenizer-text";
import { cn } from "@/lib/utils";

import type { LabProps } from "./lab-props";
import { ModelText } from "./model-text";
import { StepDetail } from "./step-detail";
import { StepFlow } from "./step-flow";
import { StepTokens } from "./step-tokens";
import { placeIn, useAddress } from "./use-address";

const REST_MS = 250;
const TOP = 8;

/** One token's way through the model, from its embedding to the guess at the next, open down to each number. */
export function StepsTab({ text, onText, models, current, ...address }: LabProps) {
  const [query, onQuery] = useAddress(address.query, address.onQuery);
  const wide = useWide();
  const rested = useRested(text, REST_MS);
  const ready = current.runnable && rested.trim() !== "";
  const wanted = placeIn(query, "position", current.context_length) ?? -1;
  const answer = useComputation(
    ready ? { model: current.ref, text: rested, position: wanted, top: TOP } : null,
  );
  const trace = ready ? answer.data : undefined;
  const outline = useMemo(() => (trace ? outlineOf(trace.steps) : null), [trace]);
  const open = useMemo(() => readOpen(query.get("open")), [query]);
  const trail = useMemo(() => readTrail(query.get("trail")), [query]);
  const at = trail.at(-1)?.name ?? query.get("at");
  const step = trace?.steps.find(({ name }) => name === at) ?? null;
  const fallback = wide && trace ? (trace.steps[0] ?? null) : null;
  const shown = step ?? fallback;
  const position = trail.at(-1)?.position ?? trace?.position ?? 0;

  const walking = wide && trail.length > 1 ? at : null;
  useEffect(() => {
    if (walking) document.querySelector(`[data-step="${walking}"]`)?.scrollIntoView({ block: "nearest" });
  }, [walking]);

  /** Opens the boxes in which a number lives, so that it is seen where it stands. */
  const openTo = (name: string, before: ReadonlySet<string>) =>
    writeOpen(new Set([...before, ...boxesOf(name)]));
  const walk = (next: readonly NumberRef[]) => {
    const last = next.at(-1);
    onQuery({ trail: writeTrail(next), ...(last ? { at: last.name, open: openTo(last.name, open) } : {}) });
  };
  const detail =
    trace && shown ? (
      <StepDetail
        model={trace.asked.model}
        text={trace.asked.text ?? ""}
        tokens={trace.tokens}
        predictions={trace.predictions}
        step={shown}
        position={position}
        trail={trail.length && trail.at(-1)?.name === shown.name ? trail : []}
        onTrail={walk}
      />
    ) : null;

  return (
    <div className="flex flex-col gap-4">
      <ModelText
        text={text}
        onText={onText}
        models={models}
        current={current}
        onModel={(ref) => onQuery({ model: ref, position: null, open: null, at: null, trail: null })}
      />
      {answer.isError ? (
        <Failure
          what="The steps could not be computed."
          error={answer.error}
          retry={() => void answer.refetch()}
        />
      ) : null}
      {!current.runnable ? null : rested.trim() === "" ? (
        <Card>
          <Empty icon={<Footprints aria-hidden />} title="No text yet">
            Here one token is followed through every layer, with the numbers that the model really computes.
            Type a text above, or begin with one of the examples.
          </Empty>
        </Card>
      ) : trace && outline ? (
        <div className="grid items-start gap-4 lg:grid-cols-12">
          <Card className="lg:col-span-7">
            <CardHeader
              title="The way of one token"
              note={
                <span className="figures">
                  “{visible(trace.tokens[trace.position]?.text ?? "")}”, token {trace.position} of{" "}
                  {trace.tokens.length}
                </span>
              }
            >
              <Info
                name="The way of one token"
                about="The line at the left is the residual stream; a strip shows the first numbers of each tensor. Open a block to see what it computes; click a step to see all its numbers; click a number to see where it comes from."
              />
            </CardHeader>
            <div className="flex flex-col gap-3 px-4 pb-5 sm:px-5">
              <StepTokens
                tokens={trace.tokens}
                at={trace.position}
                onPick={(index) => onQuery({ position: String(index), trail: null })}
                className="max-h-28 overflow-y-auto border-b pb-3"
              />
              <div className="-mt-1 flex flex-wrap gap-1">
                <Button
                  look="ghost"
                  size="sm"
                  onClick={() =>
                    onQuery({
                      open: writeOpen(
                        new Set(
                          outline.blocks.flatMap(({ layer, branches }) => [
                            String(layer),
                            ...branches.map(({ key }) => key),
                          ]),
                        ),
                      ),
                    })
                  }
                >
                  Open all
                </Button>
                <Button look="ghost" size="sm" disabled={!open.size} onClick={() => onQuery({ open: null })}>
                  Close all
                </Button>
              </div>
              <div
                className={cn("transition-opacity duration-100", answer.isPlaceholderData && "opacity-60")}
              >
                <StepFlow
                  outline={outline}
                  predictions={trace.predictions}
                  guess={current.architecture === "encoder" ? "The token at this place" : "The next token"}
                  open={open}
                  onToggle={(key) => onQuery({ open: writeOpen(toggled(open, key)) })}
                  at={shown?.name ?? null}
                  onStep={({ name }) => onQuery({ at: name, trail: null })}
                  onPrediction={(id) =>
                    walk([{ name: "logits", position: trace.position, index: id, head: null }])
                  }
                />
              </div>
            </div>
          </Card>
          {wide ? (
            <Card className="sticky top-18 max-h-[calc(100dvh-88px)] overflow-y-auto lg:col-span-5">
              <CardHeader title={shown?.title ?? "Numbers"} note={positionNote(trace.position, position)} />
              <div className="px-4 pt-1 pb-5 sm:px-5">{detail}</div>
            </Card>
          ) : (
            <Dialog open={step !== null} onOpenChange={(now) => now || onQuery({ at: null, trail: null })}>
              <SheetContent
                side="bottom"
                title={step?.title ?? "Numbers"}
                description={positionNote(trace.position, position)}
                className="max-h-[82dvh] gap-3 p-4 pb-6"
              >
                {detail}
              </SheetContent>
            </Dialog>
          )}
        </div>
      ) : answer.isError ? null : (
        <div className="grid gap-4 lg:grid-cols-12">
          <Skeleton className="h-[560px] rounded-xl lg:col-span-7" />
          <Skeleton className="h-80 rounded-xl max-lg:hidden lg:col-span-5" />
        </div>
      )}
    </div>
  );
}

/** Said only where the number belongs to another token than the one that is followed. */
const positionNote = (followed: number, position: number): string | undefined =>
  followed === position ? undefined : `at token ${position}`;
