"use client";

import { Boxes, MessageCircle } from "lucide-react";
import Link from "next/link";
import { useRouter, useSearchParams } from "next/navigation";

import { QuickstartButton } from "@/components/home/quickstart-button";
import { Page } from "@/components/shell/app-shell";
import { Ago } from "@/components/time";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { Skeleton } from "@/components/ui/skeleton";
import { Empty, Failure } from "@/components/ui/states";
import { formatNumber, formatShort } from "@/lib/format";
import { useModels } from "@/lib/queries";
import type { Model } from "@/lib/types";
import { chatHref, modelHref, runHref } from "@/lib/utils";

import { ModelSheet } from "./model-sheet";

export function Models() {
  const models = useModels();
  const router = useRouter();
  const id = useSearchParams().get("id");
  const onlyBuiltin = models.data?.length ? models.data.every((model) => model.builtin) : false;
  return (
    <Page title="Models" note="Every model that was made here, and the one that is built in.">
      {models.isError ? (
        <Failure
          what="The models could not be read."
          error={models.error}
          retry={() => void models.refetch()}
        />
      ) : null}
      {models.isPending ? (
        <div className="grid gap-4 sm:grid-cols-2 xl:grid-cols-3">
          {[0, 1, 2].map((item) => (
            <Skeleton key={item} className="h-52 rounded-xl" />
          ))}
        </div>
      ) : null}
      {models.data && !models.data.length ? (
        <Card>
          <Empty icon={<Boxes aria-hidden />} title="No models yet" action={<QuickstartButton size="md" />}>
            A model is what a training run leaves: weights, tokenizer and a record of how it was made. You can
            talk with it, and any program that reads Hugging Face folders can open it.
          </Empty>
        </Card>
      ) : null}
      {models.data?.length ? (
        <ul className="grid gap-4 sm:grid-cols-2 xl:grid-cols-3">
          {models.data.map((model) => (
            <li key={model.id} className="min-w-0">
              <ModelCard model={model} />
            </li>
          ))}
          {onlyBuiltin ? (
            <li className="flex min-w-0 flex-col items-start justify-between gap-4 rounded-xl border border-dashed border-border-strong p-4 sm:p-5">
              <p className="text-pretty text-muted">
                Your own models stand here as soon as a run has trained them, with everything needed to make
                them again.
              </p>
              <QuickstartButton size="md" />
            </li>
          ) : null}
        </ul>
      ) : null}
      <ModelSheet id={id} onClose={() => router.push("/models/", { scroll: false })} />
    </Page>
  );
}

function ModelCard({ model }: { model: Model }) {
  const facts: [string, string, string?][] = [
    ["Parameters", formatShort(model.parameters), formatNumber(model.parameters)],
    ["Vocabulary", formatNumber(model.vocab_size)],
    ["Context", formatNumber(model.context_length)],
  ];
  return (
    <Card className="relative flex h-full flex-col p-4 hover:border-border-strong sm:p-5">
      <div className="flex flex-wrap items-center gap-1.5">
        <Badge tone={model.chat ? "accent" : "neutral"}>{model.chat ? "Chat model" : "Base model"}</Badge>
        {model.builtin ? <Badge>Built in</Badge> : null}
      </div>
      <h2 className="mt-2 text-lg font-semibold break-words">
        <Link
          href={modelHref(model.id)}
          scroll={false}
          className="rounded-sm after:absolute after:inset-0 after:rounded-xl"
        >
          {model.name}
        </Link>
      </h2>
      <p className="line-clamp-2 text-sm text-pretty text-muted">{model.about}</p>
      <dl className="mt-4 mb-4 grid grid-cols-3 gap-3">
        {facts.map(([name, value, full]) => (
          <div key={name} className="min-w-0">
            <dt className="truncate text-xs text-muted">{name}</dt>
            <dd className="truncate font-semibold figures" title={full}>
              {value}
            </dd>
          </div>
        ))}
      </dl>
      <div className="mt-auto flex min-h-8 items-center justify-between gap-3 border-t pt-3">
        <span className="min-w-0 truncate text-sm text-muted">
          {model.builtin ? (
            "Part of the program"
          ) : (
            <>
              <Ago at={model.created_at} />
              {model.run_id ? (
                <>
                  {", "}
                  <Link
                    href={runHref(model.run_id)}
                    className="relative rounded-sm text-accent-ink underline decoration-current/40 underline-offset-4 hover:decoration-current"
                  >
                    its run
                  </Link>
                </>
              ) : null}
            </>
          )}
        </span>
        <Button asChild size="sm" look="soft" className="relative">
          <Link href={chatHref(model.id)} aria-label={`${model.chat ? "Chat with" : "Try"} ${model.name}`}>
            <MessageCircle aria-hidden /> {model.chat ? "Chat" : "Try"}
          </Link>
        </Button>
      </div>
    </Card>
  );
}
