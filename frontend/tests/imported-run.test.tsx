import { screen, waitFor } from "@testing-library/react";

import { RunsRoute } from "@/components/runs/runs-route";

import { open } from "./page";
import { aRunDetail } from "./samples";

vi.mock("@/components/runs/line-chart", () => ({
  default: ({ title, lines }: { title: string; lines: { curve: { values: number[] } }[] }) => (
    <p>{`${title}: ${lines[0]?.curve.values.join(" ")}`}</p>
  ),
}));

const series = (value: number[]) => ({
  step: value.map((_, step) => step),
  value,
  min: value,
  max: value,
  segment: value.map(() => 0),
  tokens: value.map(() => null),
  flops: value.map(() => null),
  time: value.map((_, step) => 100 + step),
  points: value.length,
});

function page(id: string, names: string[]) {
  const run = aRunDetail({ id, stage: "imported", state: "finished", name: "Theirs", output: null });
  return open(`/runs/?id=${id}`, <RunsRoute />, {
    "GET /api/v1/runs": { runs: [run] },
    [`GET /api/v1/runs/${id}`]: run,
    [`GET /api/v1/runs/${id}/metrics`]: {
      names,
      series: Object.fromEntries(names.map((name, place) => [name, series([place, 0.5])])),
      ghosts: {},
      latest: {},
      cursor: 0,
    },
    [`GET /api/v1/runs/${id}/events`]: { events: [] },
    [`GET /api/v1/runs/${id}/log`]: { text: "" },
  });
}

test("every series that another program logged has a chart under its name", async () => {
  page("few", ["Loss/train", "accuracy"]);
  expect(await screen.findByText("Loss/train: 0 0.5")).toBeVisible();
  expect(await screen.findByText("accuracy: 1 0.5")).toBeVisible();
  expect(screen.getByText("Imported")).toBeVisible();
  expect(screen.queryByRole("textbox", { name: "Find a series" })).toBeNull();
});

test("of very many series some are shown, and the others found by name", async () => {
  const { user } = page(
    "many",
    Array.from({ length: 40 }, (_, place) => `layer-${place}/norm`),
  );
  expect(await screen.findByText("24 of 40 series are shown.")).toBeVisible();
  expect(screen.queryByText(/^layer-31/)).toBeNull();
  await user.type(screen.getByRole("textbox", { name: "Find a series" }), "31");
  expect(await screen.findByText("layer-31/norm: 31 0.5")).toBeVisible();
  await waitFor(() => expect(screen.getByText("1 of 1 series are shown.")).toBeVisible());
});
