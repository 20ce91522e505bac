import { act, configure, fireEvent, screen, waitFor, within } from "@testing-library/react";
import { vi } from "vitest";

import { ConfigureTab } from "@/components/architecture/configure-tab";
import { labHref } from "@/lib/architecture-config";
import { withQuery } from "@/lib/utils";

import { analysisOf, analyze, BASE, GPT2, ROUTES } from "./architecture-program";
import { address, router, useSearchParams } from "./navigation";
import { open } from "./page";
import { answer, type Asked } from "./server";

configure({ asyncUtilTimeout: 5000 }); // a whole page is drawn anew with every answer
vi.setConfig({ testTimeout: 30_000 });

function Tab() {
  const query = useSearchParams();
  return (
    <ConfigureTab
      query={query}
      onQuery={(changes) => router.replace(labHref({ ...Object.fromEntries(query), ...changes }))}
    />
  );
}
const tab = (query: Record<string, string> = {}, routes: Record<string, unknown> = {}) =>
  open(withQuery("/architecture/", query), <Tab />, { ...ROUTES, ...routes });
// By label, not by role: working out the roles of a whole page takes long.
const field = (name: string) => screen.findByLabelText(name, { selector: "input" });
const part = () => screen.getByLabelText("Part", { selector: "section" });
const picture = () => screen.getByLabelText("The model, drawn to scale");
const total = (text: string) => screen.findByText(text, { selector: "dd" });

const narrow = window.matchMedia;
beforeEach(() =>
  vi.stubGlobal("matchMedia", () => ({
    matches: true,
    addEventListener: () => {},
    removeEventListener: () => {},
    addListener: () => {},
    removeListener: () => {},
  })),
);
afterEach(() => vi.stubGlobal("matchMedia", narrow));

describe("the form and the totals", () => {
  test("a preset in the address is shown with its totals and its picture", async () => {
    const { server } = tab({ from: "preset:gpt2-small" });
    expect(await total("124,439,808")).toBeVisible();
    expect(screen.getByLabelText("Start from")).toHaveDisplayValue("GPT-2 small (124M)");
    expect(await field("Width")).toHaveValue("768");
    expect(
      within(picture()).getByRole("button", {
        name: /^Queries, 768 × 768: 590,592 parameters, in each of 12/,
      }),
    ).toBeVisible();
    expect(server.sent("POST", `${BASE}/analyze`)[0]?.body).toMatchObject({
      config: GPT2,
      batch: 1,
      precision: "bf16",
    });
  });

  test("a change follows at once and stands in the address, the old figures stay until then", async () => {
    const { user } = tab({ from: "preset:gpt2-small" });
    await total("124,439,808");
    const layers = await field("Layers");
    await user.clear(layers);
    await user.type(layers, "6");
    expect(screen.getByText("124,439,808", { selector: "dd" })).toBeVisible();
    const small = analysisOf({ ...GPT2, layers: 6 }).parameters.total.toLocaleString("en-US");
    expect(await total(small)).toBeVisible();
    await waitFor(() => expect(address()).toBe("/architecture/?from=preset:gpt2-small&set=layers:6"));
    expect(picture()).toHaveTextContent("×6");
  });

  test("quick typing asks once it rests", async () => {
    const { user, server } = tab();
    const width = await field("Width");
    await waitFor(() => expect(server.sent("POST", `${BASE}/analyze`)).toHaveLength(1));
    await user.clear(width);
    await user.type(width, "1024");
    await waitFor(() => expect(server.sent("POST", `${BASE}/analyze`)).toHaveLength(2));
    expect(server.sent("POST", `${BASE}/analyze`)[1]?.body).toMatchObject({ config: { width: 1024 } });
  });

  test("what does not go together is said at its field; the last good figures stay", async () => {
    const { user } = tab({ from: "preset:gpt2-small" });
    await total("124,439,808");
    const heads = await field("Heads");
    await user.clear(heads);
    await user.type(heads, "7");
    expect(await screen.findByText(/^Heads \(7\) must divide the width \(768\)/)).toBeVisible();
    expect(heads).toHaveAttribute("aria-invalid", "true");
    expect(heads).toHaveAccessibleDescription(/must divide/);
    expect(screen.getByText("124,439,808", { selector: "dd" })).toBeVisible();
    expect(screen.getByText("does not go together yet")).toBeVisible();
    await user.clear(heads);
    await user.type(heads, "8");
    await waitFor(() => expect(screen.queryByText(/must divide/)).toBeNull());
  });

  test("what is no number changes nothing and says so", async () => {
    const { user, server } = tab();
    const width = await field("Width");
    await waitFor(() => expect(server.sent("POST", `${BASE}/analyze`)).toHaveLength(1));
    await user.clear(width);
    await user.type(width, "wide");
    expect(width).toHaveAttribute("aria-invalid", "true");
    await user.tab();
    expect(width).toHaveValue("128");
    expect(server.sent("POST", `${BASE}/analyze`)).toHaveLength(1);
  });

  test("arrow keys step a whole number, within its bounds", async () => {
    const { user } = tab();
    const layers = await field("Layers");
    await user.click(layers);
    await user.keyboard("{ArrowUp}");
    expect(layers).toHaveValue("5");
    await user.keyboard("{Shift>}{ArrowDown}{/Shift}");
    expect(layers).toHaveValue("1");
  });

  test("a part that may be missing opens with fields of its own", async () => {
    const { user, server } = tab();
    await user.click(await screen.findByRole("button", { name: /^Positions/ }));
    await user.click(screen.getByLabelText("RoPE scaling"));
    const factor = await field("Factor");
    await user.clear(factor);
    await user.type(factor, "4");
    await waitFor(() =>
      expect(server.sent("POST", `${BASE}/analyze`).at(-1)?.body).toMatchObject({
        config: { rope_scaling: { type: "linear", factor: 4 } },
      }),
    );
    await waitFor(() => expect(address()).toContain("set=rope_scaling.type:linear,rope_scaling.factor:4"));
    await user.click(screen.getByLabelText("RoPE scaling"));
    await waitFor(() => expect(address()).toBe("/architecture/"));
  });

  test("an empty field says what it comes to; a changed one can be put back", async () => {
    const { user } = tab({ from: "preset:gpt2-small", set: "kv_heads:4" });
    const kv = await field("KV heads");
    expect(kv).toHaveValue("4");
    await user.click(screen.getByRole("button", { name: "Put KV heads back to empty" }));
    expect(kv).toHaveValue("");
    expect(kv).toHaveAttribute("placeholder", "auto: 12");
  });

  test("the settings can be read as YAML", async () => {
    const { user } = tab({ from: "preset:gpt2-small", set: "layers:6" });
    await user.click(await screen.findByRole("radio", { name: "YAML" }));
    expect(screen.getByLabelText("Settings as YAML")).toHaveTextContent("layers: 6");
  });
});

describe("the way back", () => {
  test("undo and redo, by button and by key", async () => {
    const { user } = tab({ from: "preset:gpt2-small" });
    await total("124,439,808");
    fireEvent.change(screen.getByLabelText("Start from"), { target: { value: "preset:llama-3-8b" } });
    expect(await total("8,030,261,248")).toBeVisible();
    await user.click(screen.getByRole("button", { name: "Undo" }));
    expect(await total("124,439,808")).toBeVisible();
    await user.click(document.body);
    await user.keyboard("{Control>}{Shift>}Z{/Shift}{/Control}");
    expect(await total("8,030,261,248")).toBeVisible();
    expect(screen.getByRole("button", { name: "Redo" })).toBeDisabled();
  });

  test("changes are taken back at once", async () => {
    const { user } = tab({ from: "preset:gpt2-small", set: "layers:6,width:384" });
    await user.click(await screen.findByRole("button", { name: "Take back 2 changes" }));
    expect(await total("124,439,808")).toBeVisible();
  });

  test("an address from elsewhere is followed", async () => {
    tab({ from: "preset:gpt2-small" });
    await total("124,439,808");
    act(() => router.push("/architecture/?from=preset:llama-3-8b"));
    expect(await total("8,030,261,248")).toBeVisible();
  });

  test("a preset that there is not is said", async () => {
    tab({ from: "preset:gpt9" });
    expect(await screen.findByRole("alert")).toHaveTextContent("There is no preset gpt9.");
    expect(screen.getByLabelText("Start from")).toBeVisible();
  });
});

describe("the picture", () => {
  test("a part opens by pointing, stays by clicking, and its settings are one click away", async () => {
    const { user } = tab({ from: "preset:llama-3-8b" });
    const picture = await screen.findByLabelText("The model, drawn to scale");
    expect(part()).toHaveTextContent("Scores and mixing");
    expect(part()).toHaveTextContent("4 heads share one set of keys and values (grouped-query attention).");
    const keys = within(picture).getByRole("button", { name: /^Keys/ });
    await user.hover(keys);
    expect(part()).toHaveTextContent("4,096 × 1,024");
    await user.unhover(keys);
    expect(part()).toHaveTextContent("Scores and mixing");
    await user.click(keys);
    expect(keys).toHaveAttribute("aria-pressed", "true");
    expect(part()).toHaveTextContent("134,217,728"); // 32 layers of 4096 x 1024
    await user.click(within(part()).getByRole("button", { name: "KV heads" }));
    expect(await field("KV heads")).toHaveFocus();
  });

  test("arrow keys go from part to part", async () => {
    const { user } = tab({ from: "preset:gpt2-small" });
    const picture = await screen.findByLabelText("The model, drawn to scale");
    const parts = within(picture).getAllByRole("button");
    expect(parts.filter((item) => item.tabIndex === 0)).toHaveLength(1);
    act(() => parts[0]!.focus());
    await user.keyboard("{ArrowDown}");
    expect(parts[1]).toHaveFocus();
    await user.keyboard("{End}");
    expect(parts.at(-1)).toHaveFocus();
    expect(part()).toHaveTextContent("Head");
    await user.keyboard("{Enter}");
    expect(parts.at(-1)).toHaveAttribute("aria-pressed", "true");
  });
});

describe("plan, budget, export", () => {
  test("the context slider moves operations and cache", async () => {
    const { server } = tab({ from: "preset:gpt2-small" });
    const slider = await screen.findByRole("slider", { name: "Context" });
    expect(slider).toHaveAttribute("aria-valuetext", "1,024 tokens");
    fireEvent.change(slider, { target: { value: "3" } });
    expect(slider).toHaveAttribute("aria-valuetext", "128 tokens");
    await waitFor(() =>
      expect(server.sent("POST", `${BASE}/analyze`).at(-1)?.body).toMatchObject({ context: 128 }),
    );
    await waitFor(() => expect(address()).toContain("for=context:128"));
  });

  test("the budget asks with the device that is chosen, and says why there is no time without one", async () => {
    const { server } = tab(
      { from: "preset:gpt2-small" },
      {
        [`POST ${BASE}/analyze`]: (asked: Asked) => {
          const found = analyze(asked) as ReturnType<typeof analysisOf>;
          const device = (asked.body as { device?: string }).device;
          return device
            ? { ...found, budget: { ...found.budget, device, seconds: 7200, cost: 5, energy_kwh: 1.4 } }
            : found;
        },
      },
    );
    expect((await screen.findAllByText("Choose a device for time and cost.")).length).toBeGreaterThan(0);
    await screen.findByRole("option", { name: "H100 80 GB" });
    fireEvent.change(screen.getByLabelText("Device"), { target: { value: "h100" } });
    expect(await screen.findByText(/^2.h$/)).toBeVisible();
    expect(server.sent("POST", `${BASE}/analyze`).at(-1)?.body).toMatchObject({ device: "h100" });
    fireEvent.change(screen.getByLabelText("Sequences"), { target: { value: "32" } });
    await waitFor(() =>
      expect(server.sent("POST", `${BASE}/analyze`).at(-1)?.body).toMatchObject({ batch: 32 }),
    );
  });

  test("the predicted loss has a table", async () => {
    const { user } = tab({ from: "preset:gpt2-small" });
    await user.click(await screen.findByRole("button", { name: "Budget as a table" }));
    const table = screen.getByRole("region", { name: "Budget, table" });
    expect(within(table).getAllByRole("row")).toHaveLength(4);
    expect(table).toHaveTextContent("3.2");
  });

  test("the ways out: link, YAML, config.json, command", async () => {
    const { user } = tab({ from: "preset:gpt2-small" });
    await total("124,439,808");
    await user.click(screen.getByRole("button", { name: "Export" }));
    await user.click(await screen.findByRole("menuitem", { name: /llmp model show preset:gpt2-small/ }));
    expect(await navigator.clipboard.readText()).toBe("llmp model show preset:gpt2-small");
    await user.click(screen.getByRole("button", { name: "Export" }));
    await user.click(await screen.findByRole("menuitem", { name: "Copy config.json" }));
    expect(JSON.parse(await navigator.clipboard.readText())).toEqual({ model_type: "gpt2", n_embd: 768 });
    await user.click(screen.getByRole("button", { name: "Export" }));
    await user.click(await screen.findByRole("menuitem", { name: "Copy YAML" }));
    expect(await navigator.clipboard.readText()).toContain("width: 768\n");
  });

  test("figures that cannot be had are said, and asked for again", async () => {
    const { user, server } = tab(
      { from: "preset:gpt2-small" },
      { [`POST ${BASE}/analyze`]: () => answer(400, { error: { message: "The device is unknown." } }) },
    );
    expect(await screen.findByRole("alert")).toHaveTextContent("The device is unknown.");
    server.set(`POST ${BASE}/analyze`, analyze);
    await user.click(screen.getByRole("button", { name: "Try again" }));
    expect(await total("124,439,808")).toBeVisible();
  });
});

describe("what fits", () => {
  test("memory and time lead to an architecture, which one click puts under the hands", async () => {
    const { user, server } = tab(
      {},
      {
        [`POST ${BASE}/recommend`]: {
          recommendations: [
            {
              name: "gpt2-small",
              config: GPT2,
              parameters: 124_439_808,
              tokens: 2_000_000_000,
              batch: 8,
              precision: "float32",
              checkpointing: "none",
              optimizer: "adamw",
              seconds: 36_000,
              reasons: ["It fits into 4 GB with a batch of 8."],
              warnings: ["It needs all of the ten hours."],
            },
            {
              name: null,
              config: { width: 256, layers: 8 },
              parameters: 7_000_000,
              tokens: 140_000_000,
              batch: 1,
              precision: "bf16",
              checkpointing: "none",
              optimizer: "adamw",
              seconds: 3600,
              reasons: ["It is done in an hour."],
              warnings: [],
            },
          ],
          reasons: ["Twenty tokens for each parameter."],
        },
      },
    );
    await user.click(await screen.findByRole("button", { name: "What fits?" }));
    await screen.findByText("It fits into 4 GB with a batch of 8.");
    expect(server.sent("POST", `${BASE}/recommend`).at(-1)?.body).toEqual({
      memory_bytes: 4e9,
      device: "this",
      hours: 10,
      purpose: "train",
    });
    const [first] = screen.getAllByRole("button", { name: "Use this" });
    await user.click(first!);
    expect(await total("124,439,808")).toBeVisible();
    await waitFor(() =>
      expect(address()).toBe(
        "/architecture/?from=preset:gpt2-small&for=batch:8,precision:float32,tokens:2000000000,device:this",
      ),
    );
    await user.click(screen.getByRole("button", { name: "What fits?" }));
    await user.click((await screen.findAllByRole("button", { name: "Use this" }))[1]!);
    await waitFor(() => expect(address()).toContain("/architecture/?set=width:256,layers:8&for=tokens:140"));
  });
});
