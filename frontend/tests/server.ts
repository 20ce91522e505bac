import { vi } from "vitest";

import { HEALTH, QUICKSTART } from "./samples";

export interface Asked {
  method: string;
  path: string;
  query: URLSearchParams;
  body: unknown;
  signal: AbortSignal | null;
}
type Answer = (asked: Asked) => unknown;

/** A JSON answer with a status; what a route returns is sent as 200 unless it is a Response already. */
export const answer = (status: number, body: unknown, headers: Record<string, string> = {}): Response =>
  new Response(typeof body === "string" ? body : JSON.stringify(body), {
    status,
    headers: { "content-type": "application/json", ...headers },
  });

/** The program with an empty workspace. */
const EMPTY_WORKSPACE: Record<string, unknown> = {
  "GET /api/v1/health": HEALTH,
  "GET /api/v1/recipes": { recipes: [QUICKSTART] },
  "GET /api/v1/recipes/quickstart": { ...QUICKSTART, config: { name: "quickstart", steps: [] } },
  "GET /api/v1/runs": { runs: [] },
  "GET /api/v1/models": { models: [] },
  "GET /api/v1/playground/conversations": { conversations: [] },
};

/**
 * Takes the place of fetch: answers by "METHOD /path" (without the query) and keeps what was asked. A route
 * that nobody gave fails the request as an unreachable program does.
 */
export function serve(routes: Record<string, unknown> = {}) {
  const all: Record<string, unknown> = { ...EMPTY_WORKSPACE, ...routes };
  const asked: Asked[] = [];
  const fake = vi.fn(async (input: string, init: RequestInit = {}): Promise<Response> => {
    const [path = "", query] = input.split("?");
    const request: Asked = {
      method: init.method ?? "GET",
      path,
      query: new URLSearchParams(query),
      body: typeof init.body === "string" ? JSON.parse(init.body) : undefined,
      signal: init.signal ?? null,
    };
    asked.push(request);
    const key = `${request.method} ${path}`;
    if (!(key in all)) throw new TypeError(`Failed to fetch ${key}`);
    const route = all[key];
    const found: unknown = typeof route === "function" ? await (route as Answer)(request) : route;
    return found instanceof Response ? found : answer(200, found);
  });
  vi.stubGlobal("fetch", fake);
  const sent = (method: string, path: string) =>
    asked.filter((request) => request.method === method && request.path === path);
  return { fake, asked, sent, set: (key: string, value: unknown) => void (all[key] = value) };
}

/** A body of server-sent events that a test writes piece by piece; it breaks when the signal aborts. */
export function eventBody(signal?: AbortSignal | null) {
  let control!: ReadableStreamDefaultController<Uint8Array>;
  const cancelled = vi.fn();
  const stream = new ReadableStream<Uint8Array>({
    start: (given) => void (control = given),
    cancel: cancelled,
  });
  signal?.addEventListener("abort", () => control.error(new DOMException("Aborted", "AbortError")));
  const bytes = (text: string) => new TextEncoder().encode(text);
  return {
    response: new Response(stream, { headers: { "content-type": "text/event-stream" } }),
    stream,
    cancelled,
    write: (piece: string | Uint8Array) => control.enqueue(typeof piece === "string" ? bytes(piece) : piece),
    say: (content: string) =>
      control.enqueue(bytes(`data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`)),
    finish: () => {
      control.enqueue(bytes("data: [DONE]\n\n"));
      control.close();
    },
    end: () => control.close(),
    fail: () => control.error(new TypeError("network error")),
  };
}
