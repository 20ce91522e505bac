import { configure, screen, waitFor, within } from "@testing-library/react";
import { useState } from "react";
import { vi } from "vitest";

import { PatchTab } from "@/components/architecture/patch-tab";
import type { Intervention, LabModel } from "@/lib/architecture-types";
import { PATCH_EXAMPLES } from "@/lib/patch-examples";

import { address, useSearchParams, visit } from "./navigation";
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
  context_length: 500,
  vocab_size: 100,
  tokenizer: "example",
  runnable: true,
  why_not: null,
} as LabModel;

const tokensOf = (text: string) =>
  Array.from(text, (letter, at) => ({ id: letter.charCodeAt(0), text: letter, start: at, end: at + 1 }));
const guess = (text: string, probability: number) => ({
  id: text.charCodeAt(0),
  text,
  logit: 1,
  probability,
});

function patched({ body }: Asked) {
  const asked = body as { text: string; source_text?: string; interventions: Intervention[] };
  const changed = asked.interventions.length > 0;
  return {
    model: "example",
    random: false,
    tokenizer: null,
    tokens: tokensOf(asked.text),
    position: asked.text.length - 1,
    source_tokens: asked.source_text ? tokensOf(asked.source_text) : null,
    before: [guess("x", 0.9), guess("y", 0.1)],
    after: changed ? [guess("y", 0.8), guess("x", 0.2)] : [guess("x", 0.9), guess("y", 0.1)],
    kl: changed ? 1.5 : 0,
    targets: [],
  };
}

function sweep({ body }: Asked) {
  const asked = body as { text: string; source_text: string; part: string };
  const tokens = tokensOf(asked.text);
  const columns = asked.part === "head" ? ["Head 0", "Head 1"] : tokens.map(({ text }) => text);
  return {
    model: "example",
    random: false,
    tokenizer: null,
    tokens,
    source_tokens: tokensOf(asked.source_text),
    position: tokens.length - 1,
    answer: 121,
    answer_text: "y",
    wrong: 120,
    wrong_text: "x",
    rows: ["Layer 0", "Layer 1"],
    columns,
    values: [columns.map((_, at) => (at === 1 ? 0.95 : 0)), columns.map(() => -0.5)],
    metric: "logit of token 121 minus logit of token 120",
    clean: 4,
    corrupted: -3,
  };
}

function Held({ first, model }: { first: string; model: LabModel }) {
  const [text, setText] = useState(first);
  const query = useSearchParams();
  const onQuery = (changes: Record<string, string | null>) => {
    const url = new URL(address(), "http://localhost");
    for (const [key, value] of Object.entries(changes)) {
      if (value === null) url.searchParams.delete(key);
      else url.searchParams.set(key, value);
    }
    visit(url.pathname + url.search);
  };
  return (
    <PatchTab
      text={text}
      onText={setText}
      models={[model]}
      current={model}
      query={query as URLSearchParams}
      onQuery={onQuery}
    />
  );
}

function shown({
  text = "abc",
  path = "/architecture/?tab=patch",
  model = MODEL,
  routes = {},
}: { text?: string; path?: string; model?: LabModel; routes?: Record<string, unknown> } = {}) {
  return open(path, <Held first={text} model={model} />, {
    [`POST ${BASE}/patch`]: patched,
    [`POST ${BASE}/patch/sweep`]: sweep,
    "POST /api/v1/tokenization/encode": ({ body }: Asked) => ({
      count: (body as { text: string }).text.length,
    }),
    ...routes,
  });
}

const asked = (server: ReturnType<typeof shown>["server"]) =>
  server.sent("POST", `${BASE}/patch`).at(-1)?.body as {
    interventions: Intervention[];
    source_text?: string;
    position?: number;
  };
const part = (name: string) =>
  within(screen.getByRole("group", { name: "Parts of the model" })).getByRole("button", { name });

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
beforeEach(wide);
afterEach(() => vi.stubGlobal("matchMedia", narrow));

test("before anything is changed there is the guess alone", async () => {
  const { server } = shown();
  const guesses = await screen.findByRole("list", { name: "Guesses before and after" });
  expect(within(guesses).getAllByRole("listitem")).toHaveLength(2);
  expect(asked(server)).toEqual({ model: "example", text: "abc", interventions: [] });
  expect(screen.getByText(/Nothing is changed yet/)).toBeVisible();
  expect(screen.getByText("A sweep needs two texts")).toBeVisible();
});

test("a part that is clicked is changed, and can be taken out or undone", async () => {
  const { user, server } = shown();
  await screen.findByRole("list", { name: "Guesses before and after" });
  await user.click(part("Layer 1, head 0"));
  expect(address()).toContain("edits=zero-head-1.0");
  expect(part("Layer 1, head 0: zero")).toHaveAttribute("aria-pressed", "true");
  await waitFor(() =>
    expect(asked(server).interventions).toEqual([
      { kind: "zero", part: "head", layer: 1, head: 0, position: null },
    ]),
  );
  const guesses = screen.getByRole("list", { name: "Guesses before and after" });
  await waitFor(() =>
    expect(within(guesses).getByRole("listitem", { name: "y: 10% before, 80% after" })).toHaveTextContent(
      "70.0",
    ),
  );
  expect(screen.getByText("1.50 nats")).toBeVisible();

  await user.click(screen.getByRole("radio", { name: "Mean" }));
  await user.selectOptions(screen.getByRole("combobox", { name: "At" }), "2 c");
  await user.click(part("Layer 0, feed-forward"));
  const changes = screen.getByRole("list", { name: "Changes" });
  expect(within(changes).getAllByRole("listitem")[1]).toHaveTextContent(
    "Layer 0, feed-forward mean at token 2 c",
  );
  await user.click(within(changes).getByRole("button", { name: "Take out Layer 1, head 0" }));
  expect(address()).toContain("edits=mean-ffn-0%402");
  await user.click(screen.getByRole("button", { name: "Undo" }));
  await user.click(screen.getByRole("button", { name: "Undo" }));
  await user.click(screen.getByRole("button", { name: "Undo" }));
  expect(address()).not.toContain("edits");
  expect(screen.getByRole("button", { name: "Undo" })).toBeDisabled();
});

test("the arrow keys go from part to part", async () => {
  const { user } = shown();
  await screen.findByRole("list", { name: "Guesses before and after" });
  part("Layer 0, head 0").focus();
  await user.keyboard("{ArrowDown}{ArrowRight}");
  expect(part("Layer 1, head 1")).toHaveFocus();
  await user.keyboard("{End}{ArrowRight}{Enter}");
  expect(address()).toContain("edits=zero-ffn-1");
  await user.keyboard("{Home}");
  expect(part("Layer 1, residual stream")).toHaveFocus();
});

test("values of another text are taken only where there is one", async () => {
  const { user, server } = shown();
  await screen.findByRole("list", { name: "Guesses before and after" });
  await user.click(screen.getByRole("radio", { name: "From the other text" }));
  expect(screen.getByText("Give another text above to take values from.")).toBeVisible();
  await user.click(part("Layer 0, attention"));
  expect(address()).not.toContain("edits");
  await user.type(screen.getByRole("textbox", { name: "Other text" }), "abd");
  await user.click(part("Layer 0, attention"));
  await waitFor(() => expect(asked(server).source_text).toBe("abd"));
  expect(asked(server).interventions[0]?.kind).toBe("patch");
  expect(address()).toContain("other=abd");
});

test("a sweep shows which part carries the other answer; its cell can be put in", async () => {
  const { user, server } = shown({ path: "/architecture/?tab=patch&other=abd" });
  const cells = await screen.findByRole("grid", { name: "Sweep: layers by tokens or heads" });
  expect(server.sent("POST", `${BASE}/patch/sweep`)[0]?.body).toEqual({
    model: "example",
    text: "abd",
    source_text: "abc",
    part: "residual",
  });
  expect(within(cells).getByRole("columnheader", { name: "c *" })).toBeVisible();
  expect(screen.getByText(/Alone it makes the model answer/)).toBeVisible();
  expect(screen.getByText("0 is -3.00, 1 is 4.00: logit of y minus that of x.")).toBeVisible();
  await user.click(screen.getByRole("button", { name: "Put it in" }));
  expect(address()).toContain("edits=patch-residual-0%401");
  expect(within(cells).getByRole("gridcell", { name: "Layer 0, b: 0.95" })).toHaveAttribute("data-mark");
  await user.click(screen.getByRole("button", { name: "Take it out" }));
  expect(address()).not.toContain("edits");
  await user.click(within(cells).getByRole("gridcell", { name: "Layer 1, b: -0.50" }));
  expect(screen.getByText(/drives the model further/)).toBeVisible();

  await user.click(screen.getByRole("radio", { name: "Heads" }));
  expect(address()).toContain("part=head");
  expect(await within(cells).findByRole("columnheader", { name: "Head 1" })).toBeVisible();
  await user.click(screen.getByRole("button", { name: "Put it in" }));
  expect(address()).toContain("edits=patch-head-0.1");
});

test("a long sweep waits to be asked for", async () => {
  const { user, server } = shown({
    path: "/architecture/?tab=patch&other=abd",
    model: { ...MODEL, parameters: 1e11 },
  });
  const run = await screen.findByRole("button", { name: "Run the sweep" });
  expect(server.sent("POST", `${BASE}/patch/sweep`)).toHaveLength(0);
  await user.click(run);
  expect(await screen.findByRole("grid", { name: "Sweep: layers by tokens or heads" })).toBeVisible();
});

test("texts of different lengths are refused in the program's words", async () => {
  const message = "The texts have 3 and 4 tokens; a sweep needs as many in both.";
  shown({
    path: "/architecture/?tab=patch&other=abcd",
    routes: { [`POST ${BASE}/patch/sweep`]: () => answer(422, { error: { message } }) },
  });
  expect(await screen.findByText(message, { exact: false })).toBeVisible();
});

test("two texts with the same answer have nothing to carry over", async () => {
  shown({
    path: "/architecture/?tab=patch&other=abd",
    routes: {
      [`POST ${BASE}/patch/sweep`]: (request: Asked) => ({
        ...sweep(request),
        wrong: null,
        wrong_text: null,
        values: [[null], [null]],
      }),
    },
  });
  expect(await screen.findByText("Both texts have the same answer")).toBeVisible();
});

test("an example brings both texts, the part to sweep, and says what one sees", async () => {
  const { user } = shown();
  const group = (await screen.findAllByRole("group", { name: "Examples" }))[0]!;
  await user.click(within(group).getByRole("button", { name: "What colour?" }));
  const { text, other, about } = PATCH_EXAMPLES[0];
  expect(screen.getByRole("textbox", { name: "Text" })).toHaveValue(text);
  expect(screen.getByRole("textbox", { name: "Other text" })).toHaveValue(other);
  expect(screen.getByText(about)).toBeVisible();
  expect(new URL(address(), "http://localhost").searchParams.get("other")).toBe(other);
  await user.click(screen.getByRole("button", { name: "Swap" }));
  expect(screen.getByRole("textbox", { name: "Text" })).toHaveValue(other);
});
