"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Play } from "lucide-react";
import { useRouter } from "next/navigation";
import { useEffect, useId, useMemo, useState } from "react";
import { toast } from "sonner";

import { useBase } from "@/components/architecture/use-design";
import { defaultsOf, fieldsOf, type FormField, type Schema } from "@/components/config-form/schema";
import { Page } from "@/components/shell/app-shell";
import { NumberField } from "@/components/tokenizer/number-field";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { Field, Input } from "@/components/ui/field";
import { Failure } from "@/components/ui/states";
import { Choice } from "@/components/ui/toggle-group";
import { showError } from "@/lib/actions";
import { api } from "@/lib/api";
import { problemsAt } from "@/lib/architecture-config";
import { useRested } from "@/lib/architecture-queries";
import { applyRun } from "@/lib/queries";
import {
  HERE,
  type Place,
  type PlannedChoice,
  planRequest,
  settingsOf,
  type TrainingPlan,
} from "@/lib/run-plan";
import { problemsOf, requestOf, shapeChanges, type TrainedStage } from "@/lib/run-draft";
import { useArtifacts, usePreview, useStage } from "@/lib/run-queries";
import type { PreviewRequest } from "@/lib/run-types";
import { runHref } from "@/lib/utils";

import { ArchitectureCard } from "./architecture-card";
import { BaseCard } from "./base-card";
import { CommandCard } from "./command-card";
import { DataCard } from "./data-card";
import { FitDialog } from "./fit-dialog";
import { PlanCard, PlanStrip } from "./plan-card";
import { TrainingCard } from "./training-card";
import { useDraft } from "./use-draft";
import { useAskPlan } from "./use-plan";

const REST_MS = 150;
/** Settings of a stage that have a place of their own on the page. */
const PLACED = ["tokens", "preset", "model", "dataset", "training", "name"];
const NOTHING: readonly FormField[] = [];

/** Put a training together, see what it comes to while the hand is still on the key, and start it. */
export function NewRun() {
  const router = useRouter();
  const client = useQueryClient();
  const { draft, change } = useDraft();
  const [place, setPlace] = useState<Place>({ device: HERE, devices: null });
  const [doubted, setDoubted] = useState<TrainingPlan | null>(null);
  const askPlan = useAskPlan();
  const stage = useStage(draft.stage);
  const tokens = useArtifacts("tokens");
  const found = useBase(draft.from);
  const id = useId();

  const fields = useMemo(
    () => (stage.data?.name === draft.stage ? fieldsOf(stage.data.config_schema as Schema) : null),
    [stage.data, draft.stage],
  );
  const training = fields?.find(({ name }) => name === "training")?.fields ?? null;
  const other = fields?.filter(({ name }) => !PLACED.includes(name)) ?? NOTHING;

  // The newest text that is ready is what most people mean; with none, the program writes one.
  const newest = tokens.data?.[0];
  const unchosen = draft.stage === "pretrain" && !draft.data && tokens.isSuccess;
  useEffect(() => {
    if (unchosen) change({ data: newest ? `tokens:${newest.id}` : "source:tinyworld" });
  }, [unchosen, newest, change]);

  const shape = useMemo(
    () => shapeChanges(draft.from, found.config, draft.changes, defaultsOf(found.fields)),
    [draft.from, draft.changes, found.config, found.fields],
  );
  const started = useMemo(() => requestOf(draft, tokens.data ?? [], shape), [draft, tokens.data, shape]);
  const complete = tokens.isSuccess && !unchosen && (draft.stage === "sft" || found.config !== null);
  const { stage: runs, config, seed } = started.body;
  const asked = complete ? JSON.stringify({ stage: runs, config, seed }) : null;
  const rested = useRested(asked, REST_MS);
  const preview = usePreview(
    useMemo(() => (rested ? (JSON.parse(rested) as PreviewRequest) : null), [rested]),
  );
  const current = preview.data && !preview.isPlaceholderData && asked === rested;

  const problems = useMemo(() => {
    const listed = problemsOf(preview.data?.problems ?? [], started.prefix);
    const within = (part: string, names: readonly FormField[]) =>
      problemsAt(
        {
          message: "",
          field: null,
          problems: listed
            .filter(({ field }) => field === part || field.startsWith(`${part}.`))
            .map(({ field, message }) => ({ field: field.slice(part.length + 1), message })),
        },
        new Set(names.map(({ name }) => name)),
      );
    const at = (name: string) => listed.find(({ field }) => field === name)?.message;
    const own = [...other.map(({ name }) => name), "tokens", "model", "dataset", "training"];
    return {
      count: listed.length,
      training: listed.some(({ field }) => field.startsWith("training"))
        ? within("training", training ?? [])
        : {},
      shape:
        draft.stage === "pretrain" && listed.some(({ field }) => field.startsWith("model"))
          ? within("model", found.fields)
          : {},
      data: at("tokens"),
      base: Object.fromEntries(
        (["model", "dataset"] as const).flatMap((name) =>
          at(name) ? [[name, draft[name] ? sentence(at(name)!) : "Choose one."]] : [],
        ),
      ),
      other: Object.fromEntries(other.flatMap(({ name }) => (at(name) ? [[name, sentence(at(name)!)]] : []))),
      elsewhere: listed
        .filter(({ field }) => !own.includes(field.split(".")[0] ?? ""))
        .map(({ field, message }) => (field ? `${field}: ${message}` : message)),
    };
  }, [preview.data, started.prefix, training, other, found.fields, draft]);

  const train = useMutation({
    mutationFn: () => api.startRun(started.body),
    onSuccess: (run) => {
      applyRun(client, run);
      router.push(runHref(run.id));
    },
    onError: (error) => showError("The run could not be started.", error),
  });
  // It runs on this machine, wherever it was thought to.
  const check = useMutation({
    mutationFn: async () => {
      const body = planRequest(preview.data, { device: HERE, devices: null });
      return body ? await askPlan(body) : null;
    },
    onSuccess: (plan) => (plan && !plan.fits ? setDoubted(plan) : train.mutate()),
    onError: () => train.mutate(), // the run itself looks again, and says what is wrong
  });
  const use = (choice: PlannedChoice) => {
    const { training: before } = draft;
    change({ training: { ...before, ...settingsOf(choice) } });
    toast("The training was changed to what fits.", {
      action: { label: "Undo", onClick: () => change({ training: before }) },
      duration: 10_000,
    });
  };
  const before = started.before.length
    ? `First ${listed(started.before.map((name) => BEFORE[name] ?? name))}, then trains.`
    : null;

  return (
    <Page
      title="New run"
      note="Choose what to train and how; see what it comes to before it starts."
      actions={
        <>
          <span role="status" className="text-sm text-muted">
            {problems.count && preview.data
              ? `${problems.count} ${problems.count === 1 ? "setting is" : "settings are"} not right yet`
              : before}
          </span>
          <Button
            look="primary"
            disabled={!current || problems.count > 0 || check.isPending || train.isPending || train.isSuccess}
            onClick={() => check.mutate()}
          >
            <Play aria-hidden /> Train
          </Button>
        </>
      }
    >
      {stage.isError ? (
        <Failure
          what="The settings could not be read."
          error={stage.error}
          retry={() => void stage.refetch()}
        />
      ) : null}
      {preview.isError ? (
        <Failure
          what="The run could not be checked."
          error={preview.error}
          retry={() => void preview.refetch()}
        />
      ) : null}
      {problems.elsewhere.length ? (
        <Failure
          what="This does not go together."
          error={new Error(problems.elsewhere.map(sentence).join(" "))}
        />
      ) : null}
      <div className="grid items-start gap-4 lg:grid-cols-12">
        <div className="flex min-w-0 flex-col gap-4 lg:col-span-7">
          <Card className="grid gap-4 p-4 sm:grid-cols-[auto_1fr_8rem] sm:px-5">
            <div className="flex flex-col gap-1.5">
              <span className="text-sm font-medium">What to do</span>
              <Choice<TrainedStage>
                label="What to do"
                value={draft.stage}
                onChange={(next) => change({ stage: next, training: {}, other: {} })}
                options={[
                  { value: "pretrain", label: "Pre-train" },
                  { value: "sft", label: "Fine-tune" },
                ]}
                className="self-start"
              />
            </div>
            <Field label="Name of the model" htmlFor={`${id}-name`}>
              <Input
                id={`${id}-name`}
                value={draft.name}
                maxLength={100}
                placeholder={draft.stage === "sft" ? "chat model" : "base model"}
                onChange={(event) => change({ name: event.target.value })}
              />
            </Field>
            <NumberField label="Seed" value={draft.seed} onChange={(next) => change({ seed: next })} />
          </Card>
          {draft.stage === "pretrain" ? (
            <>
              <DataCard draft={draft} problem={problems.data} onChange={change} />
              <ArchitectureCard
                draft={draft}
                base={found.config}
                fields={found.fields}
                error={found.error}
                retry={found.retry}
                problems={problems.shape}
                general={problems.shape[""]}
                onChange={change}
              />
            </>
          ) : (
            <BaseCard draft={draft} problems={problems.base} onChange={change} />
          )}
          <TrainingCard
            title="Training"
            name="training"
            fields={training}
            changes={draft.training}
            problems={problems.training}
            general={problems.training[""]}
            open={["Length and batch", "Learning rate"]}
            onChange={(next) => change({ training: next })}
          />
          {other.length ? (
            <TrainingCard
              title="Other settings"
              name="other"
              fields={other}
              changes={draft.other}
              problems={problems.other}
              open={[]}
              onChange={(next) => change({ other: next })}
            />
          ) : null}
        </div>
        <div className="flex min-w-0 flex-col gap-4 lg:sticky lg:top-18 lg:col-span-5">
          <PlanCard
            preview={preview.data}
            current={Boolean(current)}
            place={place}
            onPlace={setPlace}
            onUse={use}
          />
          <CommandCard preview={preview.data} />
        </div>
      </div>
      <PlanStrip preview={preview.data} place={place} />
      <FitDialog
        plan={doubted}
        onClose={() => setDoubted(null)}
        onUse={(choice) => {
          setDoubted(null);
          use(choice);
        }}
        onTrain={() => {
          setDoubted(null);
          train.mutate();
        }}
      />
    </Page>
  );
}

const BEFORE: Record<string, string> = {
  data: "prepares the text",
  tokenizer: "trains the tokenizer",
  tokens: "cuts the text into tokens",
};

const listed = (words: readonly string[]): string =>
  words.length > 1 ? `${words.slice(0, -1).join(", ")} and ${words.at(-1)}` : (words[0] ?? "");

const sentence = (text: string): string => {
  const whole = /[.!?]$/.test(text) ? text : `${text}.`;
  return whole.charAt(0).toUpperCase() + whole.slice(1);
};
