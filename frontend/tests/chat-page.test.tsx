import { screen, waitFor, within } from "@testing-library/react";

import { Chat } from "@/components/chat/chat";

import { address } from "./navigation";
import { open } from "./page";
import { aConversation, aModel } from "./samples";
import { answer, type Asked, eventBody } from "./server";

const CHAT = "POST /v1/chat/completions";
const TALKS = "/api/v1/playground/conversations";
const QUESTIONS = [
  "Who is Ann?",
  "Where is the ball?",
  "What is two and two?",
  "Tell a story.",
  "Who are you?",
];
const model = aModel({ suggested_questions: QUESTIONS, knows: ["a small town"] });
type Body = ReturnType<typeof eventBody>;

/** A chat whose replies the test writes: one body for each request. */
function chat(path = "/chat/", routes: Record<string, unknown> = {}) {
  const bodies: Body[] = [];
  const opened = open(path, <Chat />, {
    "GET /api/v1/models": { models: [model] },
    [CHAT]: (asked: Asked) => {
      bodies.push(eventBody(asked.signal));
      return (bodies.at(-1) as Body).response;
    },
    [`POST ${TALKS}`]: ({ body }: Asked) => aConversation(body as object),
    [`PUT ${TALKS}/talk-1`]: ({ body }: Asked) => aConversation(body as object),
    ...routes,
  });
  const body = () => waitFor(() => bodies.at(-1) ?? Promise.reject(new Error("Nothing was asked.")));
  const log = () => screen.getByRole("log", { name: "Messages" });
  return { ...opened, bodies, body, log };
}

describe("before the first question", () => {
  test("says what the model knows and offers five questions", async () => {
    chat();
    expect(await screen.findByRole("heading", { name: "Town model" })).toBeVisible();
    expect(screen.getByText("a small town")).toBeVisible();
    for (const question of QUESTIONS) expect(screen.getByRole("button", { name: question })).toBeVisible();
  });

  test("a base model is said to continue text", async () => {
    chat("/chat/", { "GET /api/v1/models": { models: [aModel({ chat: false })] } });
    expect(await screen.findByText(/This is a base model: it was never taught to answer/)).toBeVisible();
    expect(screen.getByLabelText("Your text")).toBeVisible();
  });

  test("without any model the quickstart is offered", async () => {
    chat("/chat/", { "GET /api/v1/models": { models: [] } });
    expect(await screen.findByText("There is no model to talk with yet")).toBeVisible();
    expect(screen.getByRole("button", { name: "Train your first model" })).toBeVisible();
  });

  test("a model that is gone is said, and another answers", async () => {
    chat("/chat/?model=gone");
    expect(await screen.findByText(/not here any more; Town model answers instead/)).toBeVisible();
  });
});

describe("a reply", () => {
  test("grows as it comes, is stored, and the conversation gets an address", async () => {
    const { user, body, log, server } = chat();
    await user.click(await screen.findByRole("button", { name: QUESTIONS[0] }));
    const reply = await body();
    reply.say("Ann ");
    expect(await within(log()).findByText("Ann")).toHaveClass("caret");
    expect(log()).toHaveAttribute("aria-busy", "true");
    reply.say("bakes.");
    reply.finish();
    expect(await within(log()).findByText("Ann bakes.")).not.toHaveClass("caret");
    await waitFor(() => expect(address()).toBe("/chat/?model=model-1&conversation=talk-1"));
    expect(server.sent("POST", TALKS)[0]?.body).toMatchObject({
      title: QUESTIONS[0],
      model: "model-1",
      messages: [
        { role: "user", content: QUESTIONS[0] },
        { role: "assistant", content: "Ann bakes." },
      ],
      params: { temperature: 0.7 },
    });
  });

  test("is stopped by its button, keeps what was written, and is stored too", async () => {
    const { user, body, log, server } = chat();
    await user.type(await screen.findByLabelText("Your question"), "Who is Ann?{Enter}");
    (await body()).say("Ann is");
    await within(log()).findByText("Ann is");
    await user.click(screen.getByRole("button", { name: "Stop" }));
    expect(await within(log()).findByText("1 token, stopped")).toBeVisible();
    expect(within(log()).getByText("Ann is")).toBeVisible();
    await waitFor(() => expect(server.sent("POST", TALKS)).toHaveLength(1));
    expect(screen.getByRole("button", { name: "Send" })).toBeVisible();
  });

  test("is stopped by Esc before its first word, which leaves the question and a way to ask again", async () => {
    const { user, body, log, server } = chat();
    await user.type(await screen.findByLabelText("Your question"), "Who is Ann?{Enter}");
    await body();
    await user.keyboard("{Escape}");
    expect(await within(log()).findByText(/Stopped before the first word/)).toBeVisible();
    expect(server.sent("POST", TALKS)).toHaveLength(0);
    await user.click(within(log()).getByRole("button", { name: "Ask again" }));
    await waitFor(() => expect(server.sent("POST", "/v1/chat/completions")).toHaveLength(2));
  });

  test("another one replaces it, asked with the same messages", async () => {
    const { user, body, bodies, log, server } = chat();
    await user.click(await screen.findByRole("button", { name: QUESTIONS[0] }));
    const first = await body();
    first.say("Wrong.");
    first.finish();
    await user.click(await screen.findByRole("button", { name: "Another reply" }));
    await waitFor(() => expect(bodies).toHaveLength(2));
    expect(within(log()).queryByText("Wrong.")).toBeNull();
    const [, second] = bodies;
    second?.say("Right.");
    second?.finish();
    await waitFor(() => expect(server.sent("PUT", `${TALKS}/talk-1`)).toHaveLength(1));
    const asked = server.sent("POST", "/v1/chat/completions").map((request) => request.body);
    expect(asked[0]).toEqual(asked[1]);
    expect(server.sent("PUT", `${TALKS}/talk-1`)[0]?.body).toMatchObject({
      messages: [{ role: "user" }, { role: "assistant", content: "Right." }],
    });
  });

  test("that fails says why, and asking again takes its place", async () => {
    const message = "The message is too long: 900 tokens.";
    const { user, log, server } = chat("/chat/", { [CHAT]: answer(400, { error: { message } }) });
    await user.click(await screen.findByRole("button", { name: QUESTIONS[0] }));
    const alert = await within(log()).findByRole("alert");
    expect(alert).toHaveTextContent("No reply.");
    expect(alert).toHaveTextContent(message);
    const body = eventBody();
    server.set(CHAT, body.response);
    await user.click(within(alert).getByRole("button", { name: "Try again" }));
    body.say("Ann bakes.");
    body.finish();
    expect(await within(log()).findByText("Ann bakes.")).toBeVisible();
    expect(within(log()).queryByRole("alert")).toBeNull();
  });

  test("a second one before the first is stored belongs to the same conversation", async () => {
    let store: () => void = () => undefined;
    const slow = new Promise<void>((done) => (store = done));
    const { user, body, bodies, log, server } = chat("/chat/", {
      [`POST ${TALKS}`]: async ({ body }: Asked) => (await slow, aConversation(body as object)),
    });
    await user.click(await screen.findByRole("button", { name: QUESTIONS[0] }));
    (await body()).say("Ann bakes.");
    bodies[0]?.finish();
    await user.click(await screen.findByRole("button", { name: "Another reply" }));
    await waitFor(() => expect(bodies).toHaveLength(2));
    bodies[1]?.say("Ann paints.");
    bodies[1]?.finish();
    await screen.findByRole("button", { name: "Another reply" });
    expect(server.sent("PUT", `${TALKS}/talk-1`)).toHaveLength(0);
    store();
    await waitFor(() => expect(server.sent("PUT", `${TALKS}/talk-1`)).toHaveLength(1));
    expect(server.sent("POST", TALKS)).toHaveLength(1);
    expect(server.sent("PUT", `${TALKS}/talk-1`)[0]?.body).toMatchObject({
      messages: [{ role: "user" }, { role: "assistant", content: "Ann paints." }],
    });
    expect(within(log()).getByText("Ann paints.")).toBeVisible();
    expect(address()).toBe("/chat/?model=model-1&conversation=talk-1");
  });

  test("a new conversation begins while the one before is being stored", async () => {
    let store: () => void = () => undefined;
    const slow = new Promise<void>((done) => (store = done));
    const { user, body, server } = chat("/chat/", {
      [`POST ${TALKS}`]: async ({ body }: Asked) => (await slow, aConversation(body as object)),
    });
    await user.click(await screen.findByRole("button", { name: QUESTIONS[0] }));
    const reply = await body();
    reply.say("Ann bakes.");
    reply.finish();
    await screen.findByRole("button", { name: "Another reply" });
    await user.click(screen.getByRole("button", { name: "New conversation" }));
    expect(await screen.findByRole("button", { name: QUESTIONS[1] })).toBeVisible();
    store();
    await waitFor(() => expect(server.sent("GET", TALKS).length).toBeGreaterThan(1));
    expect(address()).not.toContain("talk-1");
    expect(screen.getByRole("button", { name: QUESTIONS[1] })).toBeVisible();
  });

  test("one that could not be stored stays on the screen, and that is said", async () => {
    const { user, body, log } = chat("/chat/", {
      [`POST ${TALKS}`]: answer(507, { error: { message: "The disk is full." } }),
    });
    await user.click(await screen.findByRole("button", { name: QUESTIONS[0] }));
    const reply = await body();
    reply.say("Ann bakes.");
    reply.finish();
    expect(await screen.findByText("The conversation could not be stored.")).toBeVisible();
    expect(within(log()).getByText("Ann bakes.")).toBeVisible();
  });
});

describe("stored conversations", () => {
  const stored = {
    [`GET ${TALKS}`]: { conversations: [aConversation({ params: { temperature: 0.2 } })] },
    [`GET ${TALKS}/talk-1`]: aConversation({ params: { temperature: 0.2 } }),
  };

  test("open by their address with messages and settings", async () => {
    const { log } = chat("/chat/?conversation=talk-1", stored);
    expect(await screen.findByText("Ann is the baker.")).toBeVisible();
    expect(within(log()).getAllByRole("listitem")).toHaveLength(2);
    expect(screen.getByLabelText("Temperature")).toHaveValue("0.2");
  });

  test("editing the last question asks it anew", async () => {
    const { user, body, server } = chat("/chat/?conversation=talk-1", stored);
    await user.click(await screen.findByRole("button", { name: "Edit the question" }));
    const field = screen.getByLabelText("Edit the question");
    await user.clear(field);
    await user.type(field, "Who is Ben?{Enter}");
    await body();
    expect(server.sent("POST", "/v1/chat/completions")[0]?.body).toMatchObject({
      messages: [{ role: "user", content: "Who is Ben?" }],
      temperature: 0.2,
    });
  });

  test("one is deleted with undo", async () => {
    const { user, server } = chat("/chat/", {
      ...stored,
      [`DELETE ${TALKS}/talk-1`]: { id: "talk-1" },
      [`POST ${TALKS}/talk-1/restore`]: aConversation(),
    });
    await user.click(await screen.findByRole("button", { name: "Actions for Who is Ann?" }));
    server.set(`GET ${TALKS}`, { conversations: [] });
    await user.click(await screen.findByRole("menuitem", { name: "Delete" }));
    await waitFor(() => expect(screen.queryByRole("link", { name: /Who is Ann/ })).toBeNull());
    server.set(`GET ${TALKS}`, stored[`GET ${TALKS}`]);
    await user.click(await screen.findByRole("button", { name: "Undo" }));
    expect(await screen.findByRole("link", { name: /Who is Ann/ })).toBeVisible();
    expect(server.sent("POST", `${TALKS}/talk-1/restore`)).toHaveLength(1);
  });
});
