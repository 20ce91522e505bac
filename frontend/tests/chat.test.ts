import { ApiError } from "@/lib/api";
import {
  type ChatAction,
  chatReducer,
  type ChatState,
  DEFAULT_SAMPLING,
  EMPTY_CHAT,
  readSampling,
  requestOf,
  streamReply,
  titleOf,
} from "@/lib/chat";
import type { Message } from "@/lib/types";

import { answer, eventBody, serve } from "./server";

const CHAT = "POST /v1/chat/completions";
const QUESTION: Message[] = [{ role: "user", content: "Who is Ann?" }];
const BODY = requestOf("model-1", QUESTION, DEFAULT_SAMPLING);
const chunk = (content: string, rest: object = {}) =>
  `data: ${JSON.stringify({ choices: [{ delta: { content }, finish_reason: null }], ...rest })}\n\n`;

/** Begins a reply whose body the test writes. */
function begin(headers: Record<string, string> = {}) {
  const control = new AbortController();
  const body = eventBody(control.signal);
  for (const [name, value] of Object.entries(headers)) body.response.headers.set(name, value);
  serve({ [CHAT]: body.response });
  const pieces: string[] = [];
  const facts = streamReply(BODY, (text) => pieces.push(text), control.signal);
  return { ...body, control, pieces, facts };
}

describe("streamReply", () => {
  test("puts together events that were cut anywhere, even inside a character", async () => {
    const reply = begin();
    const bytes = new TextEncoder().encode(chunk("Ann är ") + chunk("bagare 🍞") + "data: [DONE]\n\n");
    for (let place = 0; place < bytes.length; place += 5) reply.write(bytes.slice(place, place + 5));
    reply.end();
    await reply.facts;
    expect(reply.pieces).toEqual(["Ann är ", "bagare 🍞"]);
  });

  test("takes the count of tokens, the reason of the end and what was dropped from the answer", async () => {
    const reply = begin({ "x-dropped-messages": "3" });
    reply.write(chunk("Ann"));
    reply.write('data: {"choices":[{"delta":{},"finish_reason":"length"}]}\n\n');
    reply.write('data: {"choices":[],"usage":{"completion_tokens":17}}\n\n');
    reply.finish();
    expect(await reply.facts).toMatchObject({ tokens: 17, finish: "length", dropped: 3 });
  });

  test("counts the pieces where the answer carries no usage, and needs no [DONE]", async () => {
    const reply = begin();
    reply.write(chunk("Ann") + chunk(" bakes") + chunk(""));
    reply.end();
    expect(await reply.facts).toMatchObject({ tokens: 2, finish: "stop" });
  });

  test("reads nothing after [DONE] and lets go of the connection", async () => {
    const reply = begin();
    reply.write(chunk("Ann") + "data: [DONE]\n\n" + chunk(" too much"));
    await reply.facts;
    expect(reply.pieces).toEqual(["Ann"]);
    expect(reply.cancelled).toHaveBeenCalledOnce();
  });

  test("a stopped reply is a reply, with what had come", async () => {
    const reply = begin();
    reply.write(chunk("Ann is"));
    await vi.waitFor(() => expect(reply.pieces).toEqual(["Ann is"]));
    reply.control.abort();
    expect(await reply.facts).toMatchObject({ tokens: 1, finish: "stopped" });
  });

  test("an error before the reply has the program's words", async () => {
    const error = { message: "The model model-1 is not here.", param: "model" };
    serve({ [CHAT]: answer(404, { error }) });
    await expect(streamReply(BODY, () => {}, new AbortController().signal)).rejects.toMatchObject({
      status: 404,
      message: error.message,
    });
  });

  test("an error within the reply ends it, after the text so far was given", async () => {
    const reply = begin();
    reply.write(chunk("Ann") + 'data: {"error":{"message":"Out of memory."}}\n\n' + chunk("never"));
    const failed = await reply.facts.catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(ApiError);
    expect((failed as ApiError).message).toBe("Out of memory.");
    expect(reply.pieces).toEqual(["Ann"]);
  });

  test.each([
    ["a broken connection", (reply: ReturnType<typeof begin>) => reply.fail()],
    [
      "an event cut off by the end",
      (reply: ReturnType<typeof begin>) => {
        reply.write('data: {"choices":[{"del');
        reply.end();
      },
    ],
  ])("%s is said as such, with what to do", async (_what, breakIt) => {
    const reply = begin();
    reply.write(chunk("Ann"));
    await vi.waitFor(() => expect(reply.pieces).toHaveLength(1));
    breakIt(reply);
    await expect(reply.facts).rejects.toMatchObject({
      message: "The connection to the program broke.",
      hint: "Is it still running? Then ask again.",
    });
  });
});

describe("chatReducer", () => {
  const run = (actions: ChatAction[], from: ChatState = EMPTY_CHAT) => actions.reduce(chatReducer, from);
  const facts = { tokens: 2, seconds: 1, finish: "stop" as const, dropped: 0 };
  const answered = run([
    { type: "ask", text: "Who is Ann?" },
    { type: "text", text: "Ann " },
    { type: "text", text: "bakes." },
    { type: "done", facts },
  ]);

  test("a reply grows as a draft and becomes a message when it is done", () => {
    expect(answered).toEqual({
      messages: [...QUESTION, { role: "assistant", content: "Ann bakes." }],
      draft: null,
      error: null,
      facts,
    });
  });

  test("a failure keeps the question and what was written, and asking again takes both back", () => {
    const failed = run([
      { type: "ask", text: "Who is Ann?" },
      { type: "text", text: "Ann" },
      { type: "fail", message: "It broke.", hint: "Ask again." },
    ]);
    expect(failed.messages.map((message) => message.content)).toEqual(["Who is Ann?", "Ann"]);
    expect(failed.error).toEqual({ message: "It broke.", hint: "Ask again." });
    expect(chatReducer(failed, { type: "again" })).toEqual({
      messages: QUESTION,
      draft: "",
      error: null,
      facts: null,
    });
  });

  test("editing replaces the last question and drops its reply, not what came before", () => {
    const more = run(
      [
        { type: "ask", text: "And Ben?" },
        { type: "text", text: "Ben fishes." },
        { type: "done", facts },
        { type: "edit", text: "And Cleo?" },
      ],
      answered,
    );
    expect(more.messages.map((message) => message.content)).toEqual([
      "Who is Ann?",
      "Ann bakes.",
      "And Cleo?",
    ]);
    expect(more.draft).toBe("");
  });

  test("text and end of a reply that nobody waits for change nothing", () => {
    expect(chatReducer(answered, { type: "text", text: "late" })).toBe(answered);
    expect(chatReducer(answered, { type: "done", facts })).toBe(answered);
  });

  test("an empty reply leaves no message", () => {
    const silent = run([
      { type: "ask", text: "Who is Ann?" },
      { type: "done", facts: { ...facts, tokens: 0, finish: "stopped" } },
    ]);
    expect(silent.messages).toEqual(QUESTION);
    expect(silent.facts?.finish).toBe("stopped");
  });
});

describe("settings and titles", () => {
  test("an empty setting is left out of the request, zero is not", () => {
    const body = requestOf("m", QUESTION, { ...DEFAULT_SAMPLING, top_k: null, temperature: 0, seed: 0 });
    expect(body).toMatchObject({ temperature: 0, seed: 0, stream: true });
    expect(body).not.toHaveProperty("top_k");
    expect(body).not.toHaveProperty("top_p");
  });

  test("stored settings survive; what is missing or of a wrong kind falls back to the default", () => {
    const chosen = { temperature: 0, top_k: null, top_p: 0.9, max_tokens: 64, seed: 5 };
    expect(readSampling(chosen)).toEqual(chosen);
    expect(readSampling({ temperature: "hot", max_tokens: null })).toEqual(DEFAULT_SAMPLING);
  });

  test("a title is the first question on one line, cut where it is long", () => {
    const asked = (content: string): Message[] => [
      { role: "system", content: "Be kind." },
      { role: "user", content },
    ];
    expect(titleOf(asked("  Who\n is   Ann? "))).toBe("Who is Ann?");
    expect(titleOf(asked("a".repeat(61)))).toBe(`${"a".repeat(57)}...`);
    expect(titleOf(asked(" \n "))).toBe("New conversation");
  });
});
