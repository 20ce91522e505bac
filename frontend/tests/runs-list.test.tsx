import { screen, waitFor } from "@testing-library/react";

import { RunsList } from "@/components/runs/runs-list";

import { FakeEventSource } from "./event-source";
import { open } from "./page";
import { aRun } from "./samples";
import { answer } from "./server";

const RUNS = [
  aRun({ id: "a", name: "Morning", state: "running" }),
  aRun({ id: "b", name: "Noon", state: "finished", stage: "pretrain" }),
  aRun({ id: "c", name: "Evening", state: "died", stage: "sft" }),
];
const list = (runs = RUNS) => open("/runs/", <RunsList />, { "GET /api/v1/runs": { runs } });
const names = () =>
  screen
    .getAllByRole("row")
    .slice(1)
    .map((row) => row.querySelector("a")?.textContent);

test("an empty list says what a run is and offers the first", async () => {
  list([]);
  expect(await screen.findByText("No runs yet")).toBeVisible();
  expect(screen.getByRole("button", { name: "Train your first model" })).toBeVisible();
  expect(screen.queryByRole("searchbox")).toBeNull();
});

test("runs are found by name and stage, and by how they ended", async () => {
  const { user } = list();
  await screen.findByText("Morning");
  expect(names()).toEqual(["Morning", "Noon", "Evening"]);
  await user.type(screen.getByRole("searchbox"), "fine-t");
  expect(names()).toEqual(["Evening"]);
  await user.clear(screen.getByRole("searchbox"));
  for (const [choice, expected] of [
    ["At work", ["Morning"]],
    ["Finished", ["Noon"]],
    ["Ended early", ["Evening"]],
  ] as const) {
    await user.click(screen.getByRole("radio", { name: choice }));
    expect(names()).toEqual(expected);
  }
  await user.type(screen.getByRole("searchbox"), "noon");
  expect(screen.getByText("No run fits this filter.")).toBeVisible();
});

test("a run that is started elsewhere appears, and one that moves changes in place", async () => {
  list();
  await screen.findByText("Morning");
  await waitFor(() => expect(FakeEventSource.alive).toHaveLength(1));
  FakeEventSource.last.send("run", { run: aRun({ id: "d", name: "Night", state: "queued" }) });
  FakeEventSource.last.send("run", { run: aRun({ id: "a", name: "Morning", state: "failed" }) });
  expect(await screen.findByText("Night")).toBeVisible();
  expect(names()).toEqual(["Night", "Morning", "Noon", "Evening"]);
  expect(screen.getByText("Failed")).toBeVisible();
});

test("a list that cannot be read says why, and is read again", async () => {
  const { user, server } = open("/runs/", <RunsList />, {
    "GET /api/v1/runs": answer(403, { error: { message: "The token is missing." } }),
  });
  expect(await screen.findByRole("alert")).toHaveTextContent("The runs could not be read.");
  expect(screen.getByRole("alert")).toHaveTextContent("The token is missing.");
  server.set("GET /api/v1/runs", { runs: RUNS });
  await user.click(screen.getByRole("button", { name: "Try again" }));
  expect(await screen.findByText("Morning")).toBeVisible();
});
