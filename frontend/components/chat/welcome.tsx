import { CornerDownRight } from "lucide-react";

import type { Model } from "@/lib/types";

/** What this model knows, and questions to begin with. */
export function Welcome({ model, onAsk }: { model: Model; onAsk: (text: string) => void }) {
  return (
    <div className="flex min-h-0 flex-1 overflow-y-auto px-4 py-8 sm:px-6" tabIndex={-1}>
      <div className="m-auto w-full max-w-3xl">
        <h2 className="text-xl font-semibold tracking-tight break-words">{model.name}</h2>
        {model.about ? <p className="mt-1 max-w-[65ch] text-pretty text-muted">{model.about}</p> : null}
        {!model.chat ? (
          <p className="mt-3 max-w-[65ch] rounded-lg bg-warn-soft px-3 py-2 text-sm text-pretty">
            This is a base model: it was never taught to answer. It goes on from whatever you write, so begin
            a story.
          </p>
        ) : null}
        {model.knows.length ? (
          <>
            <h3 className="mt-6 text-sm font-medium">What this model knows</h3>
            <ul className="mt-1.5 grid gap-x-8 gap-y-1 text-sm text-muted sm:grid-cols-2">
              {model.knows.map((item) => (
                <li key={item} className="flex gap-2">
                  <span aria-hidden className="mt-2 size-1.5 shrink-0 rounded-full bg-accent" />
                  {item}
                </li>
              ))}
            </ul>
          </>
        ) : null}
        {model.suggested_questions.length ? (
          <>
            <h3 className="mt-6 text-sm font-medium">{model.chat ? "Try to ask" : "Try to begin with"}</h3>
            <ul className="mt-2 flex flex-col gap-2">
              {model.suggested_questions.slice(0, 5).map((question) => (
                <li key={question}>
                  <button
                    type="button"
                    onClick={() => onAsk(question)}
                    className="flex w-full items-start gap-2.5 rounded-lg border bg-surface px-3.5 py-2.5 text-left hover:border-accent hover:bg-accent-soft"
                  >
                    <CornerDownRight className="mt-0.5 size-4 shrink-0 text-accent" aria-hidden />
                    {question}
                  </button>
                </li>
              ))}
            </ul>
          </>
        ) : null}
      </div>
    </div>
  );
}
