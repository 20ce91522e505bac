"use client";

import "./steps.css";

import { ArrowDown, ChevronRight, Plus } from "lucide-react";
import { Fragment, type ReactNode } from "react";

import type { Prediction, TraceStep } from "@/lib/architecture-types";
import {
  type Block,
  type Branch,
  formatShape,
  formatShortValue,
  formatValue,
  linesOf,
  type Outline,
  ownTitle,
} from "@/lib/steps-model";
import { cn } from "@/lib/utils";

import { StepPredictions } from "./step-predictions";
import { StepStrip } from "./step-strip";

interface FlowProps {
  outline: Outline;
  predictions: readonly Prediction[];
  /** What is predicted, in words. */
  guess: string;
  open: ReadonlySet<string>;
  onToggle: (key: string) => void;
  /** Name of the step whose numbers are shown. */
  at: string | null;
  onStep: (step: TraceStep) => void;
  onPrediction: (id: number) => void;
}

/**
 * One token's way, top to bottom. The line at the left is its residual stream: embeddings start it, each block reads
 * it and adds to it, and its end becomes the guess at the next token.
 */
export function StepFlow({
  outline,
  predictions,
  guess,
  open,
  onToggle,
  at,
  onStep,
  onPrediction,
}: FlowProps) {
  const shared = { at, onStep };
  const most = Math.max(
    1e-9,
    ...outline.blocks.flatMap(({ branches }) => branches.map(({ added }) => added?.norm ?? 0)),
  );
  return (
    <ol aria-label="The way of the token" className="stream">
      {outline.before.map((step) => (
        <li key={step.name} className="stop">
          <StepRow step={step} {...shared} />
        </li>
      ))}
      {outline.blocks.map((block) => (
        <BlockBox key={block.layer} block={block} most={most} open={open} onToggle={onToggle} {...shared} />
      ))}
      {outline.after.map((step) => (
        <li key={step.name} className="stop">
          <StepRow step={step} {...shared} />
        </li>
      ))}
      <li className="stop end">
        <div className="rounded-lg border bg-surface px-3 py-2.5">
          <h3 className="text-sm font-semibold">{guess}</h3>
          <StepPredictions predictions={predictions} onPick={onPrediction} className="mt-1" />
        </div>
      </li>
    </ol>
  );
}

/** One tensor: what it is, how large, and its first numbers as heat. */
function StepRow({
  step,
  at,
  onStep,
}: {
  step: TraceStep;
  at: string | null;
  onStep: (step: TraceStep) => void;
}) {
  const on = at === step.name;
  return (
    <button
      type="button"
      data-step={step.name}
      aria-pressed={on}
      onClick={() => onStep(step)}
      className={cn(
        "grid w-full scroll-my-20 grid-cols-[minmax(0,1fr)_auto] items-center gap-x-3 gap-y-1 rounded-lg border px-3 py-2 text-left sm:grid-cols-[minmax(0,1fr)_minmax(96px,32%)_auto]",
        on ? "border-accent bg-accent-soft" : "bg-surface hover:border-border-strong",
      )}
    >
      <span className="min-w-0 truncate text-sm font-medium">{ownTitle(step)}</span>{" "}
      <StepStrip values={step.preview} className="max-sm:order-last max-sm:col-span-2" />
      <span
        className="justify-self-end font-mono text-xs text-muted figures sm:w-18 sm:text-right"
        title={`Shape ${formatShape(step.shape)}`}
      >
        {formatShape(step.shape)}
      </span>
    </button>
  );
}

/** The same where several stand side by side. */
function StepCell({
  step,
  at,
  onStep,
}: {
  step: TraceStep;
  at: string | null;
  onStep: (step: TraceStep) => void;
}) {
  const on = at === step.name;
  return (
    <button
      type="button"
      data-step={step.name}
      aria-pressed={on}
      title={`${ownTitle(step)}, shape ${formatShape(step.shape)}`}
      onClick={() => onStep(step)}
      className={cn(
        "flex min-w-0 scroll-my-20 flex-col gap-1.5 rounded-lg border px-2.5 py-2 text-left max-sm:px-1.5",
        on ? "border-accent bg-accent-soft" : "bg-surface hover:border-border-strong",
      )}
    >
      <span className="max-w-full truncate text-sm font-medium max-sm:text-xs">{ownTitle(step)}</span>
      <StepStrip values={step.preview} />
    </button>
  );
}

/** What leads from one line of steps to the next. */
function Leads({ by }: { by: string }) {
  return (
    <p className="flex items-center gap-1.5 pl-2.5 text-xs text-muted">
      <ArrowDown className="size-3" aria-hidden /> {by}
    </p>
  );
}

function Opener({
  open,
  onToggle,
  children,
  className,
}: {
  open: boolean;
  onToggle: () => void;
  children: ReactNode;
  className?: string;
}) {
  return (
    <button
      type="button"
      aria-expanded={open}
      onClick={onToggle}
      className={cn("flex w-full min-w-0 items-center gap-2 rounded-lg px-3 py-2 text-left", className)}
    >
      <ChevronRight
        aria-hidden
        className={cn("size-4 shrink-0 text-muted transition-transform duration-100", open && "rotate-90")}
      />
      {children}
    </button>
  );
}

function BlockBox({
  block,
  most,
  open,
  onToggle,
  at,
  onStep,
}: {
  block: Block;
  most: number;
  open: ReadonlySet<string>;
  onToggle: (key: string) => void;
  at: string | null;
  onStep: (step: TraceStep) => void;
}) {
  const key = String(block.layer);
  const isOpen = open.has(key);
  return (
    <li className="stop">
      <div
        className={cn(
          "rounded-lg border",
          isOpen ? "bg-surface-2/60" : "bg-surface hover:border-border-strong",
        )}
      >
        <Opener open={isOpen} onToggle={() => onToggle(key)}>
          <span className="w-18 shrink-0 text-sm font-semibold figures">Layer {block.layer}</span>{" "}
          {isOpen ? (
            <span className="min-w-0 truncate text-xs text-muted">reads the stream, adds to it twice</span>
          ) : (
            <>
              <Added branches={block.branches} most={most} />
              {block.output ? (
                <StepStrip values={block.output.preview} className="w-[24%] max-sm:hidden" />
              ) : null}
            </>
          )}
        </Opener>
        {isOpen ? (
          <div className="inner pr-3 pb-3">
            {block.input ? <StepRow step={block.input} at={at} onStep={onStep} /> : null}
            {block.branches.map((branch) => (
              <Fragment key={branch.key}>
                <BranchBox branch={branch} open={open} onToggle={onToggle} at={at} onStep={onStep} />
                {branch.kind === "attention" && block.middle ? (
                  <StepRow step={block.middle} at={at} onStep={onStep} />
                ) : null}
              </Fragment>
            ))}
            {block.output ? <StepRow step={block.output} at={at} onStep={onStep} /> : null}
          </div>
        ) : null}
      </div>
    </li>
  );
}

/** How much each branch of a block adds to the stream, side by side for all blocks. */
function Added({ branches, most }: { branches: readonly Branch[]; most: number }) {
  return (
    <span className="flex min-w-0 flex-1 items-center gap-3 text-xs text-muted">
      {branches.map(({ key, title, kind, added }) =>
        added ? (
          <span
            key={key}
            className="flex min-w-0 flex-1 items-center gap-1.5"
            title={`${title} adds a vector of length ${formatValue(added.norm)}`}
          >
            <span className="whitespace-nowrap max-sm:sr-only">{title}</span>{" "}
            <span aria-hidden className="h-1.5 min-w-6 flex-1 overflow-hidden rounded-full bg-surface-2">
              <span
                className={cn(
                  "block h-full rounded-full",
                  kind === "attention" ? "bg-chart-1" : "bg-chart-3",
                )}
                style={{ width: `${Math.max(3, (added.norm / most) * 100)}%` }}
              />
            </span>
            <span className="w-10 shrink-0 font-mono figures">{formatShortValue(added.norm)}</span>
          </span>
        ) : null,
      )}
    </span>
  );
}

/** Norm, attention or feed-forward, and the sum: it leaves the stream, works, and comes back. */
function BranchBox({
  branch,
  open,
  onToggle,
  at,
  onStep,
}: {
  branch: Branch;
  open: ReadonlySet<string>;
  onToggle: (key: string) => void;
  at: string | null;
  onStep: (step: TraceStep) => void;
}) {
  const isOpen = open.has(branch.key);
  const inside = branch.steps.filter(({ name }) => name.includes(`${branch.kind}.`));
  const outer = branch.steps.filter((step) => !inside.includes(step));
  const before = outer.filter((step) => branch.steps.indexOf(step) < branch.steps.indexOf(inside[0]!));
  const behind = outer.filter((step) => !before.includes(step));
  const row = (step: TraceStep) => <StepRow key={step.name} step={step} at={at} onStep={onStep} />;
  return (
    <>
      <div className={cn("branch", branch.kind)}>
        {before.map(row)}
        {inside.length ? (
          <div className={cn("rounded-lg border bg-surface", isOpen ? "" : "hover:border-border-strong")}>
            <Opener open={isOpen} onToggle={() => onToggle(branch.key)}>
              <span className="text-sm font-semibold whitespace-nowrap">
                {branch.title} <span className="sr-only">of layer {branch.layer}</span>
              </span>{" "}
              <span className="min-w-0 truncate text-xs text-muted">
                {isOpen ? null : inside.map(ownTitle).join(" · ")}
              </span>
            </Opener>
            {isOpen ? (
              <div className="flex flex-col gap-1 px-3 pb-3">
                {linesOf(branch.kind, inside).map((line) => (
                  <Fragment key={line.steps[0]!.name}>
                    {line.by ? <Leads by={line.by} /> : null}
                    <div
                      className="grid gap-1.5"
                      style={{ gridTemplateColumns: `repeat(${line.steps.length}, minmax(0, 1fr))` }}
                    >
                      {line.steps.map((step) =>
                        line.steps.length > 1 ? (
                          <StepCell key={step.name} step={step} at={at} onStep={onStep} />
                        ) : (
                          row(step)
                        ),
                      )}
                    </div>
                  </Fragment>
                ))}
              </div>
            ) : null}
          </div>
        ) : null}
        {behind.map(row)}
      </div>
      <p className="sum">
        <span aria-hidden>
          <Plus className="size-3" />
        </span>
        <span className="text-xs text-muted">
          added to the stream
          {branch.added ? (
            <>
              , length <span className="font-mono figures">{formatValue(branch.added.norm)}</span>
            </>
          ) : null}
        </span>
      </p>
      {branch.after.map(row)}
    </>
  );
}
