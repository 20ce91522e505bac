"use client";

import { useCallback, useEffect, useMemo, useState } from "react";

import { defaultsOf } from "@/components/config-form/schema";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { ApiError } from "@/lib/api";
import { changesBetween, planned, problemsAt } from "@/lib/architecture-config";
import { useAnalysis, useRested } from "@/lib/architecture-queries";
import { shapeOf } from "@/lib/architecture-shape";
import type { AnalyzeRequest, Config } from "@/lib/architecture-types";
import { formatBytes, formatShort } from "@/lib/format";
import { cn } from "@/lib/utils";

import { BlockCard } from "./block-card";
import { BudgetCard } from "./budget-chart";
import { ComputeCard } from "./compute-card";
import { DesignBar } from "./design-bar";
import { FormulaList } from "./formula-list";
import { KvChart } from "./kv-chart";
import type { ShapeProps } from "./lab-props";
import { MemoryCard } from "./memory-card";
import { RecommendCard } from "./recommend-card";
import { SettingsCard } from "./settings-card";
import { Totals } from "./totals";
import { useBase, useDesign, useKept } from "./use-design";

const REST_MS = 150;

/** Put a transformer together, and see what it costs while the hand is still on the key. */
export function ConfigureTab({ query, onQuery }: ShapeProps) {
  const { design, plan, setPlan, start, change, undo, redo, canUndo, canRedo } = useDesign(query, onQuery);
  const found = useBase(design.from);
  const base = found.config;
  const [asking, setAsking] = useState(false);
  const [wished, setWished] = useState<string | null>(null);
  const forget = useCallback(() => setWished(null), []);
  const values = useMemo(() => (base ? { ...base, ...design.changes } : null), [base, design.changes]);
  const body = useRested(values ? JSON.stringify({ config: values, ...planned(plan) }) : null, REST_MS);
  const asked = useMemo(() => (body ? (JSON.parse(body) as AnalyzeRequest) : null), [body]);
  const answer = useAnalysis(asked);
  const analysis = useKept(answer.data);
  useUndoKeys(undo, redo);

  const names = useMemo(() => new Set(found.fields.map((field) => field.name)), [found.fields]);
  const wrong = answer.error instanceof ApiError && answer.error.status === 422 ? answer.error : null;
  const problems = wrong ? problemsAt(wrong, names) : {};
  const shape = useMemo(
    () => (values && shapeOf(values)) ?? (analysis ? shapeOf(analysis.config as Config) : null),
    [values, analysis],
  );
  const elsewhere = Object.entries(problems)
    .filter(([place]) => place === "")
    .map(([, said]) => said);

  if (found.error) {
    return (
      <>
        <DesignBar
          design={design}
          values={null}
          analysis={undefined}
          canUndo={canUndo}
          canRedo={canRedo}
          onUndo={undo}
          onRedo={redo}
          onStart={start}
        />
        <Failure what="There is nothing to begin with." error={found.error} retry={found.retry} />
      </>
    );
  }
  if (!base || !values || !shape) return <Waiting />;

  return (
    <>
      <DesignBar
        design={design}
        values={values}
        analysis={analysis}
        canUndo={canUndo}
        canRedo={canRedo}
        asking={asking}
        onUndo={undo}
        onRedo={redo}
        onStart={start}
        onAsk={() => setAsking(!asking)}
      />
      {asking ? (
        <RecommendCard
          onUse={(next) => {
            start({
              from: next.name ? `preset:${next.name}` : null,
              changes: next.name ? {} : changesBetween(defaultsOf(found.fields), next.config),
            });
            setPlan({ ...plan, ...next.plan });
            setAsking(false);
          }}
          onClose={() => setAsking(false)}
        />
      ) : null}
      {answer.isError && !wrong ? (
        <Failure
          what="The figures could not be worked out."
          error={answer.error}
          retry={() => void answer.refetch()}
        />
      ) : null}
      {elsewhere.length ? (
        <Failure what="This does not go together." error={new Error(elsewhere.join(" "))} />
      ) : null}
      <Totals analysis={analysis} plan={plan} stale={wrong !== null} />
      <div className="grid items-start gap-4 xl:grid-cols-12">
        <BlockCard
          shape={shape}
          analysis={analysis}
          stale={wrong !== null}
          onField={setWished}
          className="xl:col-span-8"
        />
        <SettingsCard
          fields={found.fields}
          base={base}
          values={values}
          problems={problems}
          summary={
            analysis
              ? `${formatShort(analysis.parameters.total)} parameters, ${formatBytes(analysis.memory.total_training)} to train`
              : ""
          }
          wished={wished}
          onWished={forget}
          onChange={(name, value) => change(base, name, value)}
          className="xl:sticky xl:top-18 xl:col-span-4 xl:max-h-[calc(100dvh-88px)]"
        />
      </div>
      {analysis ? (
        <div className={cn("grid gap-4 lg:grid-cols-2", wrong && "opacity-60")}>
          <ComputeCard analysis={analysis} shape={shape} plan={plan} onPlan={setPlan} />
          <KvChart analysis={analysis} shape={shape} plan={plan} />
          <MemoryCard analysis={analysis} plan={plan} onPlan={setPlan} />
          <BudgetCard analysis={analysis} plan={plan} onPlan={setPlan} />
        </div>
      ) : (
        <div className="grid gap-4 lg:grid-cols-2">
          <Skeleton className="h-80 rounded-xl" />
          <Skeleton className="h-80 rounded-xl" />
        </div>
      )}
      {analysis ? <FormulaList analysis={analysis} /> : null}
    </>
  );
}

/** Ctrl-Z and Ctrl-Shift-Z, except while one is typing: a field has an undo of its own. */
function useUndoKeys(undo: () => void, redo: () => void): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement | null;
      if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
      if (target?.closest("textarea, input:not([type=checkbox]), [contenteditable]")) return;
      event.preventDefault();
      if (event.shiftKey) redo();
      else undo();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [undo, redo]);
}

function Waiting() {
  return (
    <>
      <Skeleton className="h-15 rounded-xl" />
      <Skeleton className="h-19 rounded-xl" />
      <div className="grid gap-4 xl:grid-cols-12">
        <Skeleton className="h-[760px] rounded-xl xl:col-span-8" />
        <Skeleton className="h-[760px] rounded-xl max-xl:hidden xl:col-span-4" />
      </div>
    </>
  );
}
