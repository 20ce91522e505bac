import { progressWords, secondsOf } from "@/lib/run-view";

import { aRun } from "./samples";

const progress = (done: number, total: number | null) => ({ ...aRun().progress, done, total });

test.each([
  ["a recipe counts its steps", aRun({ progress: progress(3.04, 6) }), "step 4 of 6"],
  ["a recipe at its end has no step beyond", aRun({ progress: progress(6, 6) }), "step 6 of 6"],
  ["another stage has a share", aRun({ stage: "pretrain", progress: progress(599, 600) }), "99%"],
  ["a stage that knows no end says nothing", aRun({ stage: "pretrain", progress: progress(5, null) }), null],
])("%s", (_what, run, words) => expect(progressWords(run)).toBe(words));

test.each([
  ["at work: until now", aRun({ started_at: 100, finished_at: 150 }), 900],
  ["finished: until its end", aRun({ state: "finished", started_at: 100, finished_at: 150 }), 50],
  ["died: until its last sign of life", aRun({ state: "died", started_at: 100, heartbeat_at: 130 }), 30],
  ["never begun", aRun({ state: "failed", started_at: null }), null],
])("the time of a run %s", (_what, run, seconds) => expect(secondsOf(run, 1_000_000)).toBe(seconds));
