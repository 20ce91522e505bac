"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Scissors } from "lucide-react";
import Link from "next/link";
import { useEffect, useId, useState } from "react";

import { StateBadge } from "@/components/state-badge";
import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { Field, Input, Select } from "@/components/ui/field";
import { ProgressBar } from "@/components/ui/progress";
import { Skeleton } from "@/components/ui/skeleton";
import { Empty, Failure } from "@/components/ui/states";
import { showError, useRunActions } from "@/lib/actions";
import { api } from "@/lib/api";
import { formatNumber } from "@/lib/format";
import { applyRun, useFollow, useRun, useRuns } from "@/lib/queries";
import { shareDone } from "@/lib/run-view";
import { DATASETS, TOKENIZERS, useDatasets } from "@/lib/tokenizer-queries";
import {
  messageOf,
  PATTERNS,
  type Plan,
  PREPARE,
  PREPARED,
  requestOf,
  TIE_BREAKS,
  trainsTokenizer,
} from "@/lib/tokenizer-training";
import { isAlive, type RunDetail } from "@/lib/types";
import { runHref } from "@/lib/utils";

import type { LabProps } from "./lab";
import { NumberField } from "./number-field";
import { ReplayView } from "./replay-view";
import { Switch } from "./switch";
import { TokenizerSelect } from "./tokenizer-select";

const LARGEST = 1_000_000;

export function TrainTab({ tokenizers, query, onQuery }: LabProps) {
  const runs = useRuns();
  const followed =
    query.get("run") ?? runs.data?.find((run) => trainsTokenizer(run) && isAlive(run))?.id ?? null;
  const traced = tokenizers.filter((item) => item.has_trace);
  const shown = traced.find(({ id }) => id === query.get("tokenizer")) ?? traced[0];

  return (
    <div className="grid items-start gap-4 lg:grid-cols-12">
      <div className="flex min-w-0 flex-col gap-4 lg:sticky lg:top-18 lg:col-span-4">
        <PlanForm onStarted={(run) => onQuery({ run, tokenizer: null })} />
        {followed ? (
          <Followed
            id={followed}
            onMade={(tokenizer) => onQuery({ tokenizer, run: null })}
            onForget={() => onQuery({ run: null })}
          />
        ) : null}
      </div>
      <div className="min-w-0 lg:col-span-8">
        {shown ? (
          <Card className="overflow-hidden">
            <CardHeader title="Replay of a training">
              <TokenizerSelect
                id="tokenizer"
                label="Tokenizer to replay"
                value={shown.id}
                tokenizers={traced}
                onChange={(tokenizer) => onQuery({ tokenizer })}
                className="w-52"
              />
            </CardHeader>
            <ReplayView key={shown.id} tokenizer={shown.id} />
          </Card>
        ) : (
          <Card>
            <Empty icon={<Scissors aria-hidden />} title="No training to replay yet">
              Train a tokenizer, and scrub through its merges here: watch a sentence fall from single bytes
              into words, one merge at a time, each with its count and the pair that came second.
            </Empty>
          </Card>
        )}
      </div>
    </div>
  );
}

function PlanForm({ onStarted }: { onStarted: (run: string) => void }) {
  const client = useQueryClient();
  const datasets = useDatasets();
  const prefix = useId();
  const [plan, setPlan] = useState<Plan>({
    data: "",
    vocab_size: 1024,
    pattern: "gpt2",
    tie_break: "hf",
    chat: false,
    name: "My tokenizer",
  });
  const set = (changes: Partial<Plan>) => setPlan((now) => ({ ...now, ...changes }));
  const data = plan.data || datasets.data?.[0]?.id || `${PREPARE}python-docs`;
  const start = useMutation({
    mutationFn: () => api.startRun(requestOf({ ...plan, data })),
    onSuccess: (run) => {
      applyRun(client, run);
      onStarted(run.id);
    },
    onError: (error) => showError("The training could not be started.", error),
  });
  const hintOf = (list: readonly { value: string; about: string }[], value: string) =>
    list.find((item) => item.value === value)?.about;

  return (
    <Card>
      <CardHeader title="Train a tokenizer" />
      <form
        className="flex flex-col gap-4 px-4 pt-2 pb-5 sm:px-5"
        onSubmit={(event) => {
          event.preventDefault();
          if (!start.isPending) start.mutate();
        }}
      >
        <Field label="Text" htmlFor={`${prefix}data`}>
          {datasets.isPending ? (
            <Skeleton className="h-9" />
          ) : (
            <Select id={`${prefix}data`} value={data} onChange={(event) => set({ data: event.target.value })}>
              {datasets.data?.length ? (
                <optgroup label="Data sets">
                  {datasets.data.map((item) => (
                    <option key={item.id} value={item.id}>
                      {item.name}
                    </option>
                  ))}
                </optgroup>
              ) : null}
              <optgroup label="Prepare first">
                {PREPARED.map(({ source, name, about }) => (
                  <option key={source} value={`${PREPARE}${source}`}>
                    {name} ({about})
                  </option>
                ))}
              </optgroup>
            </Select>
          )}
        </Field>
        <div className="grid grid-cols-2 gap-4">
          <NumberField
            label="Vocabulary size"
            value={plan.vocab_size}
            min={257}
            max={LARGEST}
            onChange={(vocab_size) => set({ vocab_size })}
          />
          <Field label="Name" htmlFor={`${prefix}name`}>
            <Input
              id={`${prefix}name`}
              value={plan.name}
              maxLength={100}
              onChange={(event) => set({ name: event.target.value })}
            />
          </Field>
        </div>
        <Field label="Pattern" htmlFor={`${prefix}pattern`} hint={hintOf(PATTERNS, plan.pattern)}>
          <Select
            id={`${prefix}pattern`}
            value={plan.pattern}
            onChange={(event) => set({ pattern: event.target.value })}
          >
            {PATTERNS.map(({ value, name }) => (
              <option key={value} value={value}>
                {name}
              </option>
            ))}
          </Select>
        </Field>
        <Field label="Ties go to" htmlFor={`${prefix}ties`} hint={hintOf(TIE_BREAKS, plan.tie_break)}>
          <Select
            id={`${prefix}ties`}
            value={plan.tie_break}
            onChange={(event) => set({ tie_break: event.target.value })}
          >
            {TIE_BREAKS.map(({ value, name }) => (
              <option key={value} value={value}>
                {name}
              </option>
            ))}
          </Select>
        </Field>
        <div className="flex flex-wrap items-center justify-between gap-3">
          <Switch
            label="Chat markers"
            checked={plan.chat}
            onChange={(chat) => set({ chat })}
            about="Adds the special tokens and the template that a chat model needs."
          />
          <Button type="submit" look="primary" disabled={start.isPending}>
            Train
          </Button>
        </div>
      </form>
    </Card>
  );
}

/** The run that trains, until its tokenizer is there. */
function Followed({
  id,
  onMade,
  onForget,
}: {
  id: string;
  onMade: (tokenizer: string) => void;
  onForget: () => void;
}) {
  const client = useQueryClient();
  const run = useRun(id);
  useFollow(id);
  const made = run.data?.state === "finished" ? run.data.output : null;
  useEffect(() => {
    if (!made) return;
    void client.invalidateQueries({ queryKey: DATASETS });
    void client.invalidateQueries({ queryKey: TOKENIZERS }).then(() => onMade(made));
    // eslint-disable-next-line react-hooks/exhaustive-deps -- once for each result
  }, [client, made]);
  if (run.isError) {
    return <Failure what="The run could not be read." error={run.error} retry={() => void run.refetch()} />;
  }
  if (!run.data) return <Skeleton className="h-32 rounded-xl" />;
  return <Progress run={run.data} onForget={onForget} />;
}

function Progress({ run, onForget }: { run: RunDetail; onForget: () => void }) {
  const actions = useRunActions();
  const at = run.children.findLast((child) => child.state === "running") ?? run;
  const { done, total, unit } = at.progress;
  return (
    <Card className="flex flex-col gap-3 p-4 sm:p-5">
      <div className="flex items-center gap-2">
        <Link href={runHref(run.id)} className="min-w-0 truncate rounded-sm font-semibold hover:underline">
          {run.name}
        </Link>
        <span className="ml-auto">
          <StateBadge state={run.state} />
        </span>
      </div>
      {isAlive(run) ? (
        <>
          <ProgressBar value={shareDone(at)} label={`Progress of ${run.name}`} />
          <div className="flex items-center justify-between gap-3">
            <p className="min-w-0 text-sm text-muted figures" aria-live="polite">
              <span className="block first-letter:uppercase">{messageOf(run) || "starting"}</span>
              {done ? `${formatNumber(done)}${total ? ` of ${formatNumber(total)}` : ""} ${unit}` : " "}
            </p>
            <Button
              size="sm"
              disabled={run.state === "stopping" || actions.stop.isPending}
              onClick={() => actions.stop.mutate(run)}
            >
              Stop
            </Button>
          </div>
        </>
      ) : run.state === "finished" ? (
        <p className="text-sm text-muted">Its tokenizer is ready.</p>
      ) : (
        <>
          <p className="text-sm break-words">{run.error?.message ?? "It made no tokenizer."}</p>
          <Button size="sm" className="self-start" onClick={onForget}>
            Close
          </Button>
        </>
      )}
    </Card>
  );
}
