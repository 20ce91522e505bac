"use client";

import { MessageCircle, Trash2 } from "lucide-react";
import Link from "next/link";

import { CopyButton } from "@/components/copy-button";
import { Ago } from "@/components/time";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Dialog, SheetContent } from "@/components/ui/dialog";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { useDeleteModel } from "@/lib/actions";
import { DASH, formatBytes, formatLoss, formatNumber, formatPercent, toYaml } from "@/lib/format";
import { useModel } from "@/lib/queries";
import { figure, interval } from "@/lib/run-view";
import type { ModelDetail } from "@/lib/types";
import { chatHref, runHref } from "@/lib/utils";

/** What is known of one model, at the address `/models/?id=`. */
export function ModelSheet({ id, onClose }: { id: string | null; onClose: () => void }) {
  return (
    <Dialog open={id !== null} onOpenChange={(open) => !open && onClose()}>
      {id !== null ? <Sheet id={id} onClose={onClose} /> : null}
    </Dialog>
  );
}

function Sheet({ id, onClose }: { id: string; onClose: () => void }) {
  const model = useModel(id);
  return (
    <SheetContent title={model.data?.name ?? "Model"} className="max-w-lg">
      {model.isPending ? <Skeleton className="h-64" /> : null}
      {model.isError ? (
        <Failure
          what="This model could not be read."
          error={model.error}
          retry={() => void model.refetch()}
        />
      ) : null}
      {model.data ? <Details model={model.data} onClose={onClose} /> : null}
    </SheetContent>
  );
}

const KINDS: Record<string, string> = {
  dataset: "Data set",
  tokenizer: "Tokenizer",
  tokens: "Tokens",
  model: "Model",
  evaluation: "Score",
  deleted: "Deleted",
};

const withUnit = (value: string, unit: string) => (value === DASH ? value : `${value} ${unit}`);

function Details({ model, onClose }: { model: ModelDetail; onClose: () => void }) {
  const remove = useDeleteModel();
  const score = model.scores
    .map((item) => interval(item.summary["exact_match"]))
    .find((item) => item !== null);
  const facts: [string, React.ReactNode][] = [
    ["Parameters", formatNumber(model.parameters)],
    ["Vocabulary", `${formatNumber(model.vocab_size)} tokens`],
    ["Context", `${formatNumber(model.context_length)} tokens`],
    ["Size on disk", formatBytes(model.size_bytes)],
    ["Validation loss", withUnit(formatLoss(figure(model.summary, "val_loss")), "nats per token")],
    ["Bits per byte", formatLoss(figure(model.summary, "bits_per_byte"))],
    [
      "Held-out score",
      score
        ? `${formatPercent(score.value)} (${formatPercent(score.low, 0)} to ${formatPercent(score.high, 0)})`
        : DASH,
    ],
    ["Made", <Ago key="made" at={model.created_at} />],
  ];
  const yaml = toYaml(model.config);
  return (
    <>
      <div className="flex flex-wrap gap-1.5">
        <Badge tone={model.chat ? "accent" : "neutral"}>{model.chat ? "Chat model" : "Base model"}</Badge>
        {model.builtin ? <Badge>Built in</Badge> : null}
      </div>
      {model.about ? <p className="text-pretty text-muted">{model.about}</p> : null}
      <div className="flex flex-wrap gap-2">
        <Button asChild look="primary">
          <Link href={chatHref(model.id)}>
            <MessageCircle aria-hidden /> {model.chat ? "Chat" : "Let it write"}
          </Link>
        </Button>
        {model.builtin ? null : (
          <Button
            look="danger"
            disabled={remove.isPending}
            onClick={() => remove.mutate(model, { onSuccess: onClose })}
          >
            <Trash2 aria-hidden /> Delete
          </Button>
        )}
      </div>
      <dl className="divide-y border-y">
        {facts.map(([name, value]) => (
          <div key={name} className="flex items-baseline justify-between gap-4 py-1.5">
            <dt className="text-muted">{name}</dt>
            <dd className="text-right font-medium figures">{value}</dd>
          </div>
        ))}
      </dl>
      <section>
        <h3 className="mb-2 font-semibold">Where it comes from</h3>
        {model.builtin ? (
          <p className="mb-2 text-pretty text-muted">
            It comes with the program and stays as it is. Train your own and compare.
          </p>
        ) : model.run_id ? (
          <p className="mb-2 text-pretty text-muted">
            Made by a{" "}
            <Link
              href={runHref(model.run_id)}
              className="font-medium text-accent-ink underline decoration-current/40 underline-offset-4 hover:decoration-current"
            >
              run whose curves you can look at
            </Link>
            .
          </p>
        ) : null}
        {model.lineage.length ? (
          <ol className="border-l-2 border-accent pl-4">
            {model.lineage.map((item) => (
              <li key={item.id} className="relative py-1">
                <span aria-hidden className="absolute top-3 -left-[21px] size-2 rounded-full bg-accent" />
                <span className="text-xs text-muted">{KINDS[item.kind] ?? item.kind}</span>{" "}
                {item.run_id && !model.builtin ? (
                  <Link
                    href={runHref(item.run_id)}
                    className="font-medium underline-offset-4 hover:underline"
                  >
                    {item.name}
                  </Link>
                ) : (
                  <span className="font-medium">{item.name}</span>
                )}
              </li>
            ))}
          </ol>
        ) : model.builtin ? null : (
          <p className="text-muted">Nothing is recorded.</p>
        )}
      </section>
      {model.run_id || Object.keys(model.config).length ? (
        <section>
          <div className="mb-2 flex items-center justify-between gap-2">
            <h3 className="font-semibold">How to make it again</h3>
            <CopyButton text={yaml} label="Copy" />
          </div>
          <p className="mb-2 text-sm text-pretty text-muted">
            A run with these settings and the same parents gives the same weights on the same kind of machine.
          </p>
          <pre
            tabIndex={0}
            role="region"
            aria-label="Configuration"
            className="max-h-72 overflow-auto rounded-lg bg-surface-2 p-3 font-mono text-xs leading-5 whitespace-pre-wrap"
          >
            {yaml}
          </pre>
        </section>
      ) : null}
      <p className="font-mono text-xs break-all text-muted">{model.id}</p>
    </>
  );
}
