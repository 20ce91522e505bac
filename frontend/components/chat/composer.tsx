"use client";

import { ArrowUp, Square } from "lucide-react";
import { type KeyboardEvent, useEffect, useRef, useState } from "react";

import { Button } from "@/components/ui/button";

/** Where one writes. Enter sends, Shift-Enter breaks the line, Esc stops the reply. */
export function Composer({
  busy,
  chat,
  onSend,
  onStop,
}: {
  busy: boolean;
  chat: boolean;
  onSend: (text: string) => void;
  onStop: () => void;
}) {
  const [text, setText] = useState("");
  const field = useRef<HTMLTextAreaElement>(null);

  useEffect(() => {
    const node = field.current;
    if (!node) return;
    node.style.height = "auto";
    node.style.height = `${Math.min(node.scrollHeight, 200)}px`;
  }, [text]);
  useEffect(() => {
    if (!busy) return undefined;
    const onKey = (event: globalThis.KeyboardEvent) => {
      if (event.key === "Escape" && !document.querySelector('[role="dialog"]')) onStop();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [busy, onStop]);

  const send = () => {
    if (busy || !text.trim()) return;
    onSend(text.trim());
    setText("");
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      send();
    } else if (event.key === "ArrowUp" && !text) {
      const edit = document.querySelector<HTMLButtonElement>("[data-edit-question]");
      if (edit) {
        event.preventDefault();
        edit.click();
      }
    }
  };

  return (
    <div className="px-4 pt-1 pb-4 sm:px-6">
      <div className="mx-auto flex max-w-3xl items-end gap-2 rounded-xl border border-border-strong bg-surface p-1.5 shadow-card focus-within:outline-3 focus-within:outline-offset-1 focus-within:outline-ring">
        <label htmlFor="question" className="sr-only">
          {chat ? "Your question" : "Your text"}
        </label>
        <textarea
          ref={field}
          id="question"
          rows={1}
          value={text}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={onKey}
          placeholder={chat ? "Ask something" : "Begin a text"}
          className="max-h-50 min-h-9 min-w-0 flex-1 resize-none bg-transparent px-2.5 py-1.5 text-[15px] leading-6 outline-none placeholder:text-muted"
        />
        {busy ? (
          <Button size="md" onClick={onStop} title="Stop the reply (Esc)">
            <Square aria-hidden /> Stop
          </Button>
        ) : (
          <Button
            look="primary"
            size="icon"
            className="size-9"
            onClick={send}
            disabled={!text.trim()}
            aria-label="Send"
          >
            <ArrowUp />
          </Button>
        )}
      </div>
    </div>
  );
}
