"use client";

import { FileDown } from "lucide-react";
import { useState } from "react";

import { Info } from "@/components/tokenizer/info";
import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { Field, Select } from "@/components/ui/field";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { useAttribution } from "@/lib/architecture-queries";
import type { Lens } from "@/lib/architecture-types";
import { save } from "@/lib/download";
import { formatNumber } from "@/lib/format";
import { answersAt, attributionCsv, signed, tokenWords } from "@/lib/lens-view";
import { cn } from "@/lib/utils";

import { AttributionBars } from "./attribution-bars";
import { AttributionMap } from "./attribution-map";

const NONE = "";

/** Which parts of the model speak for a token at a position, and which against it. */
export function AttributionCard({
  lens,
  asked,
  position,
  encoder,
  onPosition,
  className,
}: {
  lens: Lens;
  /** What the lens was asked with. */
  asked: { model: string; text: string };
  position: number;
  encoder: boolean;
  onPosition: (position: number) => void;
  className?: string;
}) {
  const [chosen, setChosen] = useState<{
    of: Lens;
    position: number;
    target: number;
    against: number | null;
  } | null>(null);
  const [lit, setLit] = useState<string | null>(null);
  const answers = answersAt(lens, position, encoder);
  const own = chosen && chosen.of === lens && chosen.position === position ? chosen : null;
  const target = own?.target ?? answers[0]?.id ?? null;
  const against = own ? own.against : null;
  const choose = (changes: { target?: number; against?: number | null }) => {
    if (target !== null) setChosen({ of: lens, position, target, against, ...changes });
  };
  const answer = useAttribution(target === null ? null : { ...asked, position, target, against });
  const shown = answer.data;
  const href = (layer: number, head: number) => {
    const next = new URLSearchParams({ tab: "attention", model: asked.model });
    next.set("layer", String(layer));
    next.set("head", String(head));
    return `/architecture/?${next.toString()}`;
  };

  return (
    <Card className={className}>
      <CardHeader title="Who says so" note="direct logit attribution">
        <Info
          name="Direct logit attribution"
          about="The last residual is a sum of what every part wrote into it. With the scale of the final norm held fixed, so is the logit: each part's share is its own vector, through that scale, times the head's row for the token."
        />
        {shown ? (
          <Button
            look="ghost"
            size="sm"
            onClick={() => save(new Blob([attributionCsv(shown)], { type: "text/csv" }), "attribution.csv")}
          >
            <FileDown aria-hidden /> CSV
          </Button>
        ) : null}
      </CardHeader>
      <div className="grid gap-x-8 gap-y-4 px-4 pt-1 pb-4 sm:px-5 lg:grid-cols-12">
        <div className="flex min-w-0 flex-col gap-4 lg:col-span-5">
          <div className="grid grid-cols-1 gap-3 sm:grid-cols-3">
            <Field label={encoder ? "At" : "After"} htmlFor="attribution-position">
              <Select
                id="attribution-position"
                value={position}
                onChange={(event) => onPosition(Number(event.target.value))}
              >
                {lens.tokens.map((token, at) => (
                  <option key={at} value={at}>
                    {formatNumber(at)} {tokenWords(token.text)}
                  </option>
                ))}
              </Select>
            </Field>
            <Field label="For" htmlFor="attribution-target">
              <Select
                id="attribution-target"
                value={target ?? NONE}
                onChange={(event) => {
                  const next = Number(event.target.value);
                  choose({ target: next, against: against === next ? null : against });
                }}
              >
                {answers.map(({ id, text, note }) => (
                  <option key={id} value={id}>
                    {tokenWords(text)} ({note})
                  </option>
                ))}
              </Select>
            </Field>
            <Field label="Against" htmlFor="attribution-against">
              <Select
                id="attribution-against"
                value={against ?? NONE}
                onChange={(event) =>
                  choose({ against: event.target.value === NONE ? null : Number(event.target.value) })
                }
              >
                <option value={NONE}>no other token</option>
                {answers
                  .filter(({ id }) => id !== target)
                  .map(({ id, text, note }) => (
                    <option key={id} value={id}>
                      {tokenWords(text)} ({note})
                    </option>
                  ))}
              </Select>
            </Field>
          </div>
          {shown ? (
            <>
              <AttributionMap
                components={shown.components}
                lit={lit}
                onLit={setLit}
                className={cn(answer.isPlaceholderData && "opacity-60")}
              />
              <div className="text-sm text-pretty text-muted">
                <p>
                  <span className="text-foreground figures">{signed(shown.sum)}</span> from all parts
                  {Math.abs(shown.rest) >= 0.005 ? (
                    <>
                      , <span className="text-foreground figures">{signed(shown.rest)}</span> from what no
                      part wrote
                    </>
                  ) : null}
                  : the logit of{" "}
                  <span className="font-mono text-foreground">{tokenWords(shown.target_text)}</span>
                  {shown.against === null ? null : (
                    <>
                      {" "}
                      over{" "}
                      <span className="font-mono text-foreground">
                        {tokenWords(shown.against_text ?? "")}
                      </span>
                    </>
                  )}{" "}
                  is <span className="font-medium text-foreground figures">{signed(shown.logit)}</span>.
                </p>
                {shown.note ? <p className="mt-1.5 text-xs">{shown.note}</p> : null}
              </div>
            </>
          ) : answer.isError ? null : (
            <Skeleton className="h-48" />
          )}
        </div>
        <div className="min-w-0 lg:col-span-7">
          {answer.isError ? (
            <Failure
              what="The parts could not be told apart."
              error={answer.error}
              retry={() => void answer.refetch()}
            />
          ) : shown ? (
            <AttributionBars components={shown.components} lit={lit} onLit={setLit} href={href} />
          ) : (
            <Skeleton className="h-72" />
          )}
        </div>
      </div>
    </Card>
  );
}
