import { configure, fireEvent, screen, waitFor, within } from "@testing-library/react";
import { vi } from "vitest";

import { CompareTab } from "@/components/architecture/compare-tab";
import { labHref } from "@/lib/architecture-config";
import { withQuery } from "@/lib/utils";

import { BASE, ROUTES } from "./architecture-program";
import { address, router, useSearchParams } from "./navigation";
import { open } from "./page";
import { answer } from "./server";

configure({ asyncUtilTimeout: 5000 }); // a whole page is drawn anew with every answer
vi.setConfig({ testTimeout: 30_000 });

function Tab() {
  const query = useSearchParams();
  return (
    <CompareTab
      query={query}
      onQuery={(changes) => router.replace(labHref({ ...Object.fromEntries(query), ...changes }))}
    />
  );
}
const tab = (query: Record<string, string> = {}, routes: Record<string, unknown> = {}) =>
  open(withQuery("/architecture/", { tab: "compare", ...query }), <Tab />, { ...ROUTES, ...routes });
const settings = () => screen.findByRole("region", { name: "Settings, table" });
const row = async (name: string) =>
  within(await settings()).findByRole("row", { name: new RegExp(`^${name}`) });
const PAIR = { with: "preset:gpt2-small,preset:llama-3-8b" };

test("two architectures stand side by side on one scale, with what differs", async () => {
  const { server } = tab(PAIR);
  expect(await screen.findByRole("img", { name: /^GPT-2 small: 124M; embedding 38.6M/ })).toBeVisible();
  expect(screen.getByRole("img", { name: /^Llama 3 8B: 8.03B/ })).toBeVisible();
  expect(server.sent("POST", `${BASE}/compare`)[0]?.body).toMatchObject({
    architectures: [
      { label: "GPT-2 small", model: "preset:gpt2-small" },
      { label: "Llama 3 8B", model: "preset:llama-3-8b" },
    ],
  });
  expect(await row("Width")).toHaveTextContent("7684,096");
  expect(within(await settings()).queryByRole("row", { name: /^Window/ })).toBeNull();
});

test("all settings are one switch away", async () => {
  const { user } = tab(PAIR);
  await settings();
  await user.click(screen.getByRole("switch", { name: "Only differences" }));
  expect(await row("Window")).toHaveTextContent("––");
  expect((await row("Width")).textContent).toContain("differs");
});

test("one is added, exchanged, taken out; the address says which", async () => {
  const { user } = tab(PAIR);
  await settings();
  await user.click(screen.getByRole("button", { name: "Add an architecture" }));
  await waitFor(() => expect(address()).toContain("with=preset:gpt2-small,preset:llama-3-8b,mine"));
  fireEvent.change(screen.getByLabelText("Architecture C"), { target: { value: "preset:smollm2-135m" } });
  await waitFor(() => expect(address()).toContain("preset:llama-3-8b,preset:smollm2-135m"));
  await user.click(screen.getByRole("button", { name: "Take A out" }));
  await waitFor(() => expect(address()).toContain("with=preset:llama-3-8b,preset:smollm2-135m"));
  expect(screen.getByRole("button", { name: "Take A out" })).toBeDisabled();
});

test("one's own configuration comes along from the Configurator", async () => {
  const { server } = tab({ from: "preset:gpt2-small", set: "layers:6" });
  expect(await screen.findByRole("img", { name: /^Your configuration: 81.9M/ })).toBeVisible();
  expect(server.sent("POST", `${BASE}/compare`)[0]?.body).toMatchObject({
    architectures: [{ label: "Your configuration", config: { layers: 6, width: 768 } }, {}, {}],
  });
});

test("another measure, against the first", async () => {
  const { user } = tab(PAIR);
  await settings();
  await user.click(screen.getByRole("radio", { name: "Memory to train" }));
  const table = screen.getByRole("region", { name: "By part, table" });
  expect(within(table).getByRole("row", { name: /^Optimizer/ })).toHaveTextContent("× 65");
  await user.click(screen.getByRole("radio", { name: "Memory to run" }));
  expect(within(table).getByRole("row", { name: /^KV cache/ })).toBeVisible();
});

test("all are compared at the context that is chosen", async () => {
  const { server } = tab(PAIR);
  await settings();
  fireEvent.change(screen.getByLabelText("Context"), { target: { value: "512" } });
  await waitFor(() =>
    expect(server.sent("POST", `${BASE}/compare`).at(-1)?.body).toMatchObject({ context: 512 }),
  );
  expect(address()).toContain("for=context:512");
});

test("the caches are curves with a table", async () => {
  const { user } = tab(PAIR);
  await user.click(await screen.findByRole("button", { name: "KV cache as a table" }));
  const table = screen.getByRole("region", { name: "KV cache, table" });
  expect(
    within(table)
      .getAllByRole("columnheader")
      .map((cell) => cell.textContent),
  ).toEqual(["tokens", "GPT-2 small", "Llama 3 8B"]);
});

test("what cannot be compared is said", async () => {
  tab(PAIR, {
    [`POST ${BASE}/compare`]: () => answer(404, { error: { message: "There is no model of that name." } }),
  });
  expect(await screen.findByRole("alert")).toHaveTextContent("There is no model of that name.");
});
