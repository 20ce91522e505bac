import { configure, fireEvent, screen, waitFor, within } from "@testing-library/react";
import { vi } from "vitest";

import { AttentionTab } from "@/components/architecture/attention-tab";
import { Lab } from "@/components/architecture/lab";
import type { MapRequest } from "@/lib/architecture-types";

import { aLabModel, anAttention, aRandomModel, bytesAnswer, halvesAnswer } from "./architecture-samples";
import { address } from "./navigation";
import { open } from "./page";
import { show } from "./render";
import { answer, type Asked, serve } from "./server";

vi.setConfig({ testTimeout: 30_000 });
configure({ asyncUtilTimeout: 8_000 }); // a busy machine takes its time

const BASE = "/api/v1/transformer";
const PATH = "/architecture/?tab=attention";

/** Token 3 looks at " a" (half) and at itself and the first (a quarter each); all others at themselves. */
const weight = (row: number, column: number): number =>
  row === 3 ? ([0.25, 0, 0.5, 0.25][column] ?? 0) : row === column ? 1 : 0;
const map = (asked: Asked) => {
  const { rows = [0, 4], columns = [0, 4] } = asked.body as MapRequest;
  return halvesAnswer([rows![1] - rows![0], columns![1] - columns![0]], (row, column) =>
    weight(rows![0] + row, columns![0] + column),
  );
};

const ROUTES = {
  [`GET ${BASE}/models`]: { models: [aLabModel(), aRandomModel()] },
  [`POST ${BASE}/attention`]: anAttention(),
  [`POST ${BASE}/attention/thumbnails`]: () => bytesAnswer([2, 2, 4, 4]),
  [`POST ${BASE}/attention/map`]: map,
  "POST /api/v1/tokenization/encode": { count: 4 },
};
const lab = (path = PATH, routes: Record<string, unknown> = {}) =>
  open(path, <Lab />, { ...ROUTES, ...routes });

const heads = async () => within(await screen.findByRole("grid", { name: "Heads" }));
const sentMaps = (server: ReturnType<typeof serve>) =>
  server.sent("POST", `${BASE}/attention/map`).map(({ body }) => body as MapRequest);

beforeEach(() => {
  HTMLCanvasElement.prototype.getContext = () => null;
});

test("every head stands in the grid with its label and score; the most telling one is open", async () => {
  const { server } = lab();
  const grid = await heads();
  expect(grid.getAllByRole("row")).toHaveLength(2);
  expect(grid.getAllByRole("gridcell")).toHaveLength(4);
  expect(grid.getByRole("button", { name: "Layer 0, head 0: First token 0.90" })).toBeVisible();
  expect(screen.getByRole("heading", { name: "Layer 1, head 0" })).toBeVisible();
  await screen.findByRole("application", { name: "Attention map of layer 1, head 0" });
  expect(sentMaps(server)).toEqual([
    expect.objectContaining({
      model: "example",
      layer: 1,
      head: 0,
      kind: "weights",
      rows: [0, 4],
      columns: [0, 4],
    }),
  ]);
});

test("a head is opened by click and by arrow keys; only its own map is asked for", async () => {
  const { user, server } = lab();
  const grid = await heads();
  await user.click(grid.getByRole("button", { name: /^Layer 0, head 1/ }));
  expect(await screen.findByRole("heading", { name: "Layer 0, head 1" })).toBeVisible();
  expect(address()).toContain("layer=0&head=1");
  await user.keyboard("{ArrowDown}");
  expect(await screen.findByRole("heading", { name: "Layer 1, head 1" })).toBeVisible();
  expect(grid.getByRole("button", { name: /^Layer 1, head 1/ })).toHaveFocus();
  await user.keyboard("{Home}{ArrowUp}{ArrowUp}");
  expect(await screen.findByRole("heading", { name: "Layer 0, head 0" })).toBeVisible();
  await waitFor(() =>
    expect(sentMaps(server).map(({ layer, head }) => [layer, head])).toEqual([
      [1, 0],
      [0, 1],
      [1, 1],
      [0, 0],
    ]),
  );
});

test("the last token's look is said in words, and another token can be chosen by key", async () => {
  const { user } = lab();
  const text = await screen.findByRole("listbox", { name: "Choose a token to see where it looks" });
  expect(
    within(text)
      .getAllByRole("option")
      .map((item) => item.textContent),
  ).toEqual(["Mia", "·has", "·a", "·dog"]);
  expect(screen.getByText("0.500")).toBeVisible();
  text.focus();
  await user.keyboard("{Home}");
  await waitFor(() =>
    expect(within(text).getAllByRole("option")[0]).toHaveAttribute("aria-selected", "true"),
  );
  expect(address()).toContain("token=0");
  expect(screen.getByText("1.000")).toBeVisible();
});

/** A pen that counts its strokes. */
function drawn() {
  const pen = { arcs: 0, fills: [] as number[], globalAlpha: 1 };
  const calls = new Proxy(pen, {
    get: (target, name) => {
      if (name in target) return target[name as keyof typeof target];
      if (name === "bezierCurveTo") return () => (target.arcs += 1);
      if (name === "fill") return () => target.fills.push(target.globalAlpha);
      if (name === "clearRect") return () => Object.assign(target, { arcs: 0, fills: [] });
      return () => ({ addColorStop: () => {}, data: new Uint8ClampedArray(1024), width: 0 });
    },
  });
  return { pen, calls };
}

test("tokens are shaded by how much they are looked at, with arcs to the strongest", async () => {
  const { pen, calls } = drawn();
  HTMLCanvasElement.prototype.getContext = function (this: HTMLCanvasElement) {
    return this.parentElement?.role === "listbox" ? calls : null;
  } as never;
  const { user } = lab();
  const text = await screen.findByRole("listbox", { name: "Choose a token to see where it looks" });
  const options = within(text).getAllByRole("option");
  await waitFor(() => expect(options[3]).toHaveAttribute("data-at"));
  expect(pen.arcs).toBe(2); // to " a" and "Mia"; not to itself
  expect(pen.fills).toEqual([1, 0.7, 1]); // all grounds, the quarters by the root of a half, the half
  await user.click(screen.getByRole("switch", { name: "Hide first token" }));
  await waitFor(() => expect(pen.arcs).toBe(1));
  expect(address()).toContain("first=off");
});

test("the other direction shows who looks at a token", async () => {
  const { user } = lab(`${PATH}&token=2`);
  await screen.findByRole("application");
  await user.click(screen.getByRole("radio", { name: "Looked at by" }));
  expect(screen.getByText("is looked at most by")).toBeVisible();
  expect(screen.getByText("0.500")).toBeVisible();
  expect(screen.getByText("1.000")).toBeVisible();
});

test("another kind of map is another question, for the pictures too", async () => {
  const { user, server } = lab();
  await screen.findByRole("application");
  await user.click(screen.getByRole("radio", { name: "Value-weighted" }));
  await waitFor(() => expect(sentMaps(server).at(-1)).toMatchObject({ kind: "value_weighted" }));
  await waitFor(() =>
    expect(server.sent("POST", `${BASE}/attention/thumbnails`).at(-1)?.body).toMatchObject({
      kind: "value_weighted",
    }),
  );
  expect(address()).toContain("kind=value_weighted");
});

test("a rollout has one picture for each layer", async () => {
  lab(`${PATH}&kind=rollout&layer=1`, {
    [`POST ${BASE}/attention/thumbnails`]: () => bytesAnswer([2, 1, 4, 4]),
  });
  expect(await screen.findByRole("heading", { name: "Layer 1, all heads" })).toBeVisible();
  await waitFor(() => expect(screen.getAllByRole("gridcell")).toHaveLength(2));
  expect(screen.getByRole("button", { name: "Layer 0, all heads" })).toBeVisible();
});

test("the arrow keys walk over the map", async () => {
  const { user } = lab(`${PATH}&token=3`);
  const picture = await screen.findByRole("application");
  picture.focus();
  await user.keyboard("{Home}");
  await waitFor(() => expect(screen.getAllByText("0.250").length).toBeGreaterThan(1));
  await user.keyboard("{ArrowUp}{Enter}");
  await waitFor(() => expect(address()).toContain("token=2"));
});

test("a pattern picks out its heads, in the table too, and its scores can be sorted", async () => {
  const { user } = lab();
  await heads();
  await user.click(screen.getByRole("button", { name: "First token 2" }));
  expect(address()).toContain("pattern=first_token");
  await user.click(screen.getByRole("radio", { name: "Table of scores" }));
  const table = within(screen.getByRole("region", { name: "Scores of all heads" }));
  expect(table.getAllByRole("row")).toHaveLength(3);
  await user.click(screen.getByRole("button", { name: "All heads 4" }));
  await user.click(table.getByRole("button", { name: "Previous token" }));
  expect(table.getAllByRole("row")[1]).toHaveTextContent("1.0");
  await user.click(table.getByRole("button", { name: "Open layer 0, head 1" }));
  expect(await screen.findByRole("heading", { name: "Layer 0, head 1" })).toBeVisible();
});

test("definitions say formula, source and what they were measured on", async () => {
  const { user } = lab();
  await heads();
  await user.click(screen.getByRole("button", { name: "Definitions" }));
  const sheet = within(await screen.findByRole("dialog", { name: "How heads are labelled" }));
  expect(sheet.getByText("mean of A[i, i - 1]")).toBeVisible();
  expect(sheet.getByText("Source: Voita et al. 2019")).toBeVisible();
  expect(sheet.getByText(/random tokens said\s+twice/)).toBeVisible();
});

test("of a long text just the part that is seen travels, and the whole row of the token that is kept", async () => {
  const words = Array.from({ length: 300 }, (_, index) => ` w${index}`);
  const tokens = words.map((text, index) => ({ id: index, text, start: index, end: index + 1 }));
  const { user, server } = lab(PATH, {
    [`GET ${BASE}/models`]: { models: [aLabModel({ context_length: 1024 })] },
    [`POST ${BASE}/attention`]: anAttention({ tokens }),
  });
  await screen.findByRole("application");
  await waitFor(() =>
    expect(sentMaps(server).map(({ rows, columns }) => [rows, columns])).toEqual(
      expect.arrayContaining([
        [
          [108, 300],
          [0, 192],
        ],
        [
          [299, 300],
          [0, 300],
        ],
      ]),
    ),
  );
  await user.click(screen.getByRole("button", { name: "Show fewer tokens, larger" }));
  await waitFor(() =>
    expect(sentMaps(server).at(-1)).toMatchObject({ rows: [204, 300], columns: [204, 300] }),
  );
});

test("without text there is an invitation; an example fills it", async () => {
  const { user } = lab();
  await heads();
  await user.clear(screen.getByRole("textbox", { name: "Text" }));
  expect(await screen.findByText("No text yet")).toBeVisible();
  await user.click(screen.getByRole("button", { name: "Repeats" }));
  await heads();
});

test("a text that does not fit is said at the text, and the program's words below", async () => {
  lab(PATH, {
    [`POST ${BASE}/attention`]: answer(422, {
      error: { message: "The text has 200 tokens; the model reads at most 128.", hint: null, field: "text" },
    }),
    "POST /api/v1/tokenization/encode": { count: 200 },
  });
  expect(await screen.findByRole("alert")).toHaveTextContent("The text has 200 tokens");
  expect(await screen.findByText(/shorten the text by at least\s+72/)).toBeVisible();
  expect(screen.getByRole("textbox", { name: "Text" })).toHaveAttribute("aria-invalid", "true");
});

test("random weights are named, and a model that cannot run says why and asks nothing", async () => {
  lab(`${PATH}&model=preset:gpt2-small`);
  expect(await screen.findByRole("button", { name: "Random weights" })).toBeVisible();

  const big = aRandomModel({ runnable: false, why_not: "It needs 29 GB of memory." });
  const server = serve({});
  show(
    <AttentionTab
      text="Mia"
      onText={() => {}}
      models={[big]}
      current={big}
      query={new URLSearchParams()}
      onQuery={() => {}}
    />,
  );
  expect(screen.getByText("It needs 29 GB of memory.")).toBeVisible();
  expect(server.sent("POST", `${BASE}/attention`)).toHaveLength(0);
});

test("scores are saved as a table", async () => {
  const saved = vi.fn();
  vi.stubGlobal("URL", Object.assign(URL, { createObjectURL: () => "blob:x", revokeObjectURL: () => {} }));
  vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function (this: HTMLAnchorElement) {
    saved(this.download);
  });
  lab();
  await heads();
  fireEvent.click(screen.getByRole("button", { name: "Scores" }));
  expect(saved).toHaveBeenCalledWith("attention-scores.csv");
});
