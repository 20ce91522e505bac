"use client";

import { ArrowLeft, MessageCircle, Play, Square, Trash2 } from "lucide-react";
import Link from "next/link";
import { useRouter, useSearchParams } from "next/navigation";
import type { ReactNode } from "react";

import { Road } from "@/components/road";
import { Page } from "@/components/shell/app-shell";
import { StateBadge } from "@/components/state-badge";
import { Ago, Took } from "@/components/time";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { Select } from "@/components/ui/field";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { useRunActions } from "@/lib/actions";
import { ApiError } from "@/lib/api";
import { formatNumber } from "@/lib/format";
import { useFollow, useModels, useRun } from "@/lib/queries";
import { roadOf, type StationKind } from "@/lib/road";
import { activeChild, hasCurves, interval, stageTitle } from "@/lib/run-view";
import { isAlive, type Run, type RunDetail } from "@/lib/types";
import { chatHref, runHref } from "@/lib/utils";

import { CheckpointsCard } from "./checkpoints-card";
import { Ended } from "./ended";
import { ImportedView } from "./imported-view";
import { LineageCard } from "./lineage-card";
import { Records } from "./records";
import { ScoreFigure } from "./score-figure";
import { StepView } from "./step-view";
import { TrainingView } from "./training-view";

export function RunPage({ id }: { id: string }) {
  const run = useRun(id);
  useFollow(run.data ? id : null);
  if (run.isPending) return <Loading />;
  if (!run.data) {
    const gone = run.error instanceof ApiError && run.error.status === 404;
    return (
      <Page title={gone ? "This run is not here" : "Run"}>
        <Failure
          what={
            gone ? "It may have been deleted, or belong to another workspace." : "The run could not be read."
          }
          error={run.error}
          retry={gone ? undefined : () => void run.refetch()}
        />
        <Button asChild className="self-start">
          <Link href="/runs/">
            <ArrowLeft aria-hidden /> All runs
          </Link>
        </Button>
      </Page>
    );
  }
  return <RunBody run={run.data} />;
}

const KIND_OF_STAGE: Record<string, StationKind> = {
  "data.prepare": "text",
  "tokenizer.train": "tokenizer",
  "data.tokenize": "tokenizer",
  pretrain: "pretrain",
  sft: "sft",
  evaluate: "score",
};

function RunBody({ run }: { run: RunDetail }) {
  const router = useRouter();
  const wanted = useSearchParams().get("step");
  const isRecipe = run.stage === "recipe";
  const shown: Run | null = isRecipe
    ? (run.children.find((child) => child.id === wanted || child.step === wanted) ??
      activeChild(run.children))
    : run;
  const open = (child: Run) =>
    router.replace(runHref(run.id, { step: child.step ?? child.id }), { scroll: false });
  const score = interval(run.summary["exact_match"]);

  return (
    <Page
      title={run.name}
      note={
        <span className="flex flex-wrap items-center gap-x-3 gap-y-1">
          <StateBadge state={run.state} />
          <span>{stageTitle(run.stage)}</span>
          <span>
            started <Ago at={run.started_at ?? run.created_at} />
          </span>
          <span>
            took <Took run={run} />
          </span>
          {run.attempt > 1 ? <span>attempt {run.attempt}</span> : null}
          {run.tags.map((tag) => (
            <Badge key={tag}>{tag}</Badge>
          ))}
          {run.parent ? <Origin href={runHref(run.parent)}>part of a recipe</Origin> : null}
          {run.forked_from ? (
            <Origin href={runHref(run.forked_from.run)}>
              forked from {run.forked_from.name} at step {formatNumber(run.forked_from.step)}
            </Origin>
          ) : null}
        </span>
      }
      actions={<Actions run={run} />}
    >
      <Ended run={run} />
      {isRecipe ? (
        <Card className="px-2 py-4 sm:px-4">
          <Road
            stations={roadOf(run, run.children)}
            selected={shown ? KIND_OF_STAGE[shown.stage] : null}
            onSelect={(station) => station.run && open(station.run)}
            chatHref={run.state === "finished" && run.output ? chatHref(run.output) : null}
            label="Steps of this recipe"
          />
        </Card>
      ) : null}
      {score ? <ScoreFigure summary={run.stage === "recipe" ? withKinds(run) : run.summary} /> : null}
      {isRecipe && run.children.length ? (
        <div className="mt-2 flex flex-wrap items-center gap-x-3 gap-y-2">
          <h2 className="text-lg font-semibold">{shown ? shown.name : "Steps"}</h2>
          {shown ? <StateBadge state={shown.state} /> : null}
          <Select
            aria-label="Step of the recipe"
            value={shown?.id ?? ""}
            onChange={(event) => {
              const child = run.children.find((item) => item.id === event.target.value);
              if (child) open(child);
            }}
            className="ml-auto max-sm:ml-0 max-sm:w-full"
          >
            {run.children.map((child, place) => (
              <option key={child.id} value={child.id}>
                {place + 1}. {child.name}
              </option>
            ))}
          </Select>
        </div>
      ) : null}
      {shown ? <Viewed key={shown.id} run={shown} recipe={isRecipe ? run : null} /> : null}
      {isRecipe && !run.children.length && isAlive(run) ? (
        <p className="py-8 text-center text-muted">The first step is about to begin.</p>
      ) : null}
    </Page>
  );
}

/** What a run belongs to or comes from, in its head. */
function Origin({ href, children }: { href: string; children: ReactNode }) {
  return (
    <Link
      href={href}
      className="text-accent-ink underline decoration-current/40 underline-offset-4 hover:decoration-current"
    >
      {children}
    </Link>
  );
}

/** A recipe's figures with the kinds of questions, which its scoring step has. */
function withKinds(run: RunDetail): Record<string, unknown> {
  const scored = run.children.findLast((child) => child.summary["by_kind"] !== undefined);
  return { ...run.summary, by_kind: scored?.summary["by_kind"] };
}

/** One stage's run: curves where it trains, else how far it is and what came of it. */
function Viewed({ run, recipe }: { run: Run; recipe: Run | null }) {
  useFollow(recipe && isAlive(run) ? run.id : null);
  return (
    <>
      {recipe && run.state !== "finished" && run.error && run.error.message !== recipe.error?.message ? (
        <Ended run={run} quiet />
      ) : null}
      {run.stage === "imported" ? (
        <ImportedView run={run} />
      ) : hasCurves(run) ? (
        <TrainingView run={run} />
      ) : (
        <StepView
          run={run}
          scoreShown={recipe === null || interval(recipe.summary["exact_match"]) !== null}
        />
      )}
      {hasCurves(run) ? <CheckpointsCard run={run} /> : null}
      <LineageCard run={run} />
      <Records run={run} recipe={recipe} />
    </>
  );
}

function Actions({ run }: { run: RunDetail }) {
  const { stop, resume, remove } = useRunActions();
  const models = useModels();
  const alive = isAlive(run);
  const model = models.data?.find((item) => item.id === run.output);
  return (
    <>
      {alive ? (
        <Button
          onClick={() => stop.mutate(run)}
          disabled={run.state === "stopping" || stop.isPending}
          title="Saves what was learned, then ends; it can be resumed"
        >
          <Square aria-hidden /> {run.state === "stopping" ? "Stopping" : "Stop"}
        </Button>
      ) : (
        <Button
          look="ghost"
          onClick={() => remove.mutate(run)}
          disabled={remove.isPending}
          className="max-sm:order-last"
        >
          <Trash2 aria-hidden /> Delete
        </Button>
      )}
      {!alive && run.resumable ? (
        <Button look="primary" onClick={() => resume.mutate(run)} disabled={resume.isPending}>
          <Play aria-hidden /> Resume
        </Button>
      ) : null}
      {model ? (
        <Button asChild look="primary">
          <Link href={chatHref(model.id)}>
            <MessageCircle aria-hidden /> Chat with this model
          </Link>
        </Button>
      ) : null}
    </>
  );
}

function Loading() {
  return (
    <Page title={<Skeleton className="h-7 w-64" />} note={<Skeleton className="mt-1 h-5 w-80 max-w-full" />}>
      <span className="sr-only" role="status">
        Loading the run
      </span>
      <Skeleton className="h-40 rounded-xl" />
      <div className="grid gap-4 lg:grid-cols-12">
        <Skeleton className="h-96 rounded-xl lg:col-span-8" />
        <Skeleton className="h-96 rounded-xl lg:col-span-4" />
      </div>
    </Page>
  );
}
