"use client";

import { ChevronDown, Gauge, TriangleAlert } from "lucide-react";
import dynamic from "next/dynamic";
import { useId } from "react";

import { Info } from "@/components/tokenizer/info";
import { NumberField } from "@/components/tokenizer/number-field";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { Field, Select } from "@/components/ui/field";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { useDevices } from "@/lib/architecture-queries";
import {
  formatBytes,
  formatDuration,
  formatMetric,
  formatNumber,
  formatPercent,
  formatPower,
  formatShort,
} from "@/lib/format";
import {
  divisionOf,
  HERE,
  type Place,
  type PlannedChoice,
  planRequest,
  suggestionOf,
  type TrainingPlan,
} from "@/lib/run-plan";
import type { PreviewRequest, RunPreview } from "@/lib/run-types";
import { formatMoney } from "@/lib/tokenizer-cost";
import { cn } from "@/lib/utils";

import { Tile } from "../tile";
import { PlanMemory } from "./plan-memory";
import { useMeasure, usePlan } from "./use-plan";

const LineChart = dynamic(() => import("../line-chart"), {
  ssr: false,
  loading: () => <Skeleton className="m-4 h-36" />,
});

const PLAN = "plan";
const UNKNOWN = "Known once the settings are right";
/** From the measurements in docs/planning.md. */
const BOUNDS =
  "Memory came within about 10% of what ten trainings took on a processor; time, where its parts are measured, within 5% in the median and 22% at worst. An estimated time is a rate times a guess. For graphics cards neither has been held against measurements.";

/** The plan in one line, at the foot of a small window, where its card is far below the settings. */
export function PlanStrip({
  preview,
  place,
}: {
  preview: (RunPreview & { asked: PreviewRequest }) | undefined;
  place: Place;
}) {
  const plan = usePlan(planRequest(preview, place)).data;
  if (!plan) return null;
  return (
    <a
      href={`#${PLAN}`}
      className="sticky bottom-3 z-20 mt-4 flex flex-wrap items-center gap-x-4 gap-y-0.5 rounded-lg border bg-surface px-3.5 py-2 text-sm shadow-lg lg:hidden"
    >
      <span>
        <span className="text-muted">Time</span>{" "}
        <span className="font-semibold figures">{formatDuration(plan.time?.total)}</span>
      </span>{" "}
      <span>
        <span className="text-muted">Memory</span>{" "}
        <span className={cn("font-semibold figures", !plan.fits && "text-bad")}>
          {formatBytes(plan.configured.footprint.peak)}
        </span>{" "}
        <span className="text-muted figures">of {formatBytes(Math.max(0, plan.memory_bytes))}</span>
      </span>
      <ChevronDown aria-hidden className="ml-auto size-4 text-muted" />
    </a>
  );
}

/** What a run will take on this machine or another device, and the picture of its learning rate. */
export function PlanCard({
  preview,
  current,
  place,
  onPlace,
  onUse,
}: {
  preview: (RunPreview & { asked: PreviewRequest }) | undefined;
  /** Whether the preview is that of the settings as they are now. */
  current: boolean;
  place: Place;
  onPlace: (place: Place) => void;
  /** Put a way to divide a step into the form. */
  onUse: (choice: PlannedChoice) => void;
}) {
  const body = planRequest(preview, place);
  const asked = usePlan(body);
  const measure = useMeasure();
  const plan = asked.data;
  const stale = !current || asked.isPlaceholderData || body === null;
  const schedule = preview?.schedule ?? [];
  const line = {
    name: "train/lr",
    label: "Learning rate",
    colour: "--chart-3",
    curve: { steps: schedule.map(({ step }) => step), values: schedule.map(({ rate }) => rate) },
    ghosts: [],
  };
  const measured = plan?.time?.method === "measured";
  return (
    <Card id={PLAN} className="scroll-mt-18 overflow-hidden">
      <CardHeader title="What it comes to">
        {plan?.time ? (
          <Badge tone={measured ? "good" : "neutral"}>{measured ? "Measured" : "Estimated"}</Badge>
        ) : null}
        <Info name="The plan" about={BOUNDS} />
      </CardHeader>
      <Where place={place} devices={plan?.devices ?? 1} onPlace={onPlace}>
        {place.device === HERE ? (
          <Button
            size="md"
            disabled={body === null || stale || measure.isPending || (measured && !measure.isPending)}
            title="Times parts of the model here, which takes some seconds"
            onClick={() => body && measure.mutate(body)}
          >
            <Gauge aria-hidden className={cn(measure.isPending && "animate-pulse")} />
            {measure.isPending ? "Measuring" : "Measure"}
          </Button>
        ) : null}
      </Where>
      {asked.isError && !stale ? (
        <Failure
          className="mx-4 mb-3 sm:mx-5"
          what="It could not be planned."
          error={asked.error}
          retry={() => void asked.refetch()}
        />
      ) : null}
      <div
        aria-busy={stale}
        className={cn(
          "transition-opacity duration-150",
          stale && plan && "opacity-60 delay-200 motion-reduce:delay-0",
        )}
      >
        <Figures plan={plan} preview={preview} waiting={body !== null && asked.isPending} />
        {plan ? (
          <>
            <PlanMemory
              choice={plan.configured}
              available={Math.max(0, plan.memory_bytes)}
              there={place.device === HERE ? "free here" : "on it"}
              each={plan.devices > 1 ? (place.device === HERE ? " of each process" : " of each device") : ""}
            />
            <p className="px-4 pb-3 text-xs text-muted sm:px-5">
              {divisionOf(plan.configured, plan.devices, place.device === HERE ? "processes" : "devices")}
            </p>
            {plan.fits ? null : <TooMuch plan={plan} here={place.device === HERE} onUse={onUse} />}
            <Notes plan={plan} />
          </>
        ) : null}
      </div>
      <LineChart
        title="Learning rate"
        file="learning-rate"
        lines={[line]}
        version={schedule.reduce((sum, { step, rate }) => sum + step * 31 + rate, schedule.length)}
        height={150}
        empty="Its settings are not right yet."
        format={formatMetric}
      />
    </Card>
  );
}

/** Where it is thought to run. */
function Where({
  place,
  devices: planned,
  onPlace,
  children,
}: {
  place: Place;
  /** How many the plan is for. */
  devices: number;
  onPlace: (place: Place) => void;
  children: React.ReactNode;
}) {
  const devices = useDevices();
  const id = useId();
  const chosen = devices.data?.devices.find(({ name }) => name === place.device);
  return (
    <div className="px-4 pt-1 pb-3 sm:px-5">
      <div className="flex items-end gap-3">
        <div className="min-w-0 flex-1 [&_span]:w-full">
          <Field label="On" htmlFor={id}>
            <Select
              id={id}
              value={place.device}
              onChange={(event) => onPlace({ device: event.target.value, devices: null })}
            >
              <option value={HERE}>This machine</option>
              {devices.data?.devices.map((device) => (
                <option key={device.name} value={device.name}>
                  {device.title}
                </option>
              ))}
            </Select>
          </Field>
        </div>
        {place.device === HERE ? null : (
          <div className="w-24">
            <NumberField
              label="How many"
              min={1}
              max={65_536}
              value={place.devices ?? planned}
              onChange={(count) => onPlace({ ...place, devices: count })}
            />
          </div>
        )}
        {children}
      </div>
      {chosen ? (
        <p className="mt-1.5 text-xs text-pretty text-muted">
          As of {chosen.as_of}: {chosen.source}.
        </p>
      ) : null}
    </div>
  );
}

function Figures({
  plan,
  preview,
  waiting,
}: {
  plan: TrainingPlan | undefined;
  preview: RunPreview | undefined;
  waiting: boolean;
}) {
  const or = (text: string) => (waiting && !plan ? "…" : text);
  const time = plan?.time;
  const none = plan && !time ? "It does not fit, however it is divided" : UNKNOWN;
  const step = time ? `${formatSeconds(time.step)}/step` : undefined;
  const operations = plan && time ? plan.flops_per_step * plan.steps : undefined;
  return (
    <dl className="grid grid-cols-2 gap-px border-y bg-border">
      <Tile
        name="Time"
        value={or(formatDuration(time?.total))}
        note={step}
        missing={none}
        about={
          time?.method === "measured"
            ? "Composed of parts of the model that were timed on this machine, with the validations; what else runs here counts in it."
            : "Operations over the share of the device's peak rate that is taken to be reached, 40%, with the validations: a rate times a guess."
        }
      />
      <Tile
        name="Tokens a second"
        value={or(formatShort(plan?.tokens_per_second))}
        full={formatNumber(plan?.tokens_per_second)}
        note={time ? `${formatPercent(time.utilization, 0)} of the peak` : undefined}
        missing={none}
        about="What it reads in a second. The share of the peak is that which the model's own operations reach of the device's matrix rate."
      />
      <Tile
        name="Parameters"
        value={or(formatShort(plan?.parameters))}
        full={formatNumber(plan?.parameters)}
        missing={UNKNOWN}
      />
      <Tile
        name="Tokens read"
        value={or(formatShort(plan?.tokens ?? preview?.tokens))}
        full={formatNumber(plan?.tokens ?? preview?.tokens)}
        note={preview?.epochs ? `${formatMetric(preview.epochs)} times the text` : undefined}
        missing={UNKNOWN}
        about="Steps, times sequences in a step, times the length of a sequence."
      />
      <Tile
        name="Operations"
        value={or(formatPower(operations))}
        missing={none}
        about="Floating-point operations of all steps, forward and backward; a multiply-add counts two."
      />
      <Tile
        name="Cost"
        value={or(formatMoney(plan?.cost, plan?.currency))}
        note={plan?.energy_kwh ? `${formatEnergy(plan.energy_kwh)}` : undefined}
        missing={
          plan && plan.device !== HERE
            ? "The device table has no price for it"
            : "The device table has no price and no power for this machine"
        }
        about="Hours times the price and the power that the device table has for it, for all devices."
      />
    </dl>
  );
}

const formatSeconds = (seconds: number): string =>
  seconds >= 60
    ? formatDuration(seconds)
    : seconds < 1
      ? `${formatNumber(1000 * seconds, seconds < 0.01 ? 1 : 0)} ms`
      : `${formatNumber(seconds, seconds < 10 ? 1 : 0)} s`;

const formatEnergy = (kwh: number): string =>
  kwh < 1
    ? `${formatNumber(1000 * kwh, kwh < 0.01 ? 1 : 0)} Wh`
    : `${formatNumber(kwh, kwh < 100 ? 1 : 0)} kWh`;

/** It does not fit: what is missing, and the way that would. */
function TooMuch({
  plan,
  here,
  onUse,
}: {
  plan: TrainingPlan;
  here: boolean;
  onUse: (choice: PlannedChoice) => void;
}) {
  const { suggested } = plan;
  return (
    <div
      role="status"
      className={cn(
        "mx-4 mb-3 flex flex-wrap items-start gap-x-3 gap-y-2 rounded-lg px-3 py-2.5 sm:mx-5",
        plan.refused ? "bg-bad-soft" : "bg-warn-soft",
      )}
    >
      <TriangleAlert
        aria-hidden
        className={cn("mt-0.5 size-4 shrink-0", plan.refused ? "text-bad" : "text-warn")}
      />
      <p className="min-w-40 flex-1 text-sm text-pretty">
        <span className="font-medium">
          {plan.refused && here ? "It cannot fit this machine." : "It does not fit."}
        </span>{" "}
        {suggested
          ? `This would: ${suggestionOf(suggested)}. The time is that of this way.`
          : "No way to divide a step would: a smaller model or a shorter context is needed."}
      </p>
      {suggested ? (
        <Button size="sm" onClick={() => onUse(suggested)}>
          Use this
        </Button>
      ) : null}
    </div>
  );
}

/** What to know before one relies on the figures. */
function Notes({ plan }: { plan: TrainingPlan }) {
  if (!plan.notes.length) return null;
  return (
    <details className="group px-4 pb-3 text-xs text-muted sm:px-5">
      <summary className="w-fit cursor-pointer rounded-sm hover:text-foreground">How this is known</summary>
      <ul className="mt-1 list-disc space-y-1 pl-4 text-pretty">
        {plan.notes.map((note) => (
          <li key={note}>{note}</li>
        ))}
        <li>{BOUNDS}</li>
      </ul>
    </details>
  );
}
