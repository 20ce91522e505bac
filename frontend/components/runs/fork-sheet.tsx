"use client";

import { Play } from "lucide-react";
import dynamic from "next/dynamic";
import { useRouter } from "next/navigation";
import { useId, useMemo, useState } from "react";

import { ConfigForm } from "@/components/config-form/config-form";
import { fieldsOf, labelOf, type FormField, type Schema } from "@/components/config-form/schema";
import { NumberField } from "@/components/tokenizer/number-field";
import { Button } from "@/components/ui/button";
import { Dialog, SheetContent } from "@/components/ui/dialog";
import { Field, Input } from "@/components/ui/field";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { ApiError } from "@/lib/api";
import { withChange } from "@/lib/architecture-config";
import { useRested } from "@/lib/architecture-queries";
import type { Config } from "@/lib/architecture-types";
import { type Checkpoint, useFork } from "@/lib/checkpoint-queries";
import { changedConfig, firstChanges, forkRequest, trainingOf, trainingProblems } from "@/lib/fork-draft";
import { formatLoss, formatMetric, formatNumber } from "@/lib/format";
import { usePreview, useStage } from "@/lib/run-queries";
import type { PreviewRequest, RunPreview } from "@/lib/run-types";
import type { Run } from "@/lib/types";
import { runHref } from "@/lib/utils";

import type { Mark } from "./chart-lines";
import { settingText } from "./compare/compared-table";
import { idleTraining, WORDS } from "./new/training-card";

const LineChart = dynamic(() => import("./line-chart"), {
  ssr: false,
  loading: () => <Skeleton className="m-4 h-36" />,
});
const REST_MS = 150;
const OPEN = ["Length and batch", "Learning rate"];

/** Another run from a checkpoint: its settings beside those of its source, and what they come to. */
export function ForkSheet({
  run,
  checkpoint,
  onClose,
}: {
  run: Run;
  checkpoint: Checkpoint;
  onClose: () => void;
}) {
  const stage = useStage(run.stage);
  const fields = useMemo(() => {
    const all = stage.data ? fieldsOf(stage.data.config_schema as Schema) : [];
    return all.find(({ name }) => name === "training")?.fields ?? null;
  }, [stage.data]);
  const step = formatNumber(checkpoint.step);
  return (
    <Dialog open onOpenChange={(open) => !open && onClose()}>
      <SheetContent
        title={`Fork from step ${step}`}
        description={`A new run goes on from there${
          checkpoint.val_loss === null ? "" : `, at a validation loss of ${formatLoss(checkpoint.val_loss)}`
        }. ${run.name} stays as it is.`}
        className="max-w-xl gap-0 p-0 [&>div:first-child]:px-5 [&>div:first-child]:pt-5 [&>div:first-child]:pb-3"
      >
        {stage.isError ? (
          <Failure
            className="m-5"
            what="The settings could not be read."
            error={stage.error}
            retry={() => void stage.refetch()}
          />
        ) : null}
        {fields ? (
          <Draft run={run} step={checkpoint.step} fields={fields} />
        ) : stage.isError ? null : (
          <Skeleton className="m-5 h-96" />
        )}
      </SheetContent>
    </Dialog>
  );
}

function Draft({ run, step, fields }: { run: Run; step: number; fields: readonly FormField[] }) {
  const router = useRouter();
  const id = useId();
  const before = useMemo(() => trainingOf(run, fields), [run, fields]);
  const [changes, setChanges] = useState<Config>(() => firstChanges(before, step));
  const [name, setName] = useState("");
  const [seed, setSeed] = useState(run.seed);
  const fork = useFork(run, (made) => router.push(runHref(made.id)));
  const training = { ...before, ...changes };

  const asked = JSON.stringify({ stage: run.stage, config: changedConfig(run, changes), seed });
  const rested = useRested(asked, REST_MS);
  const preview = usePreview(useMemo(() => JSON.parse(rested ?? asked) as PreviewRequest, [rested, asked]));
  const source = usePreview(
    useMemo(() => ({ stage: run.stage, config: changedConfig(run, {}), seed: run.seed }), [run]),
  );
  const refused = fork.error instanceof ApiError ? fork.error.problems : [];
  const problems = trainingProblems([...(preview.data?.problems ?? []), ...refused], training, step);
  const general = problems[""];
  const elsewhere = (preview.data?.problems ?? []).filter(({ field }) => !field.startsWith("training"));
  const current = preview.data && !preview.isPlaceholderData && asked === rested;
  const changed = Object.keys(changes);

  return (
    <>
      <div className="flex min-h-0 flex-1 flex-col overflow-y-auto border-t">
        <div className="grid gap-4 px-5 py-4 sm:grid-cols-[1fr_8rem]">
          <Field label="Name" htmlFor={`${id}-name`}>
            <Input
              id={`${id}-name`}
              value={name}
              maxLength={200}
              placeholder={`${run.name.replace(/, from step \d+$/, "")}, from step ${step}`}
              onChange={(event) => setName(event.target.value)}
            />
          </Field>
          <NumberField label="Seed" value={seed} onChange={setSeed} />
        </div>
        <div className="border-t">
          <RatePicture preview={preview.data} source={source.data} step={step} />
        </div>
        {general || elsewhere.length ? (
          <Failure
            className="mx-5 my-3"
            what="This does not go together."
            error={new Error([general, ...elsewhere.map(({ message }) => message)].filter(Boolean).join(" "))}
          />
        ) : null}
        <div className="border-t">
          <ConfigForm
            name={`${id}-fork`}
            fields={fields}
            values={training}
            base={before}
            problems={problems}
            idle={idleTraining(training)}
            words={WORDS}
            open={OPEN}
            onChange={(field, value) => {
              fork.reset();
              setChanges((known) => withChange(before, known, field, value));
            }}
          />
        </div>
      </div>
      <div className="flex flex-col gap-3 border-t bg-surface px-5 py-3">
        {fork.isError && !refused.length ? (
          <Failure what="The fork could not be started." error={fork.error} />
        ) : null}
        <div className="flex items-center gap-4">
          <Changes before={before} changes={changes} names={changed} reseeded={seed !== run.seed} />
          <Button
            look="primary"
            className="ml-auto"
            disabled={!current || Object.keys(problems).length > 0 || fork.isPending || fork.isSuccess}
            onClick={() => fork.mutate(forkRequest(run, step, { changes, name, seed }))}
          >
            <Play aria-hidden /> Start the fork
          </Button>
        </div>
      </div>
    </>
  );
}

/** What differs, the old value beside the new one. */
function Changes({
  before,
  changes,
  names,
  reseeded,
}: {
  before: Config;
  changes: Config;
  names: readonly string[];
  reseeded: boolean;
}) {
  if (!names.length && !reseeded) {
    return (
      <p className="text-sm text-pretty text-muted">
        Nothing is changed yet: it would give the same numbers once more.
      </p>
    );
  }
  return (
    <ul aria-label="What is changed" className="max-h-24 min-w-0 overflow-y-auto text-sm figures">
      {names.map((name) => (
        <li key={name} className="flex flex-wrap items-baseline gap-x-1.5">
          <span>{labelOf(name)}</span>
          <s className="text-muted">{settingText(before[name])}</s>
          <span aria-hidden className="text-muted">
            →
          </span>
          <span className="font-medium">{settingText(changes[name])}</span>
        </li>
      ))}
      {reseeded ? <li>Another order of the data, by the seed</li> : null}
    </ul>
  );
}

const NO_POINTS: RunPreview["schedule"] = [];

/** The learning rate of the fork over that of its source, which stays faint. */
function RatePicture({
  preview,
  source,
  step,
}: {
  preview: RunPreview | undefined;
  source: RunPreview | undefined;
  step: number;
}) {
  const [now, old] = [preview?.schedule ?? NO_POINTS, source?.schedule ?? NO_POINTS];
  const marks = useMemo(
    (): Mark[] => [{ step, kind: "checkpoint", label: `the fork begins at ${formatNumber(step)}` }],
    [step],
  );
  const curve = (points: RunPreview["schedule"]) => ({
    steps: points.map((point) => point.step),
    values: points.map((point) => point.rate),
  });
  const own = now.filter((point) => point.step >= step);
  return (
    <LineChart
      title="Learning rate"
      unit="of the source faint"
      file="fork-learning-rate"
      lines={[
        {
          name: "train/lr",
          label: "Fork",
          colour: "--chart-3",
          curve: curve(own),
          ghosts: [curve(old)],
        },
      ]}
      version={[...own, ...old].reduce((sum, point) => sum + point.step * 31 + point.rate, own.length)}
      height={150}
      marks={marks}
      empty="Its settings are not right yet."
      format={formatMetric}
    />
  );
}
