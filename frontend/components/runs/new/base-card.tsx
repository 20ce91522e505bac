"use client";

import { useId } from "react";

import { Card, CardHeader } from "@/components/ui/card";
import { Field, Select } from "@/components/ui/field";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { formatShort } from "@/lib/format";
import { useModels } from "@/lib/queries";
import type { Draft } from "@/lib/run-draft";
import { useArtifacts } from "@/lib/run-queries";

/** What is fine-tuned: a model of the workspace, and the conversations that it learns to answer from. */
export function BaseCard({
  draft,
  problems,
  onChange,
}: {
  draft: Draft;
  problems: Readonly<Record<string, string>>;
  onChange: (changes: Partial<Draft>) => void;
}) {
  const models = useModels();
  const datasets = useArtifacts("dataset");
  const id = useId();
  const failed = [models, datasets].find((query) => query.isError);
  const spoken = datasets.data?.filter((item) => Number(item.summary["conversations"] ?? 0) > 0) ?? [];

  return (
    <Card>
      <CardHeader title="Model and conversations" />
      {failed ? (
        <Failure
          className="mx-4 sm:mx-5"
          what="The workspace could not be read."
          error={failed.error}
          retry={() => void failed.refetch()}
        />
      ) : null}
      {models.isPending || datasets.isPending ? (
        <Skeleton className="m-4 h-16" />
      ) : (
        <div className="grid gap-4 px-4 pt-1 pb-4 sm:grid-cols-2 sm:px-5">
          <Field label="Model to fine-tune" htmlFor={`${id}-model`} hint={problems["model"]}>
            <Select
              id={`${id}-model`}
              value={draft.model}
              aria-invalid={Boolean(problems["model"])}
              onChange={(event) => onChange({ model: event.target.value })}
            >
              {draft.model ? null : <option value="">Choose a model</option>}
              {models.data?.map((item) => (
                <option key={item.id} value={item.id}>
                  {item.name}
                  {item.parameters ? ` (${formatShort(item.parameters)})` : ""}
                </option>
              ))}
            </Select>
          </Field>
          <Field
            label="Conversations"
            htmlFor={`${id}-dataset`}
            hint={
              problems["dataset"] ??
              (spoken.length ? undefined : "No text here has conversations yet; tinyworld writes some.")
            }
          >
            <Select
              id={`${id}-dataset`}
              value={draft.dataset}
              aria-invalid={Boolean(problems["dataset"])}
              onChange={(event) => onChange({ dataset: event.target.value })}
            >
              {draft.dataset ? null : <option value="">Choose a text with conversations</option>}
              {spoken.map((item) => (
                <option key={item.id} value={item.id}>
                  {item.name}, {formatShort(Number(item.summary["conversations"]))} conversations
                </option>
              ))}
            </Select>
          </Field>
        </div>
      )}
    </Card>
  );
}
