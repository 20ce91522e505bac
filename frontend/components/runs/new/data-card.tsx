"use client";

import Link from "next/link";
import { Trash2 } from "lucide-react";
import { useCallback, useId } from "react";

import { NumberField } from "@/components/tokenizer/number-field";
import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { Field, Select } from "@/components/ui/field";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { formatBytes, formatShort } from "@/lib/format";
import { type Draft, shardsOf, SOURCES } from "@/lib/run-draft";
import { useArtifacts } from "@/lib/run-queries";
import type { Artifact } from "@/lib/run-types";

import { TextDrop } from "./text-drop";
import { useDeleteDataset } from "./use-delete-dataset";

interface Props {
  draft: Draft;
  problem: string | undefined;
  onChange: (changes: Partial<Draft>) => void;
}

const amount = (item: Artifact, name: string, unit: string): string => {
  const value = item.summary[name];
  return typeof value === "number" ? `, ${formatShort(value)} ${unit}` : "";
};

const sizeOf = (item: Artifact): string => {
  const bytes = item.summary["bytes"];
  return typeof bytes === "number" ? `, ${formatBytes(bytes)}` : amount(item, "documents", "documents");
};

/** What the model learns from: text and tokenizer, or token shards that are ready. */
export function DataCard({ draft, problem, onChange }: Props) {
  const datasets = useArtifacts("dataset");
  const tokenizers = useArtifacts("tokenizer");
  const tokens = useArtifacts("tokens");
  const id = useId();
  const select = useCallback((made: string) => onChange({ data: `dataset:${made}` }), [onChange]);
  const remove = useDeleteDataset(
    useCallback(() => onChange({ data: "" }), [onChange]),
    select,
  );
  const failed = [datasets, tokenizers, tokens].find((query) => query.isError);
  const source = SOURCES.find(({ value }) => draft.data === `source:${value}`);
  const dataset = draft.data.startsWith("dataset:") ? draft.data.slice("dataset:".length) : null;
  const own = datasets.data?.find((item) => item.id === dataset && !item.builtin);
  const ready = draft.data.startsWith("tokens:");
  const reused =
    dataset && draft.tokenizer ? shardsOf(tokens.data ?? [], dataset, draft.tokenizer) : undefined;
  const hint = source
    ? source.about
    : ready
      ? "Cut into tokens already: training begins at once."
      : reused
        ? "Cut with this tokenizer already: training begins at once."
        : "Cut into tokens first, then trained on.";

  return (
    <Card>
      <CardHeader title="Text and tokenizer" />
      {failed ? (
        <Failure
          className="mx-4 sm:mx-5"
          what="The workspace could not be read."
          error={failed.error}
          retry={() => void failed.refetch()}
        />
      ) : null}
      {datasets.isPending || tokenizers.isPending || tokens.isPending ? (
        <Skeleton className="m-4 h-16" />
      ) : (
        <div className="grid gap-4 px-4 pt-1 pb-4 sm:grid-cols-2 sm:px-5">
          <Field label="Text" htmlFor={`${id}-data`} hint={hint}>
            <div className="flex gap-1">
              <Select
                id={`${id}-data`}
                value={draft.data}
                aria-invalid={Boolean(problem)}
                onChange={(event) => onChange({ data: event.target.value })}
                className="flex-1"
              >
                {draft.data ? null : <option value="">Choose a text</option>}
                {tokens.data?.length ? (
                  <optgroup label="Ready to train on">
                    {tokens.data.map((item) => (
                      <option key={item.id} value={`tokens:${item.id}`}>
                        {wordsOf(item, datasets.data ?? [], tokenizers.data ?? [])}
                      </option>
                    ))}
                  </optgroup>
                ) : null}
                {datasets.data?.length ? (
                  <optgroup label="Your texts">
                    {datasets.data.map((item) => (
                      <option key={item.id} value={`dataset:${item.id}`}>
                        {item.name}
                        {sizeOf(item)}
                      </option>
                    ))}
                  </optgroup>
                ) : null}
                <optgroup label="Prepared here first">
                  {SOURCES.map((item) => (
                    <option key={item.value} value={`source:${item.value}`}>
                      {item.title}
                    </option>
                  ))}
                </optgroup>
              </Select>
              {own ? (
                <Button
                  look="ghost"
                  size="icon"
                  className="size-9"
                  aria-label={`Delete ${own.name}`}
                  title={`Delete ${own.name}`}
                  disabled={remove.isPending}
                  onClick={() => remove.mutate(own)}
                >
                  <Trash2 />
                </Button>
              ) : null}
            </div>
          </Field>
          {ready ? null : (
            <Field
              label="Tokenizer"
              htmlFor={`${id}-tokenizer`}
              hint={draft.tokenizer ? undefined : "Learned from the text above."}
            >
              <Select
                id={`${id}-tokenizer`}
                value={draft.tokenizer}
                onChange={(event) => onChange({ tokenizer: event.target.value })}
              >
                <option value="">Train one on this text</option>
                {tokenizers.data?.map((item) => (
                  <option key={item.id} value={item.id}>
                    {item.name}
                    {amount(item, "vocab_size", "tokens")}
                  </option>
                ))}
              </Select>
            </Field>
          )}
          {source?.value === "tinyworld" ? (
            <NumberField
              label="Stories to write"
              value={draft.documents}
              min={50}
              max={10_000_000}
              onChange={(documents) => onChange({ documents })}
            />
          ) : null}
          {ready || draft.tokenizer ? null : (
            <NumberField
              label="Tokens in its vocabulary"
              value={draft.vocabulary}
              min={257}
              max={1_000_000}
              onChange={(vocabulary) => onChange({ vocabulary })}
            />
          )}
          {problem ? <p className="text-sm text-bad sm:col-span-2">{problem}</p> : null}
          <div className="sm:col-span-2">
            <TextDrop onMade={select} />
          </div>
          <p className="text-xs text-pretty text-muted sm:col-span-2">
            A tokenizer can be tried out on the{" "}
            <Link href="/tokenizer/?tab=train" className="text-accent-ink underline underline-offset-4">
              Tokenizer page
            </Link>{" "}
            first.
          </p>
        </div>
      )}
    </Card>
  );
}

/** Token shards by what they were made of. */
function wordsOf(item: Artifact, datasets: readonly Artifact[], tokenizers: readonly Artifact[]): string {
  const named = (list: readonly Artifact[]) => list.find(({ id }) => item.parents.includes(id))?.name;
  const [data, tokenizer] = [named(datasets), named(tokenizers)];
  const size = amount(item, "train_tokens", "tokens");
  return data ? `${data}${tokenizer ? ` with ${tokenizer}` : ""}${size}` : `${item.name}${size}`;
}
