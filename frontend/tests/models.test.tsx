import { screen, waitFor, within } from "@testing-library/react";

import { Models } from "@/components/models/models";
import type { ModelDetail } from "@/lib/types";

import { address } from "./navigation";
import { open } from "./page";
import { aModel } from "./samples";

const detail = (changes: Partial<ModelDetail> = {}): ModelDetail => ({
  ...aModel(),
  config: { preset: "quickstart" },
  files: {},
  lineage: [{ id: "data-1", kind: "dataset", name: "Willowbrook", run_id: null }],
  scores: [],
  ...changes,
});
const models = (path: string, ...all: ReturnType<typeof aModel>[]) =>
  open(path, <Models />, {
    "GET /api/v1/models": { models: all },
    "GET /api/v1/models/model-1": detail(all[0]),
    "DELETE /api/v1/models/model-1": { id: "model-1" },
    "POST /api/v1/models/model-1/restore": aModel(),
  });

test("a built-in model is marked and leaves room for one's own", async () => {
  models("/models/", aModel({ builtin: true, name: "Example" }));
  expect(await screen.findByText("Built in")).toBeVisible();
  expect(screen.getByRole("button", { name: "Train your first model" })).toBeVisible();
  expect(screen.getByRole("link", { name: "Chat with Example" })).toBeVisible();
});

test("a built-in model cannot be deleted", async () => {
  models("/models/?id=model-1", aModel({ builtin: true, name: "Example" }));
  const sheet = within(await screen.findByRole("dialog", { name: "Example" }));
  expect(await sheet.findByText("Built in")).toBeVisible();
  expect(sheet.getByText(/It comes with the program and stays as it is/)).toBeVisible();
  expect(sheet.queryByRole("button", { name: "Delete" })).toBeNull();
});

test("one's own models hide the hint, and a base model is said to be one", async () => {
  models("/models/", aModel({ chat: false }), aModel({ id: "b", builtin: true, name: "Example" }));
  expect(await screen.findByText("Base model")).toBeVisible();
  expect(screen.getByRole("link", { name: "Try Town model" })).toHaveAttribute(
    "href",
    "/chat/?model=model-1",
  );
  expect(screen.queryByRole("button", { name: "Train your first model" })).toBeNull();
});

test("a model's sheet has its figures, its ancestors and how to make it again, and deletes with undo", async () => {
  const { user, server } = models("/models/?id=model-1", aModel());
  const sheet = within(await screen.findByRole("dialog", { name: "Town model" }));
  expect(await sheet.findByText("1,000,000")).toBeVisible();
  expect(sheet.getByText("Willowbrook")).toBeVisible();
  expect(sheet.getByRole("region", { name: "Configuration" })).toHaveTextContent("preset: quickstart");
  server.set("GET /api/v1/models", { models: [] });
  await user.click(sheet.getByRole("button", { name: "Delete" }));
  await waitFor(() => expect(address()).toBe("/models/"));
  expect(await screen.findByText("No models yet")).toBeVisible();
  server.set("GET /api/v1/models", { models: [aModel()] });
  await user.click(screen.getByRole("button", { name: "Undo" }));
  expect(await screen.findByRole("link", { name: "Town model" })).toBeVisible();
});
