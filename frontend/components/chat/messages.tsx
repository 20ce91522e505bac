"use client";

import { Pencil, RotateCw } from "lucide-react";
import { type KeyboardEvent, useEffect, useLayoutEffect, useRef, useState } from "react";

import { CopyButton } from "@/components/copy-button";
import { Button } from "@/components/ui/button";
import { Failure } from "@/components/ui/states";
import { ApiError } from "@/lib/api";
import type { ChatState, ReplyFacts } from "@/lib/chat";
import { formatNumber } from "@/lib/format";
import { cn } from "@/lib/utils";

/** The turns of a conversation; the view stays at the end unless the reader has scrolled up. */
export function Messages({
  state,
  modelName,
  onAgain,
  onEdit,
}: {
  state: ChatState;
  modelName: string;
  onAgain: () => void;
  onEdit: (text: string) => void;
}) {
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const busy = state.draft !== null;
  const lastQuestion = state.messages.findLastIndex((message) => message.role === "user");
  const lastReply = state.messages.at(-1)?.role === "assistant" ? state.messages.length - 1 : -1;

  useEffect(() => {
    if (busy) atEnd.current = true;
  }, [busy]);
  useLayoutEffect(() => {
    const node = box.current;
    if (node && atEnd.current) node.scrollTop = node.scrollHeight;
  }, [state]);

  return (
    <div
      ref={box}
      onScroll={(event) => {
        const node = event.currentTarget;
        atEnd.current = node.scrollHeight - node.scrollTop - node.clientHeight < 48;
      }}
      tabIndex={0}
      role="log"
      aria-label="Messages"
      aria-busy={busy}
      className="min-h-0 flex-1 overflow-y-auto px-4 py-6 focus-visible:outline-offset-[-3px] sm:px-6"
    >
      <ol className="mx-auto flex max-w-3xl flex-col gap-6">
        {state.messages.map((message, place) =>
          message.role === "user" ? (
            <Question
              key={place}
              text={message.content}
              onEdit={place === lastQuestion && !busy ? onEdit : undefined}
            />
          ) : (
            <Reply key={place} name={modelName} text={message.content}>
              <CopyButton text={message.content} label="Copy the reply" iconOnly />
              {place === lastReply && !busy ? (
                <>
                  <Button
                    look="ghost"
                    size="icon"
                    onClick={onAgain}
                    aria-label="Another reply"
                    title="Another reply"
                  >
                    <RotateCw />
                  </Button>
                  {state.facts ? <Facts facts={state.facts} /> : null}
                </>
              ) : null}
            </Reply>
          ),
        )}
        {state.draft !== null ? <Reply name={modelName} text={state.draft} writing /> : null}
        {state.facts && lastReply < 0 ? (
          <li className="text-sm text-muted">
            {state.facts.finish === "stopped"
              ? "Stopped before the first word."
              : "The model had nothing to say."}{" "}
            <Again onClick={onAgain} />
          </li>
        ) : null}
        {state.error ? (
          <li>
            <Failure
              what="No reply."
              error={new ApiError(state.error.message, 0, state.error.hint)}
              retry={onAgain}
            />
          </li>
        ) : null}
      </ol>
    </div>
  );
}

function Again({ onClick }: { onClick: () => void }) {
  return (
    <button
      type="button"
      onClick={onClick}
      className="rounded-sm font-medium text-accent-ink underline decoration-current/40 underline-offset-4 hover:decoration-current"
    >
      Ask again
    </button>
  );
}

function Facts({ facts }: { facts: ReplyFacts }) {
  const speed = facts.seconds > 0.05 && facts.tokens > 1 ? facts.tokens / facts.seconds : null;
  return (
    <span className="ml-1.5 text-xs text-muted figures">
      {formatNumber(facts.tokens)} {facts.tokens === 1 ? "token" : "tokens"}
      {speed ? `, ${formatNumber(speed, speed < 10 ? 1 : 0)} per second` : null}
      {facts.finish === "length" ? ", cut at the longest reply" : null}
      {facts.finish === "stopped" ? ", stopped" : null}
      {facts.dropped
        ? `; the ${facts.dropped === 1 ? "oldest message" : `${facts.dropped} oldest messages`} did not fit into its context`
        : null}
    </span>
  );
}

function Reply({
  name,
  text,
  writing = false,
  children,
}: {
  name: string;
  text: string;
  writing?: boolean;
  children?: React.ReactNode;
}) {
  return (
    <li className="group flex flex-col gap-1">
      <span className="text-xs font-medium text-muted">{name}</span>
      <p className={cn("text-[15px] leading-6 break-words whitespace-pre-wrap", writing && "caret")}>
        {text}
      </p>
      {children ? (
        <div className="-ml-2 flex min-h-8 items-center">{children}</div>
      ) : (
        <div className="min-h-8" />
      )}
    </li>
  );
}

function Question({ text, onEdit }: { text: string; onEdit?: (text: string) => void }) {
  const [draft, setDraft] = useState<string | null>(null);
  if (draft !== null && onEdit) {
    const send = () => {
      if (!draft.trim()) return;
      setDraft(null);
      onEdit(draft.trim());
    };
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "Escape") setDraft(null);
      if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
        event.preventDefault();
        send();
      }
    };
    return (
      <li className="flex flex-col gap-2 rounded-xl border bg-surface p-3">
        <label className="sr-only" htmlFor="edit-question">
          Edit the question
        </label>
        <textarea
          id="edit-question"
          autoFocus
          value={draft}
          rows={Math.min(8, draft.split("\n").length + 1)}
          onChange={(event) => setDraft(event.target.value)}
          onKeyDown={onKey}
          className="w-full resize-none rounded-lg bg-transparent p-1 text-[15px] leading-6"
        />
        <div className="flex justify-end gap-2">
          <Button look="ghost" size="sm" onClick={() => setDraft(null)}>
            Cancel
          </Button>
          <Button look="primary" size="sm" onClick={send} disabled={!draft.trim()}>
            Ask again
          </Button>
        </div>
      </li>
    );
  }
  return (
    <li className="flex items-start justify-end gap-1 pl-8 sm:pl-16">
      {onEdit ? (
        <Button
          look="ghost"
          size="icon"
          data-edit-question
          onClick={() => setDraft(text)}
          aria-label="Edit the question"
          title="Edit the question"
        >
          <Pencil />
        </Button>
      ) : null}
      <p className="min-w-0 rounded-xl rounded-tr-sm bg-accent-soft px-3.5 py-2 text-[15px] leading-6 break-words whitespace-pre-wrap">
        {text}
      </p>
    </li>
  );
}
