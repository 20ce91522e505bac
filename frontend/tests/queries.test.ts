import { QueryClient } from "@tanstack/react-query";

import { ApiError } from "@/lib/api";
import { applyRun, keys, mergeEvents, shouldRetry } from "@/lib/queries";
import { roadOf } from "@/lib/road";
import type { Run, RunDetail, RunEvent } from "@/lib/types";

import { aRun, aRunDetail } from "./samples";

test("only a failure that may pass is tried again, and not for ever", () => {
  expect(shouldRetry(0, new ApiError("No.", 404))).toBe(false);
  expect(shouldRetry(0, new ApiError("Busy.", 503))).toBe(true);
  expect(shouldRetry(0, new ApiError("Gone.", 0))).toBe(true);
  expect(shouldRetry(2, new ApiError("Gone.", 0))).toBe(false);
});

test("events of a request and of the stream are one list, each once, in order", () => {
  const event = (id: number, type = "log"): RunEvent => ({ id, time: id, type, data: {} });
  const merged = mergeEvents([event(1), event(3)], [event(3, "state"), event(2)]);
  expect(merged.map((item) => `${item.id} ${item.type}`)).toEqual(["1 log", "2 log", "3 state"]);
});

describe("applyRun", () => {
  const client = () => {
    const made = new QueryClient();
    made.setQueryData<Run[]>(keys.runs, [aRun({ id: "old", name: "Old" })]);
    made.setQueryData<RunDetail>(keys.run("old"), aRunDetail({ id: "old" }));
    return made;
  };
  const names = (from: QueryClient) => from.getQueryData<Run[]>(keys.runs)?.map((run) => run.name);

  test("a run that is new comes first; one that is known changes in its place", () => {
    const cache = client();
    applyRun(cache, aRun({ id: "new", name: "New" }));
    applyRun(cache, aRun({ id: "old", name: "Renamed" }));
    expect(names(cache)).toEqual(["New", "Renamed"]);
    expect(cache.getQueryData<RunDetail>(keys.run("old"))).toMatchObject({ name: "Renamed", children: [] });
  });

  test("a step goes to its recipe's page and not into the list", () => {
    const cache = client();
    const step = aRun({ id: "step", name: "Step", stage: "pretrain", parent: "old" });
    applyRun(cache, step);
    applyRun(cache, { ...step, state: "finished" });
    expect(names(cache)).toEqual(["Old"]);
    expect(cache.getQueryData<RunDetail>(keys.run("old"))?.children).toMatchObject([
      { id: "step", state: "finished" },
    ]);
  });

  test("a list that was not read yet is not begun with one run", () => {
    const cache = new QueryClient();
    applyRun(cache, aRun());
    expect(cache.getQueryData(keys.runs)).toBeUndefined();
  });

  test("models are read again when a run has made one that is not known", () => {
    const cache = client();
    cache.setQueryData(keys.models, [{ id: "known" }]);
    const stale = () => cache.getQueryState(keys.models)?.isInvalidated;
    applyRun(cache, aRun({ state: "finished", output: "known" }));
    applyRun(cache, aRun({ state: "running", output: "fresh" }));
    expect(stale()).toBe(false);
    applyRun(cache, aRun({ state: "finished", output: "fresh" }));
    expect(stale()).toBe(true);
  });
});

describe("roadOf", () => {
  const stages = ["data.prepare", "tokenizer.train", "data.tokenize", "pretrain", "sft", "evaluate"];
  const recipe = aRun({ config: { name: "quickstart", steps: stages.map((stage) => ({ stage })) } });
  const step = (stage: string, changes: Partial<Run> = {}) =>
    aRun({ id: stage, stage, parent: "run-1", state: "finished", ...changes });

  test("a station of two steps is done only when both are", () => {
    const half = roadOf(recipe, [step("data.prepare"), step("tokenizer.train")]);
    expect(half.map((station) => station.state).slice(0, 3)).toEqual(["done", "active", "ahead"]);
    expect(half[1]?.share).toBe(0.5);
    const both = roadOf(recipe, [step("data.prepare"), step("tokenizer.train"), step("data.tokenize")]);
    expect(both[1]).toMatchObject({ state: "done", share: 1 });
  });

  test("a failed step halts its station and is the one to open", () => {
    const road = roadOf({ ...recipe, state: "failed" }, [step("pretrain", { state: "failed" })]);
    const station = road.find((item) => item.kind === "pretrain");
    expect(station).toMatchObject({ state: "halted", run: { id: "pretrain" } });
  });

  test("the last station opens only with a finished model, and results stand under their stations", () => {
    const done = roadOf({ ...recipe, state: "finished", output: "model-1" }, [
      step("pretrain", { summary: { val_loss: 1.234 } }),
      step("evaluate", { summary: { exact_match: { value: 0.92, low: 0.9, high: 0.94 } } }),
    ]);
    const note = (kind: string) => done.find((item) => item.kind === kind)?.note;
    expect(note("pretrain")).toBe("loss 1.23");
    expect(note("score")).toBe("92% right");
    expect(done.at(-1)).toMatchObject({ kind: "chat", state: "done", share: 1 });
    expect(roadOf(recipe, []).at(-1)).toMatchObject({ kind: "chat", state: "ahead" });
  });
});
