"use client";

import { useQuery } from "@tanstack/react-query";
import { useRouter, useSearchParams } from "next/navigation";
import { useEffect, useMemo, useRef } from "react";

import { CopyButton } from "@/components/copy-button";
import { Card } from "@/components/ui/card";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { Choice } from "@/components/ui/toggle-group";
import { api } from "@/lib/api";
import { formatExact, formatNumber, toDate, toYaml } from "@/lib/format";
import { keys, useRunEvents } from "@/lib/queries";
import { isAlive, type Run, type RunEvent } from "@/lib/types";
import { runHref } from "@/lib/utils";

import { Notes } from "./notes";

type Tab = "events" | "log" | "config" | "notes";

const TABS: { value: Tab; label: string }[] = [
  { value: "events", label: "Events" },
  { value: "log", label: "Log" },
  { value: "config", label: "Configuration" },
  { value: "notes", label: "Notes" },
];

/** What happened, what the process printed, and with which settings it ran. */
export function Records({ run, recipe }: { run: Run; recipe: Run | null }) {
  const router = useRouter();
  const query = useSearchParams();
  const wanted = query.get("tab");
  const tab = TABS.find(({ value }) => value === wanted)?.value ?? "events";
  const show = (next: Tab) =>
    router.replace(
      runHref(recipe?.id ?? run.id, {
        step: query.get("step") ?? undefined,
        tab: next === "events" ? undefined : next,
      }),
      { scroll: false },
    );
  const yaml = useMemo(() => toYaml({ stage: run.stage, seed: run.seed, config: run.config }), [run]);

  return (
    <Card className="overflow-hidden">
      <div className="flex flex-wrap items-center justify-between gap-2 px-4 pt-3 pb-2 sm:px-5">
        <Choice label="Records" value={tab} options={TABS} onChange={show} />
        {tab === "config" ? <CopyButton text={yaml} label="Copy" /> : null}
      </div>
      {tab === "events" ? <Events run={run} /> : null}
      {tab === "log" ? <Log run={run} /> : null}
      {tab === "config" ? <Text label="Configuration" text={yaml} /> : null}
      {tab === "notes" ? <Notes key={run.id} run={recipe ?? run} /> : null}
    </Card>
  );
}

function Text({ label, text, follow = false }: { label: string; text: string; follow?: boolean }) {
  const box = useRef<HTMLPreElement>(null);
  useEffect(() => {
    if (follow && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [follow, text]);
  return (
    <pre
      ref={box}
      tabIndex={0}
      role="region"
      aria-label={label}
      className="max-h-96 overflow-auto border-t px-4 py-3 font-mono text-xs leading-5 whitespace-pre-wrap sm:px-5"
    >
      {text}
    </pre>
  );
}

function Log({ run }: { run: Run }) {
  const alive = isAlive(run);
  const log = useQuery({
    queryKey: [...keys.log(run.id), run.state],
    queryFn: ({ signal }) => api.log(run.id, 400, signal),
    refetchInterval: alive ? 2_000 : false,
    placeholderData: (text) => text,
  });
  if (log.isPending) return <Skeleton className="m-4 h-40" />;
  if (log.isError) {
    return (
      <Failure
        className="m-4"
        what="The log could not be read."
        error={log.error}
        retry={() => void log.refetch()}
      />
    );
  }
  return <Text label="Log" text={log.data || "Nothing printed yet."} follow={alive} />;
}

function Events({ run }: { run: Run }) {
  const events = useRunEvents(run.id);
  const shown = useMemo(
    () =>
      (events.data ?? [])
        .filter((event) => event.type !== "sample")
        .slice(-200)
        .reverse(),
    [events.data],
  );
  if (events.isPending) return <Skeleton className="m-4 h-40" />;
  if (events.isError) {
    return (
      <Failure
        className="m-4"
        what="The events could not be read."
        error={events.error}
        retry={() => void events.refetch()}
      />
    );
  }
  if (!shown.length) return <p className="border-t px-5 py-6 text-muted">Nothing has happened yet.</p>;
  return (
    <ol className="max-h-96 overflow-y-auto border-t py-1.5" tabIndex={0} aria-label="Events, newest first">
      {shown.map((event) => (
        <li key={event.id} className="flex items-baseline gap-3 px-4 py-1 text-sm sm:px-5">
          <time className="shrink-0 font-mono text-xs text-muted figures" title={formatExact(event.time)}>
            {toDate(event.time)?.toLocaleTimeString("en-GB")}
          </time>
          <span className="min-w-0 break-words">{wordsOf(event)}</span>
        </li>
      ))}
    </ol>
  );
}

/** An event in words. */
export function wordsOf({ type, data }: RunEvent): string {
  const text = (name: string) => (data[name] === undefined || data[name] === null ? "" : String(data[name]));
  switch (type) {
    case "state":
      return `The run is ${text("state")}${Number(data["attempt"]) > 1 ? ` (attempt ${text("attempt")})` : ""}.`;
    case "log":
      return text("message");
    case "checkpoint":
      return `Saved a checkpoint at step ${formatNumber(Number(data["step"]))}.`;
    case "artifact":
      return `Made the ${text("kind")} ${text("name")}.`;
    case "step":
      return `Step ${text("name")}: ${text("state")}.`;
    case "eval":
      return "Scored the model.";
    case "alert":
      return `${text("message")} ${text("hint")}`.trim();
    default:
      return `${type}: ${JSON.stringify(data)}`;
  }
}
