"use client";

import { useQuery } from "@tanstack/react-query";
import { Check, X } from "lucide-react";
import { useState } from "react";

import { Card, CardHeader } from "@/components/ui/card";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { Choice } from "@/components/ui/toggle-group";
import { api } from "@/lib/api";

type Show = "all" | "wrong" | "right";

/** Questions of an evaluation with what was expected and what the model said. */
export function Answers({ evaluation }: { evaluation: string }) {
  const [show, setShow] = useState<Show>("all");
  const answers = useQuery({
    queryKey: ["answers", evaluation],
    queryFn: ({ signal }) => api.answers(evaluation, signal),
    staleTime: Infinity,
  });
  const shown = answers.data?.filter((item) => show === "all" || item.correct === (show === "right")) ?? [];
  const count = (correct: boolean) => answers.data?.filter((item) => item.correct === correct).length ?? 0;
  return (
    <Card>
      <CardHeader title="Some of its answers" note="wrong ones first">
        {answers.data?.length ? (
          <Choice
            label="Which answers"
            value={show}
            onChange={setShow}
            options={[
              { value: "all", label: "All" },
              { value: "wrong", label: `Wrong ${count(false)}` },
              { value: "right", label: `Right ${count(true)}` },
            ]}
          />
        ) : null}
      </CardHeader>
      {answers.isPending ? <Skeleton className="m-4 h-40" /> : null}
      {answers.isError ? (
        <Failure
          className="m-4"
          what="The answers could not be read."
          error={answers.error}
          retry={() => void answers.refetch()}
        />
      ) : null}
      {answers.data && !shown.length ? (
        <p className="px-4 pt-1 pb-4 text-muted sm:px-5">There are none to show.</p>
      ) : null}
      <ol className="max-h-96 overflow-y-auto" tabIndex={0} aria-label="Answers">
        {shown.map((item) => (
          <li key={item.id} className="flex items-start gap-3 border-t px-4 py-2.5 first:border-t-0 sm:px-5">
            {item.correct ? (
              <Check className="mt-0.5 size-4 shrink-0 text-good" aria-label="right" />
            ) : (
              <X className="mt-0.5 size-4 shrink-0 text-bad" aria-label="wrong" />
            )}
            <div className="min-w-0 flex-1 text-sm break-words">
              <p className="text-muted">{item.question}</p>
              <p>
                {item.reply || "(nothing)"}
                {item.correct ? null : <span className="text-muted"> (expected: {item.expected})</span>}
              </p>
            </div>
          </li>
        ))}
      </ol>
    </Card>
  );
}
