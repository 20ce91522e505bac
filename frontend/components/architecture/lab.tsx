"use client";

import dynamic from "next/dynamic";
import Link from "next/link";
import { useRouter, useSearchParams } from "next/navigation";
import { type ComponentType, useEffect, useRef, useState } from "react";

import { Page } from "@/components/shell/app-shell";
import { Skeleton } from "@/components/ui/skeleton";
import { Empty, Failure } from "@/components/ui/states";
import { labHref } from "@/lib/architecture-config";
import { EXAMPLES } from "@/lib/architecture-examples";
import { useLabModels } from "@/lib/architecture-queries";
import type { LabModel } from "@/lib/architecture-types";
import { cn } from "@/lib/utils";

import type { LabProps, ShapeProps } from "./lab-props";

const loading = () => <Waiting />;
const ConfigureTab = dynamic<ShapeProps>(
  () => import("./configure-tab").then((module) => module.ConfigureTab),
  { loading },
);
const CompareTab = dynamic<ShapeProps>(() => import("./compare-tab").then((module) => module.CompareTab), {
  loading,
});
const AttentionTab = dynamic<LabProps>(
  () => import("./attention-tab").then((module) => module.AttentionTab),
  {
    loading,
  },
);
const StepsTab = dynamic<LabProps>(() => import("./steps-tab").then((module) => module.StepsTab), {
  loading,
});
const LensTab = dynamic<LabProps>(() => import("./lens-tab").then((module) => module.LensTab), { loading });
const PatchTab = dynamic<LabProps>(() => import("./patch-tab").then((module) => module.PatchTab), {
  loading,
});

type Tab = { value: string; label: string } & (
  { runs: false; Tab: ComponentType<ShapeProps> } | { runs: true; Tab: ComponentType<LabProps> }
);

const TABS: readonly [Tab, ...Tab[]] = [
  { value: "configure", label: "Configure", runs: false, Tab: ConfigureTab },
  { value: "compare", label: "Compare", runs: false, Tab: CompareTab },
  { value: "attention", label: "Attention", runs: true, Tab: AttentionTab },
  { value: "steps", label: "Step through", runs: true, Tab: StepsTab },
  { value: "lens", label: "Logit lens", runs: true, Tab: LensTab },
  { value: "patch", label: "Patch", runs: true, Tab: PatchTab },
];

/** Parts of the address that every tab hands on to the next. */
const KEPT = ["model", "from", "set", "for", "with"];

/** The model that the address names, else the first that can run here, one's own before presets. */
export function currentModel(all: readonly LabModel[], wanted: string | null): LabModel | null {
  return (
    all.find(({ ref }) => ref === wanted) ??
    all.find(({ runnable, random }) => runnable && !random) ??
    all.find(({ runnable }) => runnable) ??
    all[0] ??
    null
  );
}

export function Lab() {
  const router = useRouter();
  const query = useSearchParams();
  const [text, setText] = useState(() => query.get("text") ?? EXAMPLES[0]!.text);
  const wanted = query.get("tab");
  const tab = TABS.find(({ value }) => value === wanted) ?? TABS[0];
  const onQuery = (changes: Record<string, string | null>) =>
    router.replace(labHref({ ...Object.fromEntries(query), text: null, ...changes }), { scroll: false });
  const here = useRef<HTMLAnchorElement>(null);
  useEffect(() => {
    // On a phone the row of tabs is wider than the window.
    here.current?.scrollIntoView({ inline: "center", block: "nearest" });
  }, [tab.value]);
  const kept = Object.fromEntries(KEPT.map((name) => [name, query.get(name)]));

  return (
    <Page title="Architecture" note="What a transformer is made of, what it costs, and how it computes.">
      <nav aria-label="Architecture" className="-mt-1 border-b">
        <ul className="-mb-px flex gap-1 overflow-x-auto sm:gap-2">
          {TABS.map(({ value, label }) => (
            <li key={value} className="shrink-0">
              <Link
                href={labHref({ ...kept, tab: value === TABS[0].value ? null : value })}
                scroll={false}
                ref={value === tab.value ? here : undefined}
                aria-current={value === tab.value ? "page" : undefined}
                className={cn(
                  "inline-flex h-10 items-center border-b-2 px-2.5 text-base whitespace-nowrap focus-visible:outline-offset-[-3px]",
                  value === tab.value
                    ? "border-accent font-medium text-foreground"
                    : "border-transparent text-muted hover:text-foreground",
                )}
              >
                {label}
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      {tab.runs ? (
        <WithModel Tab={tab.Tab} text={text} onText={setText} query={query} onQuery={onQuery} />
      ) : (
        <tab.Tab query={query} onQuery={onQuery} />
      )}
    </Page>
  );
}

/** A tab that runs a model, once it is known which there are. */
function WithModel({
  Tab,
  ...props
}: Omit<LabProps, "models" | "current"> & { Tab: ComponentType<LabProps> }) {
  const models = useLabModels();
  const all = models.data ?? [];
  const current = currentModel(all, props.query.get("model"));
  if (models.isError) {
    return (
      <Failure
        what="The models could not be read."
        error={models.error}
        retry={() => void models.refetch()}
      />
    );
  }
  if (models.isPending) return <Waiting />;
  if (!current) {
    return (
      <Empty title="There is no model to look into">Train one, or import one with llmp model import.</Empty>
    );
  }
  return <Tab models={all} current={current} {...props} />;
}

function Waiting() {
  return (
    <div className="grid gap-4 lg:grid-cols-12">
      <Skeleton className="h-19 rounded-xl lg:col-span-12" />
      <Skeleton className="h-[640px] rounded-xl lg:col-span-8" />
      <Skeleton className="h-[640px] rounded-xl max-lg:hidden lg:col-span-4" />
    </div>
  );
}
