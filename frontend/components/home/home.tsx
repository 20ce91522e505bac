"use client";

import { ArrowRight, MessageCircle, Play } from "lucide-react";
import Link from "next/link";

import { Road } from "@/components/road";
import { Page } from "@/components/shell/app-shell";
import { StateBadge } from "@/components/state-badge";
import { Ago } from "@/components/time";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { ProgressBar } from "@/components/ui/progress";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { useStartRecipe } from "@/lib/actions";
import { DASH, formatBytes, formatNumber, formatShort } from "@/lib/format";
import { useFollow, useHealth, useModels, useRecipes, useRun, useRuns } from "@/lib/queries";
import { plannedRoad, roadOf } from "@/lib/road";
import { isQuickstart, progressWords, shareDone } from "@/lib/run-view";
import { isAlive, type Model, type Run } from "@/lib/types";
import { chatHref, modelHref, runHref } from "@/lib/utils";

import { QuickstartButton } from "./quickstart-button";

export function Home() {
  return (
    <Page
      title="From raw text to a chat reply"
      note="Take a language model through its whole life on this computer. Nothing leaves it."
    >
      <Start />
      <div className="grid grid-cols-1 gap-4 lg:grid-cols-12">
        <RecentRuns />
        <Models />
        <Recipes />
        <Device />
      </div>
    </Page>
  );
}

/** The road, and the one button that sets out on it. */
function Start() {
  const runs = useRuns();
  const latest = runs.data?.find(isQuickstart) ?? null;
  const detail = useRun(latest?.id ?? null);
  const recipes = useRecipes();
  const recipe = recipes.data?.find((item) => item.name === "quickstart");
  const alive = latest !== null && isAlive(latest);
  const models = useModels();
  const modelGone = models.data?.every((model) => model.id !== latest?.output) ?? false;
  useFollow(alive ? latest.id : null);
  const stations = latest ? roadOf(latest, detail.data?.children ?? []) : plannedRoad();
  const made = latest?.state === "finished" && !modelGone ? latest.output : null;

  return (
    <Card className="overflow-hidden">
      <div className="flex flex-wrap items-center gap-x-8 gap-y-4 px-4 pt-5 pb-5 sm:px-6 sm:pt-6">
        <div className="min-w-64 flex-1">
          <h2 className="text-lg font-semibold">
            {alive ? "Your model is learning" : made ? "Your model is ready" : "Your first model"}
          </h2>
          <p className="max-w-[68ch] text-base text-pretty text-muted">
            {alive ? (
              <>{doing(latest)}. It goes on when you leave this page.</>
            ) : made ? (
              "It went the whole way. Talk with it, look at how it learned, or train another."
            ) : (
              <>
                One button makes text, a tokenizer and a small network, teaches it to write and then to
                answer, and asks it questions that it never saw. {estimate(recipe?.minutes)}
              </>
            )}
          </p>
          {alive ? (
            <ProgressBar value={shareDone(latest)} label="Quickstart" className="mt-3 max-w-md" />
          ) : null}
        </div>
        <div className="flex flex-wrap items-center gap-2">
          <QuickstartButton again={made !== null} />
          {made ? (
            <Button asChild look="primary" size="lg">
              <Link href={chatHref(made)}>
                <MessageCircle aria-hidden /> Chat with it
              </Link>
            </Button>
          ) : null}
        </div>
      </div>
      <div className="border-t bg-background/40 px-2 py-4 sm:px-4 sm:py-5 dark:bg-transparent">
        <Road stations={stations} chatHref={made ? chatHref(made) : null} />
      </div>
      {latest ? (
        <p className="border-t px-4 py-2.5 text-sm text-muted sm:px-6">
          This road shows{" "}
          <Link
            href={runHref(latest.id)}
            className="font-medium text-accent-ink underline decoration-current/40 underline-offset-4 hover:decoration-current"
          >
            {latest.name}
          </Link>
          , <Ago at={latest.created_at} />.
        </p>
      ) : null}
    </Card>
  );
}

function doing(run: Run): string {
  const { message } = run.progress;
  const words = progressWords(run);
  if (!message) return "Getting ready";
  return words ? `${words.charAt(0).toUpperCase()}${words.slice(1)}: ${message}` : message;
}

function estimate(minutes: number | null | undefined): string {
  return minutes
    ? `It takes about ${formatNumber(minutes)} minutes on two processor cores.`
    : "It takes some minutes on an ordinary processor.";
}

function RecentRuns() {
  const runs = useRuns();
  return (
    <Card className="lg:col-span-7">
      <CardHeader title="Recent runs">
        {runs.data?.length ? <More href="/runs/">All runs</More> : null}
      </CardHeader>
      <div className="px-2 pb-2 sm:px-3">
        {runs.isPending ? <Rows /> : null}
        {runs.isError ? (
          <Failure
            className="m-2"
            what="The runs could not be read."
            error={runs.error}
            retry={() => void runs.refetch()}
          />
        ) : null}
        {runs.data && !runs.data.length ? (
          <p className="px-2 pt-1 pb-4 text-muted">
            None yet. Whatever you train is listed here, with its curves and what the model wrote as it
            learned.
          </p>
        ) : null}
        <ul>
          {runs.data?.slice(0, 5).map((run) => (
            <li key={run.id}>
              <RunRow run={run} />
            </li>
          ))}
        </ul>
      </div>
    </Card>
  );
}

function RunRow({ run }: { run: Run }) {
  return (
    <Link
      href={runHref(run.id)}
      className="flex min-h-11 items-center gap-3 rounded-lg px-2 py-1.5 hover:bg-surface-2"
    >
      <span className="min-w-0 flex-1 truncate font-medium">{run.name}</span>
      {isAlive(run) ? (
        <ProgressBar
          value={shareDone(run)}
          label={`Progress of ${run.name}`}
          className="w-20 max-sm:hidden"
        />
      ) : null}
      <StateBadge state={run.state} />
      <span className="w-24 text-right text-sm text-muted">
        <Ago at={run.created_at} />
      </span>
    </Link>
  );
}

function Models() {
  const models = useModels();
  const shown = models.data?.slice(0, 5);
  return (
    <Card className="lg:col-span-5">
      <CardHeader title="Models">{shown?.length ? <More href="/models/">All models</More> : null}</CardHeader>
      <div className="px-2 pb-2 sm:px-3">
        {models.isPending ? <Rows /> : null}
        {models.isError ? (
          <Failure
            className="m-2"
            what="The models could not be read."
            error={models.error}
            retry={() => void models.refetch()}
          />
        ) : null}
        {shown && !shown.length ? (
          <p className="px-2 pt-1 pb-4 text-muted">None yet. A run that trains a model puts it here.</p>
        ) : null}
        <ul>
          {shown?.map((model) => (
            <li key={model.id}>
              <ModelRow model={model} />
            </li>
          ))}
        </ul>
      </div>
    </Card>
  );
}

function ModelRow({ model }: { model: Model }) {
  return (
    <div className="flex min-h-11 items-center gap-3 rounded-lg px-2 py-1.5">
      <div className="min-w-0 flex-1">
        <Link
          href={modelHref(model.id)}
          className="block truncate rounded-sm font-medium underline-offset-4 hover:underline"
        >
          {model.name}
        </Link>
        <span className="block truncate text-sm text-muted figures">
          {formatShort(model.parameters)} parameters{model.builtin ? ", built in" : null}
        </span>
      </div>
      {model.chat ? (
        <Button asChild size="sm" look="soft">
          <Link href={chatHref(model.id)} aria-label={`Chat with ${model.name}`}>
            <MessageCircle aria-hidden /> Chat
          </Link>
        </Button>
      ) : (
        <Badge>base model</Badge>
      )}
    </div>
  );
}

function Recipes() {
  const recipes = useRecipes();
  const start = useStartRecipe();
  const others = recipes.data?.filter((recipe) => recipe.name !== "quickstart") ?? [];
  if (!others.length) return null;
  return (
    <Card className="lg:col-span-7">
      <CardHeader title="Other recipes" />
      <ul className="px-2 pb-2 sm:px-3">
        {others.map((recipe) => (
          <li key={recipe.name} className="flex items-center gap-4 px-2 py-2">
            <div className="min-w-0 flex-1">
              <p className="font-medium">
                {recipe.title}
                {recipe.minutes ? (
                  <span className="ml-2 text-sm font-normal text-muted">
                    about {formatNumber(recipe.minutes)} min
                  </span>
                ) : null}
              </p>
              <p className="text-sm text-pretty text-muted">{recipe.description}</p>
            </div>
            <Button
              size="sm"
              disabled={start.isPending}
              onClick={() => start.mutate(recipe.name)}
              aria-label={`Start ${recipe.title}`}
            >
              <Play aria-hidden /> Start
            </Button>
          </li>
        ))}
      </ul>
    </Card>
  );
}

function Device() {
  const { data: health } = useHealth();
  const recipes = useRecipes();
  const others = recipes.data?.some((recipe) => recipe.name !== "quickstart");
  const facts: [string, string, string?][] = [
    ["Processor", health?.device.name ?? DASH],
    ["Cores", formatNumber(health?.device.cores)],
    [
      "Memory free",
      health
        ? `${formatBytes(health.memory.available_bytes)} of ${formatBytes(health.memory.total_bytes)}`
        : DASH,
    ],
    ["Workspace", health?.workspace ?? DASH, "mono"],
  ];
  return (
    <Card className={others ? "lg:col-span-5" : "lg:col-span-12"}>
      <CardHeader title="This computer" />
      <dl
        className={
          others
            ? "grid gap-y-1 px-4 pb-4 sm:px-5"
            : "grid gap-x-8 gap-y-2 px-4 pb-4 sm:grid-cols-2 sm:px-5 lg:grid-cols-4"
        }
      >
        {facts.map(([name, value, mono]) => (
          <div key={name} className={others ? "flex items-baseline justify-between gap-4" : "min-w-0"}>
            <dt className="shrink-0 text-sm text-muted">{name}</dt>
            <dd
              title={value}
              className={`min-w-0 truncate figures ${mono ? "font-mono text-sm" : "font-medium"}`}
            >
              {value}
            </dd>
          </div>
        ))}
      </dl>
    </Card>
  );
}

function More({ href, children }: { href: string; children: string }) {
  return (
    <Link
      href={href}
      className="inline-flex items-center gap-1 rounded-sm text-sm text-muted hover:text-foreground"
    >
      {children} <ArrowRight className="size-3.5" aria-hidden />
    </Link>
  );
}

function Rows() {
  return (
    <div className="flex flex-col gap-2 p-2">
      <Skeleton className="h-8" />
      <Skeleton className="h-8" />
      <Skeleton className="h-8" />
    </div>
  );
}
