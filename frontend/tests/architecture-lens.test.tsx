import { configure, fireEvent, screen, waitFor, within } from "@testing-library/react";
import { vi } from "vitest";

import type { LabProps } from "@/components/architecture/lab-props";
import { LensTab } from "@/components/architecture/lens-tab";
import type { LabModel } from "@/lib/architecture-types";

import { address, visit } from "./navigation";
import { open } from "./page";
import { answer, type Asked } from "./server";

vi.setConfig({ testTimeout: 20_000 }); // a whole tab, clicked through, on a machine that may be busy
configure({ asyncUtilTimeout: 5000 });

const BASE = "/api/v1/transformer";

const MODEL: LabModel = {
  ref: "example",
  name: "Example",
  random: false,
  builtin: true,
  architecture: "decoder",
  layers: 2,
  heads: 2,
  kv_heads: 2,
  width: 8,
  parameters: 1000,
  context_length: 128,
  vocab_size: 100,
  tokenizer: null,
  runnable: true,
  why_not: null,
} as LabModel;

const tokensOf = (text: string) =>
  Array.from(text, (letter, at) => ({ id: letter.charCodeAt(0), text: letter, start: at, end: at + 1 }));
const guess = (text: string, probability: number) => ({ id: text.charCodeAt(0), text, probability });

/** Three rows; the last token's answer "z" stands first in the middle one. */
function lens(text: string) {
  const tokens = tokensOf(text);
  const row = (name: string, title: string, last: string) => ({
    name,
    title,
    positions: tokens.map((_, at) => ({
      top: [guess(at === tokens.length - 1 ? last : "q", 0.75), guess("w", 0.25)],
      entropy: 0.5,
      target_rank: at === tokens.length - 1 ? null : 2,
      target_probability: at === tokens.length - 1 ? null : 0.125,
      kl_to_final: 0.25,
    })),
  });
  return {
    model: "example",
    random: false,
    tokenizer: null,
    tokens,
    note: "",
    layers: [
      row("embedding", "Embedding", "a"),
      row("blocks.0", "Layer 0", "z"),
      row("blocks.1", "Layer 1", "z"),
    ],
  };
}

function attribution({ body }: Asked) {
  const asked = body as { position: number; target: number; against: number | null; text: string };
  return {
    model: "example",
    random: false,
    tokenizer: null,
    tokens: tokensOf(asked.text),
    position: asked.position,
    target: asked.target,
    target_text: String.fromCharCode(asked.target),
    against: asked.against,
    against_text: asked.against === null ? null : String.fromCharCode(asked.against),
    logit: 2.5,
    components: [
      { name: "embedding", title: "Embedding", layer: null, head: null, value: 0.25 },
      { name: "blocks.0.attention.mixed", title: "Layer 0, head 1", layer: 0, head: 1, value: 3 },
      { name: "blocks.0.ffn.output", title: "Layer 0, feed-forward", layer: 0, head: null, value: -1 },
    ],
    sum: 2.25,
    rest: 0.25,
    note: "With the norm's scale held fixed.",
  };
}

function shown(props: Partial<LabProps> & { path?: string; routes?: Record<string, unknown> } = {}) {
  const { path = "/architecture/?tab=lens", routes = {}, ...changes } = props;
  const onText = vi.fn();
  const onQuery = vi.fn((next: Record<string, string | null>) => {
    const url = new URL(address(), "http://localhost");
    for (const [key, value] of Object.entries(next)) {
      if (value === null) url.searchParams.delete(key);
      else url.searchParams.set(key, value);
    }
    visit(url.pathname + url.search);
  });
  const node = (
    <LensTab
      text="abc"
      onText={onText}
      models={[MODEL]}
      current={MODEL}
      query={new URL(path, "http://localhost").searchParams}
      onQuery={onQuery}
      {...changes}
    />
  );
  const opened = open(path, node, {
    [`POST ${BASE}/lens`]: ({ body }: Asked) => lens((body as { text: string }).text),
    [`POST ${BASE}/attribution`]: attribution,
    ...routes,
  });
  return { onText, onQuery, ...opened };
}

const grid = () => screen.findByRole("grid", { name: "Guesses: layers by tokens" });

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
afterEach(() => vi.stubGlobal("matchMedia", narrow));

test("every layer's guess after every token, and a mark where the final one first stands", async () => {
  wide();
  const { server } = shown();
  const cells = await grid();
  expect(
    within(cells)
      .getAllByRole("rowheader")
      .map((item) => item.textContent),
  ).toEqual(["Embedding", "Layer 0", "Layer 1", "Comes next"]);
  expect(within(cells).getByRole("gridcell", { name: "Embedding, after c: a, 75%" })).toBeVisible();
  const first = within(cells).getByRole("gridcell", {
    name: "Layer 0, after c: z, 75%, the final guess for the first time",
  });
  expect(first).toHaveAttribute("data-mark");
  expect(within(cells).getByRole("gridcell", { name: "Layer 1, after c: z, 75%" })).not.toHaveAttribute(
    "data-mark",
  );
  expect(within(cells).getByRole("gridcell", { name: "the text ends here" })).toHaveTextContent("?");
  expect(screen.getByText(/the best guess from “Layer 0” on/)).toBeVisible();
  expect(server.sent("POST", `${BASE}/lens`)[0]?.body).toMatchObject({ model: "example", text: "abc" });
});

test("the last cell is open at first; pointing and the keyboard open another", async () => {
  wide();
  const { user } = shown();
  const cells = await grid();
  expect(screen.getByRole("heading", { name: "Layer 1" })).toBeVisible();
  expect(screen.getByText("Nothing comes next")).toBeVisible();
  fireEvent.pointerOver(
    within(cells).getByRole("gridcell", {
      name: "Embedding, after a: q, 75%, the final guess for the first time",
    }),
    {
      pointerType: "mouse",
    },
  );
  expect(screen.getByRole("heading", { name: "Embedding" })).toBeVisible();
  expect(screen.getByText("What comes next")).toBeVisible();
  fireEvent.pointerLeave(cells);
  expect(screen.getByRole("heading", { name: "Layer 1" })).toBeVisible();
  cells.focus();
  await user.keyboard("{ArrowUp}{Home}");
  expect(screen.getByRole("heading", { name: "Layer 0" })).toBeVisible();
  expect(cells).toHaveAttribute("aria-activedescendant", expect.stringMatching(/1\.0$/));
  const guesses = within(screen.getByRole("list", { name: "Best guesses" })).getAllByRole("listitem");
  expect(guesses[0]).toHaveTextContent("q75%");
  expect(guesses[1]).toHaveTextContent("w25%");
  await user.click(screen.getByRole("button", { name: "Layer before" }));
  expect(screen.getByRole("heading", { name: "Embedding" })).toBeVisible();
});

test("the colour is chosen in the address", async () => {
  wide();
  const { user, onQuery } = shown();
  await grid();
  await user.click(screen.getByRole("radio", { name: "Entropy" }));
  expect(onQuery).toHaveBeenCalledWith({ by: "entropy" });
});

test("on a phone a tap opens the guesses in a sheet", async () => {
  const { user } = shown();
  const cells = await grid();
  expect(screen.queryByRole("dialog")).toBeNull();
  await user.click(within(cells).getByRole("gridcell", { name: /^Layer 0, after c/ }));
  expect(within(screen.getByRole("dialog", { name: "Guess" })).getByText("z")).toBeVisible();
});

test("the parts behind a guess, their sum, and another token to hold against", async () => {
  wide();
  const { user, server } = shown();
  const parts = await screen.findByRole("list", { name: "Parts by strength" });
  expect(
    within(parts)
      .getAllByRole("listitem")
      .map((item) => item.textContent),
  ).toEqual(["Layer 0, head 1+3.00", "Layer 0, feed-forward-1.00", "Embedding+0.25"]);
  expect(within(parts).getByRole("link", { name: "Layer 0, head 1" })).toHaveAttribute(
    "href",
    "/architecture/?tab=attention&model=example&layer=0&head=1",
  );
  expect(screen.getByText(/from all parts/)).toHaveTextContent(
    "+2.25 from all parts, +0.25 from what no part wrote: the logit of z is +2.50.",
  );
  expect(server.sent("POST", `${BASE}/attribution`)[0]?.body).toEqual({
    model: "example",
    text: "abc",
    position: 2,
    target: 122,
    against: null,
  });
  await user.selectOptions(screen.getByRole("combobox", { name: "Against" }), "w (25%)");
  await waitFor(() => expect(screen.getByText(/from all parts/)).toHaveTextContent("the logit of z over w"));
  await user.selectOptions(screen.getByRole("combobox", { name: "After" }), "0 a");
  await waitFor(() =>
    expect(server.sent("POST", `${BASE}/attribution`).at(-1)?.body).toMatchObject({
      position: 0,
      target: 113,
      against: null,
    }),
  );
  expect(screen.getByRole("combobox", { name: "For" })).toHaveTextContent("b (comes next)");
});

test("a text that is too long is said in words, and a model that cannot run asks nothing", async () => {
  wide();
  const message = "The text has 200 tokens; this model reads 128.";
  const first = shown({
    routes: {
      [`POST ${BASE}/lens`]: () => answer(422, { error: { message, hint: "Shorten it.", field: "text" } }),
    },
  });
  expect(await screen.findByRole("alert")).toHaveTextContent(message);
  first.unmount();
  const { server } = shown({ current: { ...MODEL, runnable: false, why_not: "It needs 28 GB." } });
  expect(screen.getByRole("status")).toHaveTextContent("It needs 28 GB.");
  expect(server.sent("POST", `${BASE}/lens`)).toHaveLength(0);
});

test("without a text there is nothing to look at", () => {
  wide();
  const { server } = shown({ text: "" });
  expect(screen.getByText("No text yet")).toBeVisible();
  expect(server.sent("POST", `${BASE}/lens`)).toHaveLength(0);
});
