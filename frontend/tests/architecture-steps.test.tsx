import { configure, screen, waitFor, within } from "@testing-library/react";
import { vi } from "vitest";

import { Lab } from "@/components/architecture/lab";
import "@/components/architecture/steps-tab"; // loaded before the clock of a test runs
import type { ExplainRequest, TraceTensorRequest } from "@/lib/architecture-types";

import { aLabModel, anExplanation, aTrace } from "./architecture-samples";
import { address } from "./navigation";
import { open } from "./page";
import { answer, type Asked } from "./server";

vi.setConfig({ testTimeout: 30_000 });
configure({ asyncUtilTimeout: 8_000 }); // a busy machine takes its time

const BASE = "/api/v1/transformer";
const PATH = "/architecture/?tab=steps";

/** Eight numbers 0, 1, ... for a vector, two heads of four for what has heads. */
const tensor = ({ body }: Asked) => {
  const { name } = body as TraceTensorRequest;
  const byHead = name.includes("attention.") && !name.endsWith("output");
  return {
    name,
    shape: byHead ? [2, 4] : [8],
    values: Array.from({ length: 8 }, (_, index) => index / 8),
    minimum: 0,
    maximum: 0.875,
    mean: 0.4375,
    formula: "",
  };
};
const explain = ({ body }: Asked) => {
  const asked = body as ExplainRequest;
  return anExplanation({
    ...asked,
    head: asked.head ?? null,
    title: `${asked.name} ${asked.index}`,
    value: asked.name.endsWith("middle") ? 1 : 1.5,
  });
};

const lab = (path = PATH, routes: Record<string, unknown> = {}) =>
  open(path, <Lab />, {
    [`GET ${BASE}/models`]: { models: [aLabModel()] },
    [`POST ${BASE}/trace`]: ({ body }: Asked) => {
      const { position } = body as { position: number };
      return aTrace({ position: position < 0 ? 4 + position : position });
    },
    [`POST ${BASE}/trace/tensor`]: tensor,
    [`POST ${BASE}/trace/explain`]: explain,
    "POST /api/v1/tokenization/encode": { count: 4 },
    ...routes,
  });

function wide(): void {
  vi.stubGlobal("matchMedia", () => ({
    matches: true,
    addEventListener: () => {},
    removeEventListener: () => {},
    addListener: () => {},
    removeListener: () => {},
  }));
}
const narrow = window.matchMedia;
beforeEach(() => {
  HTMLCanvasElement.prototype.getContext = () => null;
  wide();
});
afterEach(() => vi.stubGlobal("matchMedia", narrow));

const way = async () => within(await screen.findByRole("list", { name: "The way of the token" }));

test("the whole way stands there at once, before any tensor is asked for", async () => {
  const { server } = lab(PATH, { [`POST ${BASE}/trace/tensor`]: () => new Promise(() => {}) });
  const flow = await way();
  expect(flow.getByRole("button", { name: /^Layer 0/ })).toHaveAttribute("aria-expanded", "false");
  expect(flow.getByRole("button", { name: /^Layer 1/ })).toBeVisible();
  expect(flow.getByText("bark", { exact: false })).toBeVisible();
  expect(flow.getByText("75.0%")).toBeVisible();
  expect(server.sent("POST", `${BASE}/trace`)[0]?.body).toMatchObject({ model: "example", position: -1 });
});

test("a block opens into its branches, a branch into its steps, and the address keeps it", async () => {
  const { user } = lab();
  const flow = await way();
  await user.click(flow.getByRole("button", { name: /^Layer 1/ }));
  expect(flow.getByRole("button", { name: /^Attention of layer 1/ })).toBeVisible();
  expect(flow.getAllByText(/added to the stream/)).toHaveLength(2);
  expect(flow.queryByRole("button", { name: /^Attention\.q/ })).toBeNull();
  await user.click(flow.getByRole("button", { name: /^Attention of layer 1/ }));
  expect(flow.getByRole("button", { name: /^Attention\.q/ })).toBeVisible();
  expect(address()).toContain("open=1,1a");
  await user.click(flow.getByRole("button", { name: /^Layer 1/ }));
  expect(address()).not.toContain("open=");
});

test("a step shows its formula and asks for its numbers; a number of a head is found by its row", async () => {
  const { user, server } = lab(`${PATH}&open=1,1a`);
  const flow = await way();
  await user.click(flow.getByRole("button", { name: /^Attention\.weights/ }));
  expect(await screen.findByText("formula of blocks.1.attention.weights")).toBeVisible();
  const grid = await screen.findByRole("application", { name: "attention.weights, 8 numbers" });
  expect(server.sent("POST", `${BASE}/trace/tensor`).at(-1)?.body).toMatchObject({
    name: "blocks.1.attention.weights",
    position: 3,
    head: null,
  });
  grid.focus();
  await user.keyboard("{ArrowDown}{ArrowRight}");
  expect(screen.getByText("head 1, to “·has” (1)")).toBeVisible();
  expect(screen.getByText("0.6250")).toBeVisible();
  await user.keyboard("{Enter}");
  await waitFor(() =>
    expect(server.sent("POST", `${BASE}/trace/explain`).at(-1)?.body).toMatchObject({
      name: "blocks.1.attention.weights",
      position: 3,
      index: 1,
      head: 1,
    }),
  );
});

test("a number is taken apart, its terms in turn, and the chain can be walked back", async () => {
  const { user } = lab(`${PATH}&at=blocks.1.output&open=1&trail=blocks.1.output_3_2`);
  const where = within(await screen.findByRole("region", { name: "Where the number comes from" }));
  expect(await where.findByText("middle + ffn.output")).toBeVisible();
  expect(where.getByRole("row", { name: /^sum 1\.500$/ })).toBeVisible();
  expect(where.getByRole("row", { name: /^a weight 0\.2500 ?× ?2\.000/ })).toBeVisible();
  await user.click(where.getByRole("button", { name: "1.000" }));
  expect(await where.findByText("blocks.1.middle 2")).toBeVisible();
  expect(address()).toContain("trail=blocks.1.output_3_2%7Eblocks.1.middle_3_2");
  const crumbs = within(where.getByRole("navigation", { name: "Numbers on the way" }));
  expect(crumbs.getAllByRole("listitem")).toHaveLength(2);
  await user.click(where.getByRole("button", { name: "Back" }));
  await waitFor(() => expect(crumbs.getAllByRole("listitem")).toHaveLength(1));
  expect(await where.findByText("blocks.1.output 2")).toBeVisible();
});

test("a chain that ends in a closed box opens it", async () => {
  const { user } = lab(PATH);
  const flow = await way();
  await user.click(flow.getByTitle("Token 5: where does its logit come from?"));
  expect(address()).toContain("trail=logits_3_5");
  const where = within(await screen.findByRole("region", { name: "Where the number comes from" }));
  await user.click(await where.findByRole("button", { name: "1.000" }));
  await waitFor(() => expect(address()).toContain("open=1"));
});

test("another token is followed when it is chosen", async () => {
  const { user, server } = lab();
  await way();
  const tokens = screen.getByRole("listbox", { name: "The token to follow" });
  expect(within(tokens).getAllByRole("option")[3]).toHaveAttribute("aria-selected", "true");
  await user.click(within(tokens).getAllByRole("option")[1]!);
  await waitFor(() =>
    expect(server.sent("POST", `${BASE}/trace`).at(-1)?.body).toMatchObject({ position: 1 }),
  );
  await waitFor(() =>
    expect(within(tokens).getAllByRole("option")[1]).toHaveAttribute("aria-selected", "true"),
  );
  expect(address()).toContain("position=1");
});

test("everything can be opened and closed at once", async () => {
  const { user } = lab();
  const flow = await way();
  await user.click(screen.getByRole("button", { name: "Open all" }));
  expect(flow.getAllByRole("button", { name: /^Attention\.q/ })).toHaveLength(2);
  await user.click(screen.getByRole("button", { name: "Close all" }));
  expect(flow.queryByRole("button", { name: /^Attention\.q/ })).toBeNull();
});

test("on a phone a step opens in a sheet", async () => {
  vi.stubGlobal("matchMedia", narrow);
  const { user } = lab();
  const flow = await way();
  expect(screen.queryByRole("dialog")).toBeNull();
  await user.click(flow.getByRole("button", { name: /^Final norm/ }));
  const sheet = within(await screen.findByRole("dialog", { name: "Final norm" }));
  expect(await sheet.findByRole("application", { name: "Final norm, 8 numbers" })).toBeVisible();
  await user.keyboard("{Escape}");
  await waitFor(() => expect(address()).not.toContain("at="));
});

test("what the program refuses is said in its words", async () => {
  lab(PATH, {
    [`POST ${BASE}/trace`]: answer(422, {
      error: { message: "The text has 200 tokens.", hint: null, field: "text" },
    }),
  });
  expect(await screen.findByRole("alert")).toHaveTextContent("The text has 200 tokens.");
});
