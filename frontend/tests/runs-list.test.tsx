import { screen, waitFor } from "@testing-library/react";

import { RunsList } from "@/components/runs/runs-list";
import { shownRuns, sparkPath } from "@/lib/run-table";

import { FakeEventSource } from "./event-source";
import { address } from "./navigation";
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

test("words find tags and notes, and the address keeps the view", async () => {
  const runs = [
    aRun({ id: "a", name: "One", tags: ["wide"], notes: "Twice the width." }),
    aRun({ id: "b", name: "Two", stage: "sft", state: "finished" }),
  ];
  const { user } = list(runs);
  await screen.findByText("wide");
  expect(screen.getByText("Twice the width.")).toBeVisible();
  await user.type(screen.getByRole("searchbox"), "WIDE twice");
  expect(names()).toEqual(["One"]);
  expect(address()).toBe("/runs/?q=WIDE+twice");
  await user.clear(screen.getByRole("searchbox"));
  await user.selectOptions(screen.getByLabelText("Stage"), "Fine-tuning");
  await user.selectOptions(screen.getByLabelText("Order"), "By name");
  expect(names()).toEqual(["Two"]);
  expect(address()).toBe("/runs/?stage=sft&sort=name");
});

test("two chosen runs are compared, and runs at work are not deleted", async () => {
  const { user, server } = open("/runs/", <RunsList />, {
    "GET /api/v1/runs": { runs: RUNS },
    "GET /api/v1/runs/curves": { curves: { b: { step: [1, 2], value: [3, 1.5] } } },
    "DELETE /api/v1/runs/b": { id: "b" },
    "DELETE /api/v1/runs/c": { id: "c" },
  });
  expect(await screen.findByText("1.500")).toBeInTheDocument();
  await user.click(screen.getByRole("checkbox", { name: "Choose Morning" }));
  expect(screen.getByText("Choose another to compare.")).toBeVisible();
  await user.click(screen.getByRole("checkbox", { name: "Choose Noon" }));
  expect(screen.getByRole("link", { name: "Compare" })).toHaveAttribute("href", "/runs/compare/?ids=a,b");
  expect(screen.getByRole("button", { name: "Delete" })).toBeDisabled();
  await user.click(screen.getByRole("checkbox", { name: "Choose Morning" }));
  await user.click(screen.getByRole("checkbox", { name: "Choose Evening" }));
  await user.click(screen.getByRole("button", { name: "Delete" }));
  await waitFor(() => expect(names()).toEqual(["Morning"]));
  expect(server.sent("DELETE", "/api/v1/runs/c")).toHaveLength(1);
  expect(await screen.findAllByRole("button", { name: "Undo" })).toHaveLength(2);
});

test("a small curve is drawn through its finite values, and the order by loss takes its end", () => {
  expect(sparkPath([2, null, 1], 10, 4)).toBe("M0.0,0.0L10.0,4.0");
  expect(sparkPath([2, null], 10, 4)).toBe("");
  const view = { words: "", show: "all", stage: "", sort: "loss" } as const;
  const curves = { b: { step: [1], value: [2] }, c: { step: [1, 2], value: [1, null] } };
  expect(shownRuns(RUNS, view, curves).map(({ id }) => id)).toEqual(["c", "b", "a"]);
});
