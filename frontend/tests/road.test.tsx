import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";

import { Road } from "@/components/road";
import { plannedRoad, roadOf } from "@/lib/road";

import { aRun } from "./samples";

const recipe = aRun({
  config: { steps: [{ stage: "data.prepare" }, { stage: "pretrain" }, { stage: "sft" }] },
});
const step = (stage: string, state: "finished" | "running" | "stopped") =>
  aRun({ id: stage, stage, state, parent: "run-1" });

test("a road that nobody has walked has no buttons and says that all is ahead", () => {
  render(<Road stations={plannedRoad()} />);
  expect(screen.getAllByRole("listitem").map((item) => item.textContent)).toEqual([
    "TextStories of a small townstill ahead",
    "TokenizerCuts text into piecesstill ahead",
    "Pre-trainingLearns to continue textstill ahead",
    "Fine-tuningLearns to answerstill ahead",
    "ScoreAsked what it never sawstill ahead",
    "ChatTalk with itstill ahead",
  ]);
  expect(screen.queryByRole("button")).toBeNull();
});

test("only the stations of the recipe are shown, and those with a run can be opened", async () => {
  const onSelect = vi.fn();
  const stations = roadOf(recipe, [step("data.prepare", "finished"), step("pretrain", "stopped")]);
  render(<Road stations={stations} selected="pretrain" onSelect={onSelect} />);
  expect(screen.getAllByRole("listitem")).toHaveLength(4);
  const [text, pretrain] = screen.getAllByRole("button");
  expect(text).toHaveAccessibleName(/Text.*done/);
  expect(pretrain).toHaveAccessibleName(/Pre-training.*halted/);
  expect(pretrain).toHaveAttribute("aria-pressed", "true");
  await userEvent.click(text as HTMLElement);
  expect(onSelect).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ kind: "text" }));
});

test("the line fills as far as the work is", () => {
  const half = { ...step("pretrain", "running"), progress: { ...recipe.progress, done: 1, total: 2 } };
  const { container } = render(<Road stations={roadOf(recipe, [step("data.prepare", "finished"), half])} />);
  const shares = [...container.querySelectorAll<HTMLElement>("[style*='--share']")];
  expect(shares.map((line) => line.style.getPropertyValue("--share"))).toEqual(["1", "0.5", "0"]);
});

test("the last station is a link once the model can talk", () => {
  const done = { ...recipe, state: "finished" as const, output: "model-1" };
  render(<Road stations={roadOf(done, [])} chatHref="/chat/?model=model-1" />);
  expect(screen.getByRole("link", { name: /Chat/ })).toHaveAttribute("href", "/chat/?model=model-1");
});
