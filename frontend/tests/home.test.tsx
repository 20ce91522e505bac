import { screen, waitFor, within } from "@testing-library/react";

import { Home } from "@/components/home/home";

import { FakeEventSource } from "./event-source";
import { address } from "./navigation";
import { open } from "./page";
import { aModel, aRun, aRunDetail, QUICKSTART } from "./samples";
import { answer } from "./server";

const START = "POST /api/v1/runs";
const runs = (...all: ReturnType<typeof aRun>[]) => ({ "GET /api/v1/runs": { runs: all } });
const recipeRun = (changes: Parameters<typeof aRunDetail>[0] = {}) =>
  aRunDetail({
    config: { name: "quickstart", steps: [{ stage: "data.prepare" }, { stage: "pretrain" }] },
    ...changes,
  });
const road = () => within(screen.getByRole("list", { name: "The road of a model" }));

describe("an empty workspace", () => {
  test("shows the whole road ahead, how long it takes, and one primary action", async () => {
    open("/", <Home />);
    expect(await screen.findByText(/It takes about 10 minutes/)).toBeVisible();
    expect(road().getAllByRole("listitem")).toHaveLength(6);
    expect(road().getAllByText("still ahead")).toHaveLength(6);
    expect(screen.getByRole("button", { name: "Train your first model" })).toBeEnabled();
    expect(await screen.findByText(/None yet. Whatever you train/)).toBeVisible();
  });

  test("with a built-in model keeps the quickstart first and offers a chat at once", async () => {
    const model = aModel({ builtin: true, name: "Example" });
    open("/", <Home />, { "GET /api/v1/models": { models: [model] } });
    const chat = await screen.findByRole("link", { name: "Chat with Example" });
    expect(chat).toHaveAttribute("href", "/chat/?model=model-1");
    expect(screen.getByText("1M parameters, built in")).toBeVisible();
    expect(screen.getByRole("button", { name: "Train your first model" })).toHaveClass("bg-accent");
  });
});

describe("the quickstart button", () => {
  test("starts the recipe under its title and opens the run", async () => {
    const { user, server } = open("/", <Home />, { [START]: aRun({ id: "fresh" }) });
    await user.click(await screen.findByRole("button", { name: "Train your first model" }));
    await waitFor(() => expect(address()).toBe("/runs/?id=fresh"));
    expect(server.sent("POST", "/api/v1/runs").map((asked) => asked.body)).toEqual([
      { stage: "recipe", name: QUICKSTART.title, config: { name: "quickstart", steps: [] } },
    ]);
  });

  test("cannot be pressed twice while the start is on its way", async () => {
    let begin: (run: unknown) => void = () => {};
    const started = new Promise((resolve) => (begin = resolve));
    const { user } = open("/", <Home />, { [START]: () => started });
    await user.click(await screen.findByRole("button", { name: "Train your first model" }));
    expect(await screen.findByRole("button", { name: "Starting" })).toBeDisabled();
    begin(aRun());
    await waitFor(() => expect(address()).toBe("/runs/?id=run-1"));
  });

  test("leads to the run that is at work", async () => {
    open("/", <Home />, { ...runs(aRun()), "GET /api/v1/runs/run-1": recipeRun() });
    const link = await screen.findByRole("link", { name: "Open the running quickstart" });
    expect(link).toHaveAttribute("href", "/runs/?id=run-1");
    expect(screen.queryByRole("button", { name: "Train your first model" })).toBeNull();
  });

  test("says a conflict in the program's words and finds the other run", async () => {
    const message = "The recipe 'quickstart' is already running (run-1).";
    const { user, server } = open("/", <Home />, {
      [START]: () => {
        server.set("GET /api/v1/runs", { runs: [aRun()] });
        return answer(409, { error: { message, hint: "Open that run, or stop it first." } });
      },
      "GET /api/v1/runs/run-1": recipeRun(),
    });
    await user.click(await screen.findByRole("button", { name: "Train your first model" }));
    expect(await screen.findByText(message)).toBeVisible();
    expect(screen.queryByText("The run could not be started.")).toBeNull();
    expect(await screen.findByRole("link", { name: "Open the running quickstart" })).toBeVisible();
    expect(address()).toBe("/");
  });

  test("says what to do where the program does not answer", async () => {
    const { user } = open("/", <Home />, {
      [START]: () => {
        throw new TypeError("Failed to fetch");
      },
    });
    await user.click(await screen.findByRole("button", { name: "Train your first model" }));
    expect(await screen.findByText("The run could not be started.")).toBeVisible();
    expect(screen.getByText(/The program does not answer. Is it still running/)).toBeVisible();
  });
});

describe("a run at work and its end", () => {
  test("the news of a step moves the road without a request", async () => {
    const { server } = open("/", <Home />, { ...runs(aRun()), "GET /api/v1/runs/run-1": recipeRun() });
    await screen.findByRole("heading", { name: "Your model is learning" });
    await waitFor(() => expect(FakeEventSource.alive.at(-1)?.topics).toContain("run:run-1"));
    const asked = server.sent("GET", "/api/v1/runs/run-1").length;
    const step = aRun({
      id: "step",
      stage: "pretrain",
      parent: "run-1",
      progress: { done: 42, total: 100, unit: "steps", message: "", eta_s: 5, details: {} },
    });
    FakeEventSource.last.send("run", { run: step });
    expect(await road().findByText("42%")).toBeVisible();
    expect(road().getByText("at work")).toBeInTheDocument();
    expect(server.sent("GET", "/api/v1/runs/run-1")).toHaveLength(asked);
  });

  test("a finished model makes chat the next step", async () => {
    const done = recipeRun({ state: "finished", output: "model-1" });
    open("/", <Home />, {
      ...runs(done),
      "GET /api/v1/runs/run-1": done,
      "GET /api/v1/models": { models: [aModel()] },
    });
    const chat = await screen.findByRole("link", { name: "Chat with it" });
    expect(chat).toHaveAttribute("href", "/chat/?model=model-1");
    expect(chat).toHaveClass("bg-accent");
    expect(screen.getByRole("button", { name: "Train another" })).not.toHaveClass("bg-accent");
    expect(road().getByRole("link", { name: /Chat.*Ready to talk/ })).toBeVisible();
  });

  test("a finished run whose model was deleted offers no chat with it", async () => {
    const done = recipeRun({ state: "finished", output: "gone" });
    open("/", <Home />, { ...runs(done), "GET /api/v1/runs/run-1": done });
    await screen.findByText(/This road shows/);
    expect(await screen.findByRole("button", { name: "Train your first model" })).toBeVisible();
    await waitFor(() => expect(screen.queryByRole("link", { name: "Chat with it" })).toBeNull());
  });
});
