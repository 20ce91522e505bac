import { readError, ApiError } from "./api";
import { readEvents } from "./sse";
import type { ChatRequest, Message } from "./types";

/** How tokens are chosen. An empty field leaves it to the program. */
export interface Sampling {
  temperature: number;
  top_k: number | null;
  top_p: number | null;
  max_tokens: number;
  seed: number | null;
}

export const DEFAULT_SAMPLING: Sampling = {
  temperature: 0.7,
  top_k: 50,
  top_p: null,
  max_tokens: 200,
  seed: null,
};

/** Settings of a stored conversation, with the defaults for what is missing or of a wrong kind. */
export function readSampling(params: Record<string, unknown>): Sampling {
  const number = (name: keyof Sampling) =>
    typeof params[name] === "number" ? (params[name] as number) : null;
  return {
    temperature: number("temperature") ?? DEFAULT_SAMPLING.temperature,
    top_k: "top_k" in params ? number("top_k") : DEFAULT_SAMPLING.top_k,
    top_p: "top_p" in params ? number("top_p") : DEFAULT_SAMPLING.top_p,
    max_tokens: number("max_tokens") ?? DEFAULT_SAMPLING.max_tokens,
    seed: number("seed"),
  };
}

export interface ReplyFacts {
  tokens: number;
  seconds: number;
  finish: "stop" | "length" | "stopped";
  /** Oldest messages that did not fit into the model's context. */
  dropped: number;
}

export interface ChatState {
  messages: Message[];
  /** The reply that is being written, as far as it is; null while nobody writes. */
  draft: string | null;
  error: { message: string; hint: string | null } | null;
  facts: ReplyFacts | null;
}

export type ChatAction =
  | { type: "load"; messages: Message[] }
  | { type: "ask"; text: string }
  | { type: "again" }
  | { type: "edit"; text: string }
  | { type: "text"; text: string }
  | { type: "done"; facts: ReplyFacts }
  | { type: "fail"; message: string; hint: string | null };

export const EMPTY_CHAT: ChatState = { messages: [], draft: null, error: null, facts: null };

/** The conversation's state machine; asking starts an empty draft, which grows until done or failed. */
export function chatReducer(state: ChatState, action: ChatAction): ChatState {
  switch (action.type) {
    case "load":
      return { ...EMPTY_CHAT, messages: action.messages };
    case "ask":
      return asked([...state.messages, { role: "user", content: action.text }]);
    case "again":
      return asked(upToQuestion(state.messages));
    case "edit": {
      const kept = upToQuestion(state.messages).slice(0, -1);
      return asked([...kept, { role: "user", content: action.text }]);
    }
    case "text":
      return state.draft === null ? state : { ...state, draft: state.draft + action.text };
    case "done":
      return state.draft === null ? state : { ...settled(state), facts: action.facts };
    case "fail":
      return { ...settled(state), error: { message: action.message, hint: action.hint } };
  }
}

const asked = (messages: Message[]): ChatState => ({ messages, draft: "", error: null, facts: null });

/** The draft becomes the reply; an empty one leaves no message. */
function settled(state: ChatState): ChatState {
  const messages: Message[] = state.draft
    ? [...state.messages, { role: "assistant", content: state.draft }]
    : state.messages;
  return { messages, draft: null, error: null, facts: null };
}

/** The messages up to the last question, without its reply. */
export function upToQuestion(messages: readonly Message[]): Message[] {
  const last = messages.findLastIndex((message) => message.role === "user");
  return messages.slice(0, last + 1);
}

/** A title for a conversation: the start of its first question. */
export function titleOf(messages: readonly Message[]): string {
  const text = (messages.find((message) => message.role === "user")?.content ?? "")
    .replace(/\s+/g, " ")
    .trim();
  if (!text) return "New conversation";
  return text.length <= 60 ? text : `${text.slice(0, 57).trimEnd()}...`;
}

/** The body of the request for a reply. */
export function requestOf(model: string, messages: Message[], sampling: Sampling): ChatRequest {
  return {
    model,
    messages,
    stream: true,
    stream_options: { include_usage: true },
    temperature: sampling.temperature,
    max_tokens: sampling.max_tokens,
    ...(sampling.top_k !== null ? { top_k: sampling.top_k } : {}),
    ...(sampling.top_p !== null ? { top_p: sampling.top_p } : {}),
    ...(sampling.seed !== null ? { seed: sampling.seed } : {}),
  };
}

interface Chunk {
  choices?: { delta?: { content?: string | null }; finish_reason?: string | null }[];
  usage?: { completion_tokens?: number } | null;
  error?: { message?: string };
}

/**
 * Asks for a reply and calls back with each piece of text. Returns its facts; a reply that was stopped by the
 * signal is a reply too.
 *
 * @throws ApiError with the program's words.
 */
export async function streamReply(
  body: ChatRequest,
  onText: (text: string) => void,
  signal: AbortSignal,
): Promise<ReplyFacts> {
  const facts: ReplyFacts = { tokens: 0, seconds: 0, finish: "stop", dropped: 0 };
  let began = 0;
  let pieces = 0;
  try {
    const response = await fetch("/v1/chat/completions", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal,
    });
    if (!response.ok) throw await readError(response);
    if (!response.body) throw new ApiError("The reply came without content.", response.status);
    facts.dropped = Number(response.headers.get("x-dropped-messages") ?? 0) || 0;
    for await (const event of readEvents(response.body)) {
      if (event.data === "[DONE]") break;
      const chunk = JSON.parse(event.data) as Chunk;
      if (chunk.error) throw new ApiError(chunk.error.message ?? "The model stopped with an error.", 500);
      const choice = chunk.choices?.[0];
      const text = choice?.delta?.content;
      if (text) {
        began ||= performance.now();
        pieces += 1;
        onText(text);
      }
      if (choice?.finish_reason === "length") facts.finish = "length";
      if (chunk.usage?.completion_tokens) facts.tokens = chunk.usage.completion_tokens;
    }
  } catch (error) {
    if (!signal.aborted) {
      if (error instanceof ApiError) throw error;
      throw new ApiError("The connection to the program broke.", 0, "Is it still running? Then ask again.");
    }
    facts.finish = "stopped";
  }
  facts.tokens ||= pieces;
  facts.seconds = began ? (performance.now() - began) / 1000 : 0;
  return facts;
}
