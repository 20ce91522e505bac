"use client";

import { ClipboardPaste, FileUp, X } from "lucide-react";
import Link from "next/link";
import { type DragEvent, useId, useRef, useState } from "react";

import { Button } from "@/components/ui/button";
import { Field, Input, Select } from "@/components/ui/field";
import { ProgressBar } from "@/components/ui/progress";
import { formatBytes, formatNumber } from "@/lib/format";
import { SUFFIXES } from "@/lib/uploads";
import { cn, runHref } from "@/lib/utils";

import { useTextUpload } from "./use-text-upload";

const BOX = "rounded-lg border border-dashed border-border-strong px-3 py-2.5";

/** The way in for a text of one's own: dropped, picked or pasted; then its progress until it is a data set. */
export function TextDrop({ onMade }: { onMade: (dataset: string) => void }) {
  const upload = useTextUpload(onMade);
  const { state } = upload;
  const [over, setOver] = useState(false);
  const [pasting, setPasting] = useState(false);
  const picker = useRef<HTMLInputElement>(null);
  const free = state.kind === "idle" || state.kind === "failed";
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    if (free) void upload.send([...event.dataTransfer.files]);
  };
  return (
    <div
      role="group"
      aria-label="A text of your own"
      onDragOver={(event) => {
        event.preventDefault();
        setOver(free);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
      className={cn(BOX, "transition-colors duration-100", over && "border-accent bg-accent-soft")}
    >
      {state.kind === "sending" ? (
        <Progress
          name={`Receiving ${state.name}`}
          share={state.total ? state.sent / state.total : null}
          said={`${formatBytes(state.sent)} of ${formatBytes(state.total)}`}
          onCancel={upload.cancel}
        />
      ) : state.kind === "preparing" ? (
        <Progress
          name={`Preparing ${state.name}`}
          share={null}
          said={
            upload.run?.progress.done ? `${formatNumber(upload.run.progress.done)} documents` : "Starting"
          }
          href={state.run ? runHref(state.run) : undefined}
          onCancel={upload.cancel}
        />
      ) : state.kind === "asking" ? (
        <WhichField
          name={state.name}
          fields={state.upload.fields}
          onPick={(field) => void upload.prepare(state.upload, state.name, field)}
          onCancel={upload.cancel}
        />
      ) : pasting ? (
        <Paste
          onUse={(text, name) => {
            setPasting(false);
            const called = name.trim() || "Pasted text";
            void upload.send([new File([text], "pasted.txt", { type: "text/plain" })], called);
          }}
          onClose={() => setPasting(false)}
        />
      ) : (
        <div className="flex flex-wrap items-center gap-x-3 gap-y-2">
          <p className="min-w-44 flex-1 text-sm text-pretty text-muted">
            <span className="font-medium text-foreground">A text of your own:</span> drop it here.{" "}
            <span className="whitespace-nowrap">.txt, .md or .jsonl</span>
            {upload.most ? `, up to ${formatBytes(upload.most)}` : ""}
          </p>
          <div className="flex gap-2">
            <Button size="sm" onClick={() => picker.current?.click()}>
              <FileUp aria-hidden /> Choose files
            </Button>
            <Button size="sm" onClick={() => setPasting(true)}>
              <ClipboardPaste aria-hidden /> Paste
            </Button>
          </div>
        </div>
      )}
      {state.kind === "failed" && !pasting ? (
        <p role="alert" className="mt-2 flex items-start gap-2 text-sm break-words text-bad">
          <span className="min-w-0 flex-1">{state.message}</span>
          <button type="button" aria-label="Close" className="rounded-sm" onClick={upload.cancel}>
            <X className="mt-0.5 size-4" aria-hidden />
          </button>
        </p>
      ) : null}
      <input
        ref={picker}
        type="file"
        multiple
        accept={SUFFIXES.join(",")}
        aria-label="Files of text"
        className="hidden"
        onChange={(event) => {
          void upload.send([...(event.target.files ?? [])]);
          event.target.value = "";
        }}
      />
    </div>
  );
}

function Progress({
  name,
  share,
  said,
  href,
  onCancel,
}: {
  name: string;
  share: number | null;
  said: string;
  href?: string;
  onCancel: () => void;
}) {
  return (
    <div className="flex items-center gap-3">
      <div className="min-w-0 flex-1">
        <p className="flex items-baseline gap-2 text-sm">
          <span className="min-w-0 truncate font-medium">
            {href ? (
              <Link href={href} className="hover:underline">
                {name}
              </Link>
            ) : (
              name
            )}
          </span>
          <span className="ml-auto shrink-0 text-muted figures" aria-live="polite">
            {said}
          </span>
        </p>
        <ProgressBar value={share} label={name} className="mt-1.5" />
      </div>
      <Button size="sm" onClick={onCancel}>
        Cancel
      </Button>
    </div>
  );
}

function WhichField({
  name,
  fields,
  onPick,
  onCancel,
}: {
  name: string;
  fields: readonly string[];
  onPick: (field: string) => void;
  onCancel: () => void;
}) {
  const id = useId();
  const [field, setField] = useState(fields[0] ?? "");
  return (
    <div className="flex flex-wrap items-end gap-3">
      <div className="min-w-44 flex-1 [&_span]:w-full">
        <Field label={`Which field of ${name} holds the text?`} htmlFor={id}>
          <Select id={id} value={field} onChange={(event) => setField(event.target.value)}>
            {fields.map((item) => (
              <option key={item}>{item}</option>
            ))}
          </Select>
        </Field>
      </div>
      <Button onClick={() => onPick(field)}>Use it</Button>
      <Button look="ghost" onClick={onCancel}>
        Cancel
      </Button>
    </div>
  );
}

function Paste({ onUse, onClose }: { onUse: (text: string, name: string) => void; onClose: () => void }) {
  const id = useId();
  const [text, setText] = useState("");
  const [name, setName] = useState("");
  return (
    <div className="flex flex-col gap-3">
      <Field
        label="Your text"
        htmlFor={`${id}-text`}
        value={text ? `${formatNumber(text.length)} characters` : undefined}
      >
        <textarea
          id={`${id}-text`}
          value={text}
          rows={6}
          autoFocus
          spellCheck={false}
          onChange={(event) => setText(event.target.value)}
          className="w-full resize-y rounded-lg border border-border-strong bg-surface px-3 py-2 text-base"
        />
      </Field>
      <div className="flex flex-wrap items-end gap-2">
        <div className="min-w-40 flex-1">
          <Field label="Its name" htmlFor={`${id}-name`}>
            <Input
              id={`${id}-name`}
              value={name}
              maxLength={100}
              placeholder="Pasted text"
              onChange={(event) => setName(event.target.value)}
            />
          </Field>
        </div>
        <Button disabled={!text.trim()} onClick={() => onUse(text, name)}>
          Use this text
        </Button>
        <Button look="ghost" onClick={onClose}>
          Cancel
        </Button>
      </div>
    </div>
  );
}
