import type {
  AnsweredQuestion,
  Conversation,
  ConversationChanges,
  ConversationInfo,
  Health,
  Metrics,
  Model,
  ModelDetail,
  NewConversation,
  Recipe,
  RecipeDetail,
  Run,
  RunDetail,
  RunEvent,
  RunRequest,
} from "./types";
import { withQuery } from "./utils";

/** An answer that was not a success, in the words of the program. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly hint: string | null = null,
    readonly field: string | null = null,
    /** Every setting at fault, where settings are wrong. */
    readonly problems: readonly { field: string; message: string }[] = [],
  ) {
    super(message);
    this.name = "ApiError";
  }
}

/** Reads the error body of the REST contract (or of the OpenAI-compatible one); never throws. */
export async function readError(response: Response): Promise<ApiError> {
  let message = `The program answered ${response.status} ${response.statusText}`.trim() + ".";
  let hint: string | null = null;
  let field: string | null = null;
  let problems: readonly { field: string; message: string }[] = [];
  try {
    const body = (await response.json()) as {
      error?: {
        message?: string;
        hint?: string | null;
        field?: string | null;
        param?: string | null;
        problems?: { field: string; message: string }[] | null;
      };
      detail?: unknown;
    };
    if (body.error?.message) message = body.error.message;
    else if (typeof body.detail === "string") message = body.detail;
    hint = body.error?.hint ?? null;
    field = body.error?.field ?? body.error?.param ?? null;
    problems = body.error?.problems ?? [];
  } catch {
    // a body that is not JSON adds nothing to the status line
  }
  return new ApiError(message, response.status, hint, field, problems);
}

/** One request; throws ApiError with clear words, also when the program cannot be reached. */
export async function request<T>(path: string, init: RequestInit = {}): Promise<T> {
  let text: string;
  try {
    const response = await fetch(path, {
      ...init,
      headers: init.body ? { "content-type": "application/json", ...init.headers } : init.headers,
    });
    if (!response.ok) throw await readError(response);
    text = await response.text(); // may break off midway, like the request itself
  } catch (error) {
    if (error instanceof ApiError || (error instanceof DOMException && error.name === "AbortError"))
      throw error;
    throw new ApiError("The program does not answer.", 0, "Is it still running? Start it with `make run`.");
  }
  if (!text) return undefined as T;
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new ApiError(
      "The program sent an answer that cannot be read.",
      0,
      "Does something else answer at this address?",
    );
  }
}

const get = <T>(path: string, signal?: AbortSignal) => request<T>(path, { signal });
const send = <T>(method: string, path: string, body?: unknown) =>
  request<T>(path, { method, body: body === undefined ? undefined : JSON.stringify(body) });
const at = encodeURIComponent;
const CONVERSATIONS = "/api/v1/playground/conversations";

export const api = {
  health: (signal?: AbortSignal) => get<Health>("/api/v1/health", signal),
  recipes: async (signal?: AbortSignal) =>
    (await get<{ recipes: Recipe[] }>("/api/v1/recipes", signal)).recipes,
  recipe: (name: string, signal?: AbortSignal) => get<RecipeDetail>(`/api/v1/recipes/${at(name)}`, signal),

  runs: async (signal?: AbortSignal) => (await get<{ runs: Run[] }>("/api/v1/runs", signal)).runs,
  run: (id: string, signal?: AbortSignal) => get<RunDetail>(`/api/v1/runs/${at(id)}`, signal),
  startRun: (body: Partial<RunRequest> & Pick<RunRequest, "stage">) =>
    send<Run>("POST", "/api/v1/runs", body),
  stopRun: (id: string) => send<Run>("POST", `/api/v1/runs/${at(id)}/stop`),
  resumeRun: (id: string) => send<Run>("POST", `/api/v1/runs/${at(id)}/resume`),
  deleteRun: (id: string) => send<unknown>("DELETE", `/api/v1/runs/${at(id)}`),
  restoreRun: (id: string) => send<Run>("POST", `/api/v1/runs/${at(id)}/restore`),
  metrics: (
    id: string,
    points = 800,
    signal?: AbortSignal,
    part: { names?: string; start?: number; end?: number } = {},
  ) =>
    get<Metrics>(
      withQuery(`/api/v1/runs/${at(id)}/metrics`, {
        points: String(points),
        names: part.names,
        start: part.start?.toString(),
        end: part.end?.toString(),
      }),
      signal,
    ),
  events: async (id: string, types: string, signal?: AbortSignal) =>
    (await get<{ events: RunEvent[] }>(`/api/v1/runs/${at(id)}/events?types=${at(types)}`, signal)).events,
  log: async (id: string, tail = 400, signal?: AbortSignal) =>
    (await get<{ text: string }>(`/api/v1/runs/${at(id)}/log?tail=${tail}`, signal)).text,

  models: async (signal?: AbortSignal) => (await get<{ models: Model[] }>("/api/v1/models", signal)).models,
  model: (id: string, signal?: AbortSignal) => get<ModelDetail>(`/api/v1/models/${at(id)}`, signal),
  deleteModel: (id: string) => send<unknown>("DELETE", `/api/v1/models/${at(id)}`),
  restoreModel: (id: string) => send<unknown>("POST", `/api/v1/models/${at(id)}/restore`),

  answers: async (id: string, signal?: AbortSignal) =>
    (await get<{ examples?: AnsweredQuestion[] }>(`/api/v1/artifacts/${at(id)}/results`, signal)).examples ??
    [],

  conversations: async (signal?: AbortSignal) =>
    (await get<{ conversations: ConversationInfo[] }>(CONVERSATIONS, signal)).conversations,
  conversation: (id: string, signal?: AbortSignal) => get<Conversation>(`${CONVERSATIONS}/${at(id)}`, signal),
  createConversation: (body: NewConversation) => send<Conversation>("POST", CONVERSATIONS, body),
  saveConversation: (id: string, changes: ConversationChanges) =>
    send<Conversation>("PUT", `${CONVERSATIONS}/${at(id)}`, changes),
  deleteConversation: (id: string) => send<unknown>("DELETE", `${CONVERSATIONS}/${at(id)}`),
  restoreConversation: (id: string) => send<Conversation>("POST", `${CONVERSATIONS}/${at(id)}/restore`),
};
