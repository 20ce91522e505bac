"use client";

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";

import { ApiError, api } from "@/lib/api";
import { applyRun, useFollow, useRun } from "@/lib/queries";
import { isAlive, type RunDetail } from "@/lib/types";
import { nameOfFiles, refusal, sendFile, type Upload, uploads } from "@/lib/uploads";

export type UploadState =
  | { kind: "idle" }
  | { kind: "sending"; name: string; sent: number; total: number }
  /** Of JSON lines it is not clear which field holds the text. */
  | { kind: "asking"; name: string; upload: Upload }
  | { kind: "preparing"; name: string; upload: Upload; run: string | null }
  | { kind: "failed"; message: string };

const wordsOf = (error: unknown): string =>
  [error instanceof Error ? error.message : String(error), error instanceof ApiError ? error.hint : null]
    .filter(Boolean)
    .join(" ");
const forget = (upload: string) => void uploads.remove(upload).catch(() => undefined); // it is gone already

/**
 * A text on its way from the reader's disk to a data set: sent file by file, then prepared as a run.
 *
 * @param onMade gets the id of the data set.
 */
export function useTextUpload(onMade: (dataset: string) => void) {
  const client = useQueryClient();
  const [state, setState] = useState<UploadState>({ kind: "idle" });
  const stop = useRef<AbortController | null>(null);
  useEffect(() => () => stop.current?.abort(), []);
  const limits = useQuery({
    queryKey: ["uploads"],
    queryFn: ({ signal }) => uploads.list(signal),
    staleTime: 600_000,
  });
  const most = limits.data?.max_bytes;

  const prepare = useCallback(
    async (upload: Upload, name: string, field: string | null) => {
      setState({ kind: "preparing", name, upload, run: null });
      try {
        const run = await api.startRun({
          stage: "data.prepare",
          name: `Text: ${name}`,
          config: {
            source: upload.source,
            path: upload.path,
            name,
            ...(field === null || field === "text" ? {} : { text_field: field }),
          },
        });
        applyRun(client, run);
        setState({ kind: "preparing", name, upload, run: run.id });
      } catch (error) {
        forget(upload.id);
        setState({ kind: "failed", message: wordsOf(error) });
      }
    },
    [client],
  );

  const send = useCallback(
    async (files: readonly File[], called?: string) => {
      const wrong = files.map((file) => refusal(file, most)).find(Boolean);
      if (!files.length) return;
      if (wrong) return setState({ kind: "failed", message: wrong });
      const name = called?.trim() || nameOfFiles(files);
      const total = files.reduce((sum, file) => sum + file.size, 0);
      const abort = new AbortController();
      stop.current = abort;
      let upload: Upload | null = null;
      let before = 0;
      setState({ kind: "sending", name, sent: 0, total });
      try {
        for (const file of files) {
          const done = before;
          const told = (sent: number) => setState({ kind: "sending", name, sent: done + sent, total });
          upload = await sendFile(file, upload?.id ?? null, told, abort.signal);
          before += file.size;
        }
      } catch (error) {
        if (upload) forget(upload.id);
        const aborted = error instanceof DOMException && error.name === "AbortError";
        return setState(aborted ? { kind: "idle" } : { kind: "failed", message: wordsOf(error) });
      }
      if (!upload) return;
      if (upload.source === "jsonl" && upload.text_field === null)
        return setState({ kind: "asking", name, upload });
      return void prepare(upload, name, upload.text_field);
    },
    [most, prepare],
  );

  const runId = state.kind === "preparing" ? state.run : null;
  const run = useRun(runId);
  useFollow(runId);
  const detail: RunDetail | undefined = runId === null ? undefined : run.data;
  const settled = useRef<string | null>(null);
  useEffect(() => {
    if (!detail || isAlive(detail) || state.kind !== "preparing" || settled.current === detail.id) return;
    settled.current = detail.id;
    const { upload } = state;
    const settle = async () => {
      if (!detail.output) forget(upload.id);
      await client.invalidateQueries({ queryKey: ["artifacts", "dataset"] });
      if (detail.output) onMade(detail.output);
      const { message, hint } = detail.error ?? { message: "It ended early.", hint: null };
      const fine = detail.output !== null || detail.state === "stopped";
      setState(
        fine ? { kind: "idle" } : { kind: "failed", message: [message, hint].filter(Boolean).join(" ") },
      );
    };
    void settle();
  }, [detail, state, client, onMade]);

  const cancel = useCallback(() => {
    if (state.kind === "sending") stop.current?.abort();
    if (state.kind === "asking") forget(state.upload.id);
    if (state.kind === "preparing" && state.run) void api.stopRun(state.run).catch(() => undefined); // it ended
    if (state.kind === "asking" || state.kind === "failed") setState({ kind: "idle" });
  }, [state]);

  return { state, run: detail, most, send, prepare, cancel };
}
