import { fireEvent, screen, waitFor, within } from "@testing-library/react";
import { vi } from "vitest";

import { firstToken } from "@/components/tokenizer/inspect-tab";
import { Lab } from "@/components/tokenizer/lab";
import { placeInPiece } from "@/components/tokenizer/token-inspector";
import type { Encoded, PriceTable, TokenizerInfo } from "@/lib/tokenizer-types";

import { address } from "./navigation";
import { open } from "./page";
import { aRun, aRunDetail } from "./samples";
import { answer, type Asked } from "./server";

const BASE = "/api/v1/tokenization";

const aTokenizer = (changes: Partial<TokenizerInfo> = {}): TokenizerInfo => ({
  id: "prose",
  name: "Prose",
  kind: "tokenizer",
  builtin: true,
  created_at: 1_700_000_000,
  vocab_size: 4096,
  pattern: "gpt2",
  about: "Learned from documentation.",
  has_trace: false,
  special_tokens: ["<|endoftext|>"],
  ...changes,
});
const ALL = [aTokenizer({ id: "code", name: "Code" }), aTokenizer()];

/** A tokenizer whose tokens are single letters; the first two are merged. */
function encoded(text: string): Encoded {
  const letters = Array.from(text);
  const parts = letters.length > 1 ? [letters.slice(0, 2).join(""), ...letters.slice(2)] : letters;
  let at = 0;
  const tokens = parts.map((part, index) => {
    const start = at;
    at += Array.from(part).length;
    return {
      id: 100 + index,
      text: part,
      bytes: Array.from(new TextEncoder().encode(part), (byte) => byte.toString(16).padStart(2, "0")).join(
        "",
      ),
      start,
      end: at,
      byte_start: start,
      byte_end: at,
      special: false,
      partial: false,
      piece: 0,
      begins: index === 0,
    };
  });
  const bytes = new TextEncoder().encode(text).length;
  return {
    ids: tokens.map((token) => token.id),
    count: tokens.length,
    characters: letters.length,
    bytes,
    bytes_per_token: bytes / tokens.length,
    inspection: {
      tokens,
      pieces: [
        {
          text,
          branch: "letters",
          symbols: letters,
          merges: [
            { rank: 7, left: letters[0] ?? "", right: letters[1] ?? "", merged: parts[0] ?? "", place: 0 },
          ],
          whole: false,
          tokens: tokens.map((token) => token.id),
        },
      ],
      pattern: "gpt2",
    },
  };
}

const textOf = (asked: Asked): string => (asked.body as { text: string }).text;
const lab = (path = "/tokenizer/", routes: Record<string, unknown> = {}) =>
  open(path, <Lab />, {
    [`GET ${BASE}/tokenizers`]: { tokenizers: ALL },
    [`POST ${BASE}/encode`]: (asked: Asked) => encoded(textOf(asked)),
    "GET /api/v1/artifacts": { artifacts: [] },
    ...routes,
  });
const tokens = () => within(screen.getByRole("listbox", { name: "Tokens" })).getAllByRole("option");

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

describe("inspect", () => {
  test("the text in the address becomes tokens, with its figures", async () => {
    const { server } = lab("/tokenizer/?text=hello");
    await screen.findByRole("listbox", { name: "Tokens" });
    expect(tokens().map((item) => item.textContent)).toEqual(["he", "l", "l", "o"]);
    expect(screen.getByText("1.25")).toBeVisible();
    expect(server.sent("POST", `${BASE}/encode`)[0]?.body).toEqual({
      tokenizer: "prose",
      text: "hello",
      allowed_special: [],
      inspect: true,
    });
  });

  test("the old tokens stay until the new ones are there, and an older answer never comes back", async () => {
    const waiting: Record<string, (value: unknown) => void> = {};
    const { server } = lab("/tokenizer/?text=ab", {
      [`POST ${BASE}/encode`]: (asked: Asked) =>
        textOf(asked) === "ab"
          ? encoded("ab")
          : new Promise((resolve) => (waiting[textOf(asked)] = () => resolve(encoded(textOf(asked))))),
    });
    await screen.findByRole("listbox", { name: "Tokens" });
    const box = screen.getByRole("textbox", { name: "Text" });
    fireEvent.change(box, { target: { value: "abc" } });
    await waitFor(() => expect(waiting).toHaveProperty("abc"));
    fireEvent.change(box, { target: { value: "abcd" } });
    expect(tokens().map((item) => item.textContent)).toEqual(["ab"]);
    await waitFor(() => expect(waiting).toHaveProperty("abcd"));
    expect(server.sent("POST", `${BASE}/encode`)[1]?.signal?.aborted).toBe(true);
    waiting["abcd"]?.(null);
    await waitFor(() => expect(tokens()).toHaveLength(3));
    waiting["abc"]?.(null);
    await waitFor(() => expect(tokens()).toHaveLength(3));
  });

  test("quick typing asks once it rests", async () => {
    const { user, server } = lab("/tokenizer/?text=ab");
    await screen.findByRole("listbox", { name: "Tokens" });
    await user.type(screen.getByRole("textbox", { name: "Text" }), "cdef");
    await waitFor(() => expect(tokens()).toHaveLength(5));
    expect(server.sent("POST", `${BASE}/encode`).length).toBeLessThan(4);
  });

  test("on a phone a tap opens the token in a sheet, with its merge", async () => {
    const { user } = lab("/tokenizer/?text=hello");
    await screen.findByRole("listbox", { name: "Tokens" });
    await user.click(tokens()[0]!);
    const sheet = within(await screen.findByRole("dialog", { name: "Token" }));
    expect(sheet.getByText("1 of 4")).toBeVisible();
    expect(sheet.getByText("68 65")).toBeVisible();
    expect(sheet.getByRole("img", { name: "After 1 of 1 merges: he l l o" })).toBeVisible();
    await user.click(sheet.getByRole("button", { name: "One merge back" }));
    expect(sheet.getByRole("img", { name: "After 0 of 1 merges: h e l l o" })).toBeVisible();
    await user.click(sheet.getByRole("button", { name: "Next token" }));
    expect(sheet.getByText("2 of 4")).toBeVisible();
  });

  test("beside the text the arrow keys move from token to token", async () => {
    wide();
    const { user } = lab("/tokenizer/?text=hello");
    const list = await screen.findByRole("listbox", { name: "Tokens" });
    await screen.findByText("1 of 4");
    list.focus();
    await user.keyboard("{ArrowRight}{ArrowRight}");
    expect(screen.getByText("3 of 4")).toBeVisible();
    expect(tokens()[2]).toHaveAttribute("aria-selected", "true");
    expect(list).toHaveAttribute("aria-activedescendant", tokens()[2]?.id);
    await user.keyboard("{End}{ArrowRight}");
    expect(screen.getByText("4 of 4")).toBeVisible();
    await user.keyboard("{Home}");
    expect(tokens()[0]).toHaveAttribute("aria-selected", "true");
    expect(tokens()[3]).toHaveAttribute("aria-selected", "false");
  });

  test("special tokens are recognised only when asked for, and ids take the place of the text", async () => {
    const { user, server } = lab("/tokenizer/?text=hi");
    await screen.findByRole("listbox", { name: "Tokens" });
    await user.click(screen.getByRole("switch", { name: "Special tokens" }));
    await waitFor(() =>
      expect(server.sent("POST", `${BASE}/encode`).at(-1)?.body).toMatchObject({ allowed_special: "all" }),
    );
    await user.click(screen.getByRole("radio", { name: "Ids" }));
    expect(tokens().map((item) => item.textContent)).toEqual(["100"]);
  });

  test("ids are copied as JSON", async () => {
    const { user } = lab("/tokenizer/?text=hello");
    await screen.findByRole("listbox", { name: "Tokens" });
    await user.click(screen.getByRole("button", { name: "Copy ids" }));
    expect(await navigator.clipboard.readText()).toBe("[100,101,102,103]");
  });

  test("without text it says so, and an example fills it", async () => {
    const { user } = lab("/tokenizer/?text=ab");
    const box = await screen.findByRole("textbox", { name: "Text" });
    await user.clear(box);
    expect(await screen.findByText("No text yet")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Numbers" }));
    expect(box).toHaveValue("3.14159265 2,718,281 1969-07-20T20:17:40Z 0xDEADBEEF 1000000 99.95 % ½ ٣٤٥");
    await screen.findByRole("listbox", { name: "Tokens" });
    await waitFor(() => expect(tokens().length).toBeGreaterThan(50));
  });

  test("what the program refuses is said in its words", async () => {
    lab("/tokenizer/?text=ab", {
      [`POST ${BASE}/encode`]: answer(400, {
        error: { message: "The text holds half a character.", hint: null, field: "text" },
      }),
    });
    expect(await screen.findByRole("alert")).toHaveTextContent("The text holds half a character.");
  });

  test("another tokenizer is kept in the address", async () => {
    const { user } = lab("/tokenizer/?text=ab");
    await user.selectOptions(await screen.findByRole("combobox", { name: "Tokenizer" }), "code");
    expect(address()).toBe("/tokenizer/?tokenizer=code");
  });

  test("the first token shown is of the piece with the most merges", () => {
    const { inspection } = encoded("abc");
    const merged = { ...inspection!.pieces[0]! };
    const two = {
      ...inspection!,
      pieces: [{ ...merged, merges: [] }, merged],
      tokens: [
        { ...inspection!.tokens[0]!, piece: 0 },
        { ...inspection!.tokens[1]!, piece: 1, begins: true },
      ],
    };
    expect(firstToken(two)).toBe(1);
    expect(firstToken({ tokens: [], pieces: [], pattern: null })).toBeNull();
    expect(placeInPiece(inspection!, 1)).toBe(1);
  });
});

test("compare underlines what only one tokenizer cuts, and takes more of them", async () => {
  const token = (id: number, text: string, start: number, end: number) => ({
    id,
    text,
    start,
    end,
    partial: false,
    special: false,
  });
  const result = (tokenizer: string, found: ReturnType<typeof token>[], only_here: number[]) => ({
    tokenizer,
    name: tokenizer,
    count: found.length,
    bytes_per_token: 1,
    characters_per_token: 1,
    tokens: found,
    only_here,
  });
  const { user, server } = lab("/tokenizer/?tab=compare&text=abc&with=prose,code", {
    [`GET ${BASE}/tokenizers`]: { tokenizers: [...ALL, aTokenizer({ id: "tiny", name: "Tiny" })] },
    [`POST ${BASE}/compare`]: {
      characters: 3,
      bytes: 3,
      words: 1,
      results: [
        result("prose", [token(1, "ab", 0, 2), token(2, "c", 2, 3)], [0]),
        result("code", [token(1, "a", 0, 1), token(2, "b", 1, 2), token(3, "c", 2, 3)], [0, 1]),
      ],
    },
  });
  const a = await screen.findByRole("listbox", { name: "Tokens of A" });
  const marks = (list: HTMLElement) =>
    within(list)
      .getAllByRole("option")
      .map((item) => item.classList.contains("only"));
  expect(marks(a)).toEqual([true, false]);
  const b = screen.getByRole("listbox", { name: "Tokens of B" });
  expect(marks(b)).toEqual([true, true, false]);
  expect(screen.getByRole("img", { name: "code: 3 tokens" })).toBeVisible();
  expect(screen.getByText("+50%")).toBeVisible();

  await user.click(within(a).getAllByRole("option")[0]!);
  expect(
    within(b)
      .getAllByRole("option")
      .map((item) => item.hasAttribute("data-near")),
  ).toEqual([true, true, false]);

  await user.click(screen.getByRole("button", { name: "Add a tokenizer" }));
  await waitFor(() =>
    expect(server.sent("POST", `${BASE}/compare`).at(-1)?.body).toMatchObject({
      tokenizers: ["prose", "code", "tiny"],
    }),
  );
  expect(address()).toContain("with=prose%2Ccode%2Ctiny");
});

const figures = (name: string, changes: Record<string, unknown> = {}) => ({
  name,
  tokens: 10,
  bytes: 20,
  characters: 20,
  words: 5,
  single_token_words: 3,
  partial_tokens: 1,
  unknown_tokens: 0,
  distinct_tokens: 8,
  shannon_entropy: 3,
  renyi_entropy: 2.5,
  vocab_size: 4096,
  bytes_per_token: 2,
  characters_per_token: 2,
  words_per_token: 0.5,
  tokens_per_word: 2,
  single_token_word_share: 0.6,
  byte_fallback_rate: 0.1,
  unknown_rate: 0,
  shannon_efficiency: 0.25,
  renyi_efficiency: 0.2,
  ...changes,
});

test("coverage draws a figure by script, as a table too, and lists suspicious tokens", async () => {
  const { user, server } = lab("/tokenizer/?tab=coverage", {
    [`POST ${BASE}/analyze`]: {
      total: figures("all"),
      by_script: [figures("Latin"), figures("Common", { tokens_per_word: null })],
      by_content: [figures("prose")],
      order: 2.5,
      used_tokens: 8,
      unused_tokens: 4087,
      used_share: 8 / 4095,
      suspicious: [
        {
          reason: "special",
          explanation: "a special token",
          count: 1,
          tokens: [{ id: 0, text: "<|end|>", hex: "3c" }],
        },
        {
          reason: "partial",
          explanation: "holds only a part",
          count: 130,
          tokens: [{ id: 95, text: "\ufffd", hex: "a1" }],
        },
      ],
    },
  });
  expect(await screen.findByRole("img", { name: "Latin: 2.00" })).toBeVisible();
  expect(server.sent("POST", `${BASE}/analyze`)[0]?.body).toEqual({ tokenizer: "prose" });
  await user.selectOptions(screen.getByRole("combobox", { name: "Figure" }), "Tokens per word");
  expect(screen.getByRole("img", { name: "Common: nothing to measure" })).toBeVisible();
  await user.click(screen.getByRole("radio", { name: "Table" }));
  expect(within(screen.getByRole("region", { name: "By script" })).getAllByRole("row")).toHaveLength(4);

  const list = () => within(screen.getByRole("region", { name: "Suspicious tokens" }));
  expect(list().getAllByText("A1")).toHaveLength(2);
  expect(screen.getByText("The first 1 of 130, by id.")).toBeVisible();
  await user.click(screen.getByRole("radio", { name: /^Special/ }));
  expect(list().getByText("<|end|>")).toBeVisible();

  await user.click(screen.getByRole("radio", { name: "My text" }));
  expect(server.sent("POST", `${BASE}/analyze`)).toHaveLength(1);
  await user.click(screen.getByRole("button", { name: "Measure" }));
  await waitFor(() =>
    expect(server.sent("POST", `${BASE}/analyze`).at(-1)?.body).toMatchObject({
      text: expect.stringContaining("Unbelievable"),
    }),
  );
});

const TABLE: PriceTable = {
  currency: "USD",
  note: "Check before you rely on it.",
  prices: [
    {
      provider: "Willow",
      model: "small",
      input: 2,
      cached_input: 0.2,
      output: 8,
      batch: 0.5,
      long: null,
      context: 1000,
      tokenizer: null,
      as_of: "2026-01-02",
      source: "its page",
      note: "",
    },
  ],
};

test("cost says whether its count is exact and why, and the prices can be changed and reset", async () => {
  const cost = {
    provider: "Willow",
    model: "small",
    currency: "USD",
    as_of: "2026-01-02",
    source: "its page",
    input: { tokens: 53, exact: false, method: "other tokenizer", reason: "Counted with another tokenizer." },
    cached_tokens: 0,
    output_tokens: 500,
    input_cost: 0.0001,
    cached_cost: 0,
    output_cost: 0.004,
    request_cost: 0.0041,
    batch: false,
    long: false,
    requests_per_month: 10_000,
    monthly_cost: 41,
    monthly_input_tokens: 530_000,
    monthly_output_tokens: 5_000_000,
    warnings: ["Input and output are too long.", "Prices as of 2026-01-02: check before you rely on them."],
  };
  const { user, server } = lab("/tokenizer/?tab=cost", {
    [`GET ${BASE}/prices`]: TABLE,
    [`POST ${BASE}/cost`]: cost,
    [`PUT ${BASE}/prices`]: (asked: Asked) => asked.body,
    [`DELETE ${BASE}/prices`]: TABLE,
  });
  expect(await screen.findByText("$41.00")).toBeVisible();
  expect(screen.getByText("Approximate")).toBeVisible();
  expect(screen.getByText("Counted with another tokenizer.")).toBeVisible();
  expect(screen.getByText("Input and output are too long.")).toBeVisible();
  expect(server.sent("POST", `${BASE}/cost`)[0]?.body).toMatchObject({
    model: "Willow/small",
    tokenizer: "prose",
    output_tokens: 500,
    cached_share: 0,
    batch: false,
    requests_per_month: 10_000,
  });

  await user.click(screen.getByRole("radio", { name: "A number of tokens" }));
  await waitFor(() =>
    expect(server.sent("POST", `${BASE}/cost`).at(-1)?.body).toMatchObject({ tokens: 2000 }),
  );
  expect(server.sent("POST", `${BASE}/cost`).at(-1)?.body).not.toHaveProperty("text");

  await user.click(screen.getByRole("button", { name: "Edit" }));
  const input = screen.getByRole("textbox", { name: "Input price of small" });
  await user.clear(input);
  await user.type(input, "3.5");
  await user.click(screen.getByRole("button", { name: "Save" }));
  await waitFor(() => expect(server.sent("PUT", `${BASE}/prices`)).toHaveLength(1));
  const saved = server.sent("PUT", `${BASE}/prices`)[0]?.body as PriceTable;
  expect(saved.prices[0]).toMatchObject({ input: 3.5, output: 8 });
  expect(saved.prices[0]?.as_of).toBe(new Date().toISOString().slice(0, 10));
  await user.click(await screen.findByRole("button", { name: "Reset" }));
  await waitFor(() => expect(server.sent("DELETE", `${BASE}/prices`)).toHaveLength(1));
});

test("train starts a run that makes its text first, and opens what it made", async () => {
  const made = aTokenizer({ id: "mine", name: "Mine", builtin: false, has_trace: true, vocab_size: 300 });
  const { user, server } = lab("/tokenizer/?tab=train", {
    "POST /api/v1/runs": aRun({ id: "run-9", name: "My tokenizer" }),
    "GET /api/v1/runs/run-9": aRunDetail({ id: "run-9", name: "My tokenizer", state: "running" }),
    [`GET ${BASE}/mine/trace`]: {
      steps_total: 2,
      tie_break: "hf",
      steps: [
        {
          step: 1,
          left: "h",
          right: "e",
          merged: "he",
          count: 9,
          runner_up: { left: "l", right: "l", count: 9 },
        },
        { step: 2, left: "l", right: "l", merged: "ll", count: 8, runner_up: null },
      ],
    },
    [`POST ${BASE}/mine/replay`]: (asked: Asked) => {
      const { step } = asked.body as { step: number };
      return {
        step,
        vocab_size: 256 + step,
        tokens: [{ id: 1, text: step > 1 ? "ll" : "l", start: 0, end: 1, partial: false }],
        merge: step ? { left: "l", right: "l", merged: "ll", count: 8, runner_up: null } : null,
      };
    },
  });
  expect(await screen.findByText("No training to replay yet")).toBeVisible();
  await user.click(await screen.findByRole("button", { name: "Train" }));
  await waitFor(() => expect(address()).toContain("run=run-9"));
  expect(server.sent("POST", "/api/v1/runs")[0]?.body).toMatchObject({ stage: "recipe" });
  expect(await screen.findByRole("progressbar", { name: "Progress of My tokenizer" })).toBeVisible();
  await screen.findByRole("button", { name: "Stop" });

  server.set(`GET ${BASE}/tokenizers`, { tokenizers: [made, ...ALL] });
  server.set("GET /api/v1/runs/run-9", aRunDetail({ id: "run-9", state: "finished", output: "mine" }));
  const { FakeEventSource } = await import("./event-source");
  FakeEventSource.alive.forEach((source) => source.open());
  await waitFor(() => expect(address()).toContain("tokenizer=mine"));
  expect(address()).not.toContain("run=");

  const slider = await screen.findByRole("slider", { name: "Merge" });
  expect(slider).toHaveAttribute("aria-valuetext", "2 of 2 merges");
  const sentence = await screen.findByRole("listbox", { name: "The sentence at this moment" });
  await waitFor(() => expect(within(sentence).getByRole("option")).toHaveClass("fresh"));
  expect(screen.getByText("There was none.")).toBeVisible();
  await user.click(screen.getByRole("button", { name: "Go to merge 1" }));
  expect(slider).toHaveAttribute("aria-valuetext", "1 of 2 merges");
  expect(await screen.findByText("as often: the rule for ties decided")).toBeVisible();
});
