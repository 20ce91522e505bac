import { screen, waitFor, within } from "@testing-library/react";

import { NewRun } from "@/components/runs/new/new-run";

import { address } from "./navigation";
import { open } from "./page";
import { aPlan, aRun, CARD } from "./samples";
import { answer, type Asked } from "./server";

vi.mock("@/components/runs/line-chart", () => ({ default: () => null }));

const SHARDS = {
  id: "t1", kind: "tokens", name: "tokens", created_at: 1, builtin: false, run_id: null, parents: [],
  summary: {}, size_bytes: 1, code_version: "",
}; // prettier-ignore
const STAGE = {
  name: "pretrain",
  title: "Pre-training",
  description: "",
  config_schema: {
    type: "object",
    $defs: {
      TrainingConfig: {
        type: "object",
        properties: {
          batch_size: { type: "integer", title: "Batch Size", default: 16, minimum: 1 },
          micro_batch_size: { type: "integer", title: "Micro Batch Size", default: null, minimum: 1 },
        },
      },
    },
    properties: { tokens: { type: "string" }, training: { $ref: "#/$defs/TrainingConfig" } },
  },
};
const previewOf = ({ body }: Asked) => ({
  problems: [],
  schedule: [{ step: 0, rate: 0.001 }],
  yaml: "",
  command: "llmp pretrain",
  model: { width: 128, vocab_size: 300 },
  tokens: 2_048_000,
  epochs: null,
  ...(body as object),
});
const TIGHT = aPlan({
  fits: false,
  memory_bytes: 3e9,
  warnings: ["this training needs 4.0 GB, and this machine has 3.0 GB free."],
  suggested: {
    ...aPlan().configured,
    micro_batch_size: 4,
    accumulation: 4,
    checkpointing: "full",
    footprint: { ...aPlan().configured.footprint, peak: 2e9 },
  },
});

const page = (plan: unknown, routes: Record<string, unknown> = {}) =>
  open("/runs/new/", <NewRun />, {
    "GET /api/v1/stages/pretrain": STAGE,
    "GET /api/v1/artifacts": { artifacts: [SHARDS] },
    "GET /api/v1/transformer/schema": {
      type: "object",
      properties: { width: { type: "integer", title: "Width", default: 128, minimum: 1 } },
    },
    "GET /api/v1/transformer/presets": { presets: [] },
    "GET /api/v1/transformer/models": { models: [] },
    "GET /api/v1/transformer/devices": { devices: [CARD], this: CARD },
    "GET /api/v1/data/uploads": { uploads: [], max_bytes: 1000 },
    "POST /api/v1/runs/preview": previewOf,
    "POST /api/v1/runs/plan": plan,
    "POST /api/v1/runs": aRun({ id: "new-1", stage: "pretrain" }),
    ...routes,
  });
const ready = async () => {
  const train = await screen.findByRole("button", { name: "Train" });
  await waitFor(() => expect(train).toBeEnabled());
  return train;
};

test("memory, time and speed are those of the planner, on this machine or a device", async () => {
  const { user, server } = page(({ body }: Asked) =>
    (body as { device: string }).device === "h100"
      ? aPlan({ device: "NVIDIA H100", memory_bytes: 8e10, cost: 1.5, energy_kwh: 0.4, devices: 2 })
      : aPlan(),
  );
  expect(await screen.findByTitle("4,000,000,000 bytes")).toBeVisible();
  expect(
    screen.getByRole("img", { name: /Memory by part: Weights 500.MB, .*Activations 1\.7.GB/ }),
  ).toBeVisible();
  expect(screen.getByText("A step: 16 sequences at once.")).toBeVisible();
  expect(screen.getByText("4 min 20 s", { selector: "dd" })).toBeVisible();
  expect(screen.getByRole("link", { name: /^Time 4.min 20.s +Memory 4\.0.GB of 10\.0.GB$/ })).toBeVisible();
  expect(screen.getByText("Estimated")).toBeVisible();
  expect(screen.getByText("The device table has no price and no power for this machine")).toBeInTheDocument();
  expect(server.sent("POST", "/api/v1/runs/plan")[0]?.body).toEqual({
    stage: "pretrain", config: { tokens: "t1" }, device: "this", devices: null, remembered: true,
  }); // prettier-ignore

  await user.selectOptions(screen.getByRole("combobox", { name: "On" }), "NVIDIA H100");
  expect(await screen.findByText("$1.50")).toBeVisible();
  expect(screen.getByText("400 Wh")).toBeVisible();
  expect(screen.getByText("As of 2026-03-10: A data sheet.")).toBeVisible();
  const count = screen.getByRole("spinbutton", { name: "How many" });
  await user.clear(count);
  await user.type(count, "8");
  await waitFor(() =>
    expect(server.sent("POST", "/api/v1/runs/plan").at(-1)?.body).toMatchObject({
      device: "h100",
      devices: 8,
    }),
  );
  expect(screen.queryByRole("button", { name: "Measure" })).toBeNull();
});

test("measuring says so, and a shape that was measured stays so", async () => {
  const { user, server } = page(({ body }: Asked) =>
    (body as { measure?: boolean }).measure
      ? aPlan({ time: { ...aPlan().time!, method: "measured", total: 100 } })
      : aPlan(),
  );
  const measure = await screen.findByRole("button", { name: "Measure" });
  await waitFor(() => expect(measure).toBeEnabled());
  await user.click(measure);
  expect(await screen.findByText("Measured")).toBeVisible();
  expect(screen.getByText("1 min 40 s", { selector: "dd" })).toBeVisible();
  expect(server.sent("POST", "/api/v1/runs/plan").at(-1)?.body).toMatchObject({ measure: true });
  expect(measure).toBeDisabled();
});

test("what would fit goes into the form, and out again", async () => {
  const { user } = page(({ body }: Asked) => {
    const { training } = (body as { config: { training?: { micro_batch_size?: number } } }).config;
    return training?.micro_batch_size === 4 ? aPlan() : TIGHT;
  });
  expect(await screen.findByText(/4 at once, all blocks recomputed: 2\.0.GB/)).toBeVisible();
  await user.click(screen.getByRole("button", { name: "Use this" }));
  await waitFor(() => expect(screen.queryByText("It does not fit.")).toBeNull());
  await waitFor(() => expect(address()).toContain("micro_batch_size:4"));
  expect(address()).toContain("activation_checkpointing:full");
  await user.click(await screen.findByRole("button", { name: "Undo" }));
  expect(await screen.findByText("It does not fit.")).toBeVisible();
  await waitFor(() => expect(address()).not.toContain("micro_batch_size"));
});

test("a training that may not fit is started only when one says so again", async () => {
  const { user, server } = page(TIGHT);
  await user.click(await ready());
  const dialog = await screen.findByRole("dialog", { name: "This training may not fit" });
  expect(
    within(dialog).getByText(/It needs 4\.0.GB, and 3\.0.GB are free\. What fits is 4 at once/),
  ).toBeVisible();
  expect(server.sent("POST", "/api/v1/runs")).toEqual([]);
  await user.click(within(dialog).getByRole("button", { name: "Train all the same" }));
  await waitFor(() => expect(address()).toBe("/runs/?id=new-1"));
});

test("a training that cannot fit is refused with the reason, whatever device was planned for", async () => {
  const { user, server } = page(({ body }: Asked) =>
    (body as { device: string }).device === "h100" ? aPlan({ devices: 1 }) : { ...TIGHT, refused: true },
  );
  await ready();
  await user.selectOptions(screen.getByRole("combobox", { name: "On" }), "NVIDIA H100");
  await waitFor(() => expect(screen.queryByText(/^It (does|can)not fit/)).toBeNull());
  await user.click(await ready());
  const dialog = await screen.findByRole("dialog", { name: "This training cannot fit" });
  expect(within(dialog).queryByRole("button", { name: "Train all the same" })).toBeNull();
  await user.click(within(dialog).getByRole("button", { name: "Use what fits" }));
  await waitFor(() => expect(address()).toContain("micro_batch_size:4"));
  expect(server.sent("POST", "/api/v1/runs")).toEqual([]);
});

test("a plan that is refused says why and leaves the form as it is", async () => {
  page(answer(400, { error: { message: "devices: 9 is not between 1 and batch_size (4)." } }));
  expect(await screen.findByText(/devices: 9 is not between 1 and batch_size/)).toBeVisible();
  await ready();
});
