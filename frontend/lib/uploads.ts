/** Texts of one's own: which files may come, and how they are sent. */

import { ApiError, readError, request } from "./api";
import type { components } from "./api.gen";

type Schemas = components["schemas"];
export type Upload = Schemas["UploadInfo"];
export type UploadList = Schemas["UploadList"];

export const SUFFIXES = [".txt", ".md", ".jsonl", ".ndjson"] as const;
const BASE = "/api/v1/data";
const at = encodeURIComponent;

/** Why a file cannot come, in words; null where it can. */
export function refusal(file: File, most: number | undefined): string | null {
  const name = file.name.toLowerCase();
  if (!SUFFIXES.some((suffix) => name.endsWith(suffix)))
    return `${file.name} is of a kind that is not read here: files may end in ${SUFFIXES.join(", ")}.`;
  if (file.size === 0) return `${file.name} is empty.`;
  if (most !== undefined && file.size > most)
    return `${file.name} has ${file.size.toLocaleString("en-US")} bytes; the most is ${most.toLocaleString("en-US")}.`;
  return null;
}

/** What several files are called together: "tale and 2 more". */
export function nameOfFiles(files: readonly { name: string }[]): string {
  const first = (files[0]?.name ?? "text").replace(/\.[^.]+$/, "") || "text";
  return (files.length > 1 ? `${first} and ${files.length - 1} more` : first).slice(0, 100);
}

/**
 * Sends one file, telling how many bytes have gone; fails in words as `request` does, and with an AbortError
 * when the signal aborts.
 *
 * @param into the upload that the file joins; null begins one.
 */
export function sendFile(
  file: File,
  into: string | null,
  onSent: (bytes: number) => void,
  signal: AbortSignal,
): Promise<Upload> {
  return new Promise((resolve, reject) => {
    // fetch does not tell how far a body has come
    const sender = new XMLHttpRequest();
    sender.open("POST", `${BASE}/upload?name=${at(file.name)}${into === null ? "" : `&into=${at(into)}`}`);
    sender.setRequestHeader("content-type", "application/octet-stream");
    sender.upload.onprogress = ({ loaded }) => onSent(Math.min(loaded, file.size));
    sender.onload = () => {
      const answer = new Response(sender.responseText, { status: sender.status });
      const settled = answer.ok ? (answer.json() as Promise<Upload>) : readError(answer).then(reject);
      settled.then((upload) => upload && resolve(upload), reject);
    };
    sender.onerror = () =>
      reject(
        new ApiError(
          "The connection ended before all of the file had come.",
          0,
          "Is the program still running?",
        ),
      );
    sender.onabort = () => reject(new DOMException("Aborted", "AbortError"));
    if (signal.aborted) return sender.onabort?.(new ProgressEvent("abort"));
    signal.addEventListener("abort", () => sender.abort(), { once: true });
    sender.send(file);
    return undefined;
  });
}

export const uploads = {
  list: (signal?: AbortSignal) => request<UploadList>(`${BASE}/uploads`, { signal }),
  remove: (id: string) => request<unknown>(`${BASE}/uploads/${at(id)}`, { method: "DELETE" }),
  removeDataset: (id: string) => request<unknown>(`${BASE}/datasets/${at(id)}`, { method: "DELETE" }),
  restoreDataset: (id: string) => request<unknown>(`${BASE}/datasets/${at(id)}/restore`, { method: "POST" }),
};
