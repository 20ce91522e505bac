"use client";

import dynamic from "next/dynamic";
import Link from "next/link";
import { useRouter, useSearchParams } from "next/navigation";
import { useState } from "react";

import { Page } from "@/components/shell/app-shell";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { useTokenizers } from "@/lib/tokenizer-queries";
import { EXAMPLES } from "@/lib/tokenizer-text";
import type { TokenizerInfo } from "@/lib/tokenizer-types";
import { cn, withQuery } from "@/lib/utils";

import { InspectTab } from "./inspect-tab";

const loading = () => <Waiting />;
const CompareTab = dynamic(() => import("./compare-tab").then((module) => module.CompareTab), { loading });
const CoverageTab = dynamic(() => import("./coverage-tab").then((module) => module.CoverageTab), { loading });
const CostTab = dynamic(() => import("./cost-tab").then((module) => module.CostTab), { loading });
const TrainTab = dynamic(() => import("./train-tab").then((module) => module.TrainTab), { loading });

/** What every tab is given: the one text, the tokenizers, and the address that holds the rest. */
export interface LabProps {
  text: string;
  onText: (text: string) => void;
  tokenizers: readonly TokenizerInfo[];
  current: TokenizerInfo;
  query: URLSearchParams;
  /** Changes the address; null takes a value out. */
  onQuery: (changes: Record<string, string | null>) => void;
}

const TABS = [
  { value: "inspect", label: "Inspect", Tab: InspectTab },
  { value: "compare", label: "Compare", Tab: CompareTab },
  { value: "coverage", label: "Coverage", Tab: CoverageTab },
  { value: "cost", label: "Cost", Tab: CostTab },
  { value: "train", label: "Train", Tab: TrainTab },
] as const;

const PREFERRED = "prose";

/** The tokenizer that the address names, else a built-in one that knows ordinary text. */
export function currentTokenizer(all: readonly TokenizerInfo[], wanted: string | null): TokenizerInfo | null {
  return all.find(({ id }) => id === wanted) ?? all.find(({ id }) => id === PREFERRED) ?? all[0] ?? null;
}

export function Lab() {
  const tokenizers = useTokenizers();
  const router = useRouter();
  const query = useSearchParams();
  const [text, setText] = useState(() => query.get("text") ?? EXAMPLES[0]!.text);
  const wanted = query.get("tab");
  const { value: tab, Tab } = TABS.find(({ value }) => value === wanted) ?? TABS[0];
  const all = tokenizers.data ?? [];
  const current = currentTokenizer(all, query.get("tokenizer"));
  const onQuery = (changes: Record<string, string | null>) =>
    router.replace(withQuery("/tokenizer/", { ...Object.fromEntries(query), text: null, ...changes }), {
      scroll: false,
    });

  return (
    <Page title="Tokenizer" note="How text becomes the numbers that a model reads, open to the last merge.">
      <nav aria-label="Tokenizer" className="-mt-1 border-b">
        <ul className="-mb-px flex gap-1 overflow-x-auto sm:gap-2">
          {TABS.map(({ value, label }) => (
            <li key={value}>
              <Link
                href={withQuery("/tokenizer/", {
                  tab: value === "inspect" ? null : value,
                  tokenizer: query.get("tokenizer"),
                })}
                scroll={false}
                aria-current={value === tab ? "page" : undefined}
                className={cn(
                  "inline-flex h-10 items-center border-b-2 px-2.5 text-base focus-visible:outline-offset-[-3px]",
                  value === tab
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
      {tokenizers.isError ? (
        <Failure
          what="The tokenizers could not be read."
          error={tokenizers.error}
          retry={() => void tokenizers.refetch()}
        />
      ) : null}
      {tokenizers.isPending ? <Waiting /> : null}
      {current ? (
        <Tab
          text={text}
          onText={setText}
          tokenizers={all}
          current={current}
          query={query}
          onQuery={onQuery}
        />
      ) : null}
    </Page>
  );
}

function Waiting() {
  return (
    <div className="grid gap-4 lg:grid-cols-12">
      <div className="flex flex-col gap-4 lg:col-span-7">
        <Skeleton className="h-60 rounded-xl" />
        <Skeleton className="h-72 rounded-xl" />
      </div>
      <Skeleton className="h-[548px] rounded-xl max-lg:hidden lg:col-span-5" />
    </div>
  );
}
