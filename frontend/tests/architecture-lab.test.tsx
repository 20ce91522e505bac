import { configure, screen, within } from "@testing-library/react";
import { vi } from "vitest";

import { currentModel, Lab } from "@/components/architecture/lab";

import { BASE, ROUTES } from "./architecture-program";
import { aLabModel, aRandomModel } from "./architecture-samples";
import { open } from "./page";
import { answer } from "./server";

configure({ asyncUtilTimeout: 5000 }); // a whole page is drawn anew with every answer
vi.setConfig({ testTimeout: 30_000 });

const lab = (path: string, routes: Record<string, unknown> = {}) =>
  open(path, <Lab />, { ...ROUTES, ...routes });
const tabs = () => within(screen.getByRole("navigation", { name: "Architecture" })).getAllByRole("link");

test("the Configurator comes first; a tab hands on what was built", async () => {
  lab("/architecture/?from=preset:gpt2-small&set=layers:6&model=m1&token=3");
  expect(await screen.findByLabelText("Start from")).toBeVisible();
  expect(tabs().map((link) => link.textContent)).toEqual([
    "Configure",
    "Compare",
    "Attention",
    "Step through",
    "Logit lens",
    "Patch",
  ]);
  expect(tabs()[0]).toHaveAttribute("aria-current", "page");
  expect(tabs()[1]).toHaveAttribute(
    "href",
    "/architecture/?tab=compare&model=m1&from=preset:gpt2-small&set=layers:6",
  );
});

test("Compare opens by its address", async () => {
  lab("/architecture/?tab=compare&with=preset:gpt2-small,preset:llama-3-8b");
  expect(await screen.findByLabelText("Architecture A")).toBeVisible();
});

test("a tab that runs a model says when the models cannot be read, or that there is none", async () => {
  const { unmount } = lab("/architecture/?tab=attention", {
    [`GET ${BASE}/models`]: () => answer(400, { error: { message: "The workspace is locked." } }),
  });
  expect(await screen.findByRole("alert")).toHaveTextContent("The workspace is locked.");
  unmount();
  lab("/architecture/?tab=attention");
  expect(await screen.findByText("There is no model to look into")).toBeVisible();
});

test("the model of the address, else one that learned something and can run", () => {
  const random = aRandomModel();
  const large = aLabModel({ ref: "large", runnable: false, why_not: "too large" });
  const own = aLabModel({ ref: "own" });
  expect(currentModel([random, large, own], null)).toBe(own);
  expect(currentModel([random, large, own], "large")).toBe(large);
  expect(currentModel([large, random], null)).toBe(random);
  expect(currentModel([large], null)).toBe(large);
  expect(currentModel([], null)).toBeNull();
});
