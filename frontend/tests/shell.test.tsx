import { screen, waitFor, within } from "@testing-library/react";

import { AppShell } from "@/components/shell/app-shell";

import { FakeEventSource } from "./event-source";
import { address } from "./navigation";
import { open } from "./page";
import { aModel, aRun, HEALTH } from "./samples";
import { answer } from "./server";

const shell = (routes: Record<string, unknown> = {}) =>
  open(
    "/",
    <AppShell>
      <input aria-label="A field" />
    </AppShell>,
    routes,
  );
const options = () => screen.getAllByRole("option").map((option) => option.textContent);

afterEach(() => {
  localStorage.clear();
  document.documentElement.className = "";
});

describe("the palette", () => {
  test("opens on Ctrl-K, finds pages by what they are for, and goes there", async () => {
    const { user } = shell();
    await user.keyboard("{Control>}k{/Control}");
    const field = await screen.findByRole("combobox");
    await waitFor(() => expect(field).toHaveFocus());
    await user.type(field, "talk with");
    expect(options()).toEqual(["ChatTalk with a model"]);
    await user.keyboard("{Enter}");
    expect(address()).toBe("/chat/");
    await waitFor(() => expect(screen.queryByRole("combobox")).toBeNull());
  });

  test("finds a view inside a page", async () => {
    const { user } = shell();
    await user.keyboard("{Control>}k{/Control}");
    await user.type(await screen.findByRole("combobox"), "logit lens");
    expect(options()[0]).toContain("Logit lens");
    await user.keyboard("{Enter}");
    expect(address()).toBe("/architecture/?tab=lens");
  });

  test("finds runs and models, by id too, and says where there is none", async () => {
    const { user } = shell({
      "GET /api/v1/runs": { runs: [aRun({ id: "run-7", name: "Small town", state: "finished" })] },
      "GET /api/v1/models": { models: [aModel({ name: "Willow" })] },
    });
    await user.click(screen.getByRole("button", { name: /Find or do/ }));
    const field = await screen.findByRole("combobox");
    await screen.findByText("Chat with Willow");
    await user.type(field, "run-7");
    expect(options()[0]).toContain("Small town");
    await user.clear(field);
    await user.type(field, "zebra");
    expect(screen.getByText("Nothing of that name.")).toBeVisible();
  });

  test("starts the quickstart, or opens the one that runs", async () => {
    const { user, server } = shell({ "POST /api/v1/runs": aRun() });
    await user.keyboard("{Meta>}k{/Meta}");
    await user.click(await screen.findByRole("option", { name: "Train your first model" }));
    await waitFor(() => expect(address()).toBe("/runs/?id=run-1"));
    expect(server.sent("POST", "/api/v1/runs")).toHaveLength(1);
    await user.keyboard("{Meta>}k{/Meta}");
    expect(await screen.findByRole("option", { name: "Open the running quickstart" })).toBeVisible();
    expect(screen.queryByRole("option", { name: "Train your first model" })).toBeNull();
  });
});

describe("the keyboard", () => {
  test("? lists the shortcuts, Esc closes the list", async () => {
    const { user } = shell();
    await user.keyboard("?");
    const dialog = await screen.findByRole("dialog", { name: "Keyboard shortcuts" });
    expect(within(dialog).getByText("Go to Runs").parentElement).toHaveTextContent("gr");
    await user.keyboard("{Escape}");
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  });

  test("g and a letter go to a page, but not while one writes", async () => {
    const { user } = shell();
    await user.type(screen.getByLabelText("A field"), "gm?");
    expect(address()).toBe("/");
    expect(screen.queryByRole("dialog")).toBeNull();
    (document.activeElement as HTMLElement).blur();
    await user.keyboard("gm");
    expect(address()).toBe("/models/");
  });

  test("[ folds the rail, and the fold is kept", async () => {
    const { user } = shell();
    await user.keyboard("[[");
    expect(screen.getByRole("button", { name: "Unfold the side rail" })).toBeVisible();
    expect(localStorage.getItem("llmp-rail")).toBe("narrow");
    expect(screen.getByRole("link", { name: "Runs" })).toHaveTextContent("");
    await user.click(screen.getByRole("button", { name: "Unfold the side rail" }));
    expect(screen.getByRole("link", { name: "Runs" })).toHaveTextContent("Runs");
  });
});

describe("the theme", () => {
  test("is chosen in its menu, put on the page and kept", async () => {
    const { user } = shell();
    for (const theme of ["Dark", "Light"]) {
      await waitFor(() =>
        expect(screen.getByRole("button", { name: "Theme" })).toHaveAttribute("aria-haspopup"),
      );
      await user.click(screen.getByRole("button", { name: "Theme" }));
      await user.click(await screen.findByRole("menuitem", { name: theme }));
      expect(document.documentElement).toHaveClass(theme.toLowerCase());
      expect(localStorage.getItem("theme")).toBe(theme.toLowerCase());
    }
  });

  test("can be toggled from the palette", async () => {
    const { user } = shell();
    await user.keyboard("{Control>}k{/Control}");
    await user.click(await screen.findByRole("option", { name: "Toggle theme" }));
    expect(document.documentElement).toHaveClass("dark");
  });
});

test("the run at work is one click away, with how far it is", async () => {
  const progress = { done: 1, total: 4, unit: "steps", message: "", eta_s: null, details: {} };
  shell({ "GET /api/v1/runs": { runs: [aRun({ progress }), aRun({ id: "b", state: "finished" })] } });
  const link = await screen.findByRole("link", { name: "Quickstart step 2 of 4: at work, open it" });
  expect(link).toHaveAttribute("href", "/runs/?id=run-1");
});

test("a program that goes away is said at once, and so is its return", async () => {
  const { server } = shell();
  await screen.findByText("Version 0.1.0");
  await waitFor(() => expect(FakeEventSource.alive).toHaveLength(1));
  server.set("GET /api/v1/health", () => {
    throw new TypeError("Failed to fetch");
  });
  FakeEventSource.last.drop(false);
  expect(await screen.findByRole("alert")).toHaveTextContent(
    "The program does not answer. Start it with make run; this page goes on by itself.",
  );
  expect(screen.getByText("Not connected")).toBeVisible();
  server.set("GET /api/v1/health", HEALTH);
  FakeEventSource.last.open();
  await waitFor(() => expect(screen.queryByRole("alert")).toBeNull());
});

test.each([
  ["a stream that breaks while the program answers", HEALTH],
  ["an error within the program", answer(500, { error: { message: "An unexpected error." } })],
])("%s is no alarm", async (_what, health) => {
  const { server } = shell();
  await waitFor(() => expect(FakeEventSource.alive).toHaveLength(1));
  await screen.findByText("Version 0.1.0");
  server.set("GET /api/v1/health", health);
  const asked = server.sent("GET", "/api/v1/health").length;
  FakeEventSource.last.drop(false);
  await waitFor(() => expect(server.sent("GET", "/api/v1/health").length).toBeGreaterThan(asked));
  await screen.findByText("Version 0.1.0");
  expect(screen.queryByRole("alert")).toBeNull();
});
