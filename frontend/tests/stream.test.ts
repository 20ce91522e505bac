import { LiveStream } from "@/lib/stream";

import { FakeEventSource } from "./event-source";
import { aRun } from "./samples";

const settle = () => vi.advanceTimersByTimeAsync(0);
const leaving: (() => void)[] = [];

/** A stream whose subscriptions end with the test: streams left behind would answer later changes of the tab. */
function aStream(): LiveStream {
  const stream = new LiveStream();
  const subscribe = stream.subscribe.bind(stream);
  stream.subscribe = (topics) => {
    const leave = once(subscribe(topics));
    leaving.push(leave);
    return leave;
  };
  return stream;
}

function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (!done) action();
    done = true;
  };
}

function hideTab(hidden: boolean): void {
  Object.defineProperty(document, "hidden", { configurable: true, value: hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}

beforeEach(() => {
  vi.useFakeTimers();
  FakeEventSource.all = [];
  vi.stubGlobal("EventSource", FakeEventSource);
});
afterEach(async () => {
  for (const leave of leaving.splice(0)) leave();
  await settle();
  vi.useRealTimers();
  Reflect.deleteProperty(document, "hidden");
});

describe("one connection for the whole page", () => {
  test("parts that mount together share a connection with all their topics", async () => {
    const stream = aStream();
    stream.subscribe(["runs"]);
    stream.subscribe(["run:b", "runs"]);
    stream.subscribe(["run:a"]);
    await settle();
    expect(FakeEventSource.all).toHaveLength(1);
    expect(FakeEventSource.last.topics).toEqual(["run:a", "run:b", "runs"]);
  });

  test("a changed set of topics replaces the connection; an equal one keeps it", async () => {
    const stream = aStream();
    stream.subscribe(["runs"]);
    await settle();
    const leave = stream.subscribe(["runs"]);
    await settle();
    expect(FakeEventSource.all).toHaveLength(1);
    leave();
    stream.subscribe(["run:a"]);
    await settle();
    expect(FakeEventSource.all).toHaveLength(2);
    expect(FakeEventSource.alive).toEqual([FakeEventSource.last]);
    expect(FakeEventSource.last.topics).toEqual(["run:a", "runs"]);
  });

  test("the last one to leave closes it", async () => {
    const stream = aStream();
    const leave = stream.subscribe(["runs"]);
    await settle();
    leave();
    await settle();
    expect(FakeEventSource.alive).toEqual([]);
    expect(stream.status()).toBe("idle");
  });
});

describe("messages", () => {
  test("go to the handlers of their kind only, until those leave", async () => {
    const stream = aStream();
    const [runs, metrics] = [vi.fn(), vi.fn()];
    const leave = stream.on("run", runs);
    stream.on("metrics", metrics);
    stream.subscribe(["runs"]);
    await settle();
    const message = { run: aRun() };
    FakeEventSource.last.send("run", message);
    leave();
    FakeEventSource.last.send("run", message);
    expect(runs.mock.calls).toEqual([[message]]);
    expect(metrics).not.toHaveBeenCalled();
  });

  test("one that is no JSON is passed over and harms none after it", async () => {
    const stream = aStream();
    const handler = vi.fn();
    stream.on("metrics", handler);
    stream.subscribe(["run:a"]);
    await settle();
    FakeEventSource.last.sendText("metrics", '{"run_id": "a"');
    FakeEventSource.last.send("metrics", { run_id: "a", rows: [] });
    expect(handler.mock.calls).toEqual([[{ run_id: "a", rows: [] }]]);
  });
});

describe("a connection that drops", () => {
  test("is left to the browser while that still tries, and every opening is told", async () => {
    const stream = aStream();
    const opened = vi.fn();
    stream.onOpen(opened);
    stream.subscribe(["runs"]);
    await settle();
    const source = FakeEventSource.last;
    source.open();
    expect(stream.status()).toBe("open");
    source.drop(false);
    expect(stream.status()).toBe("lost");
    await vi.advanceTimersByTimeAsync(10_000);
    expect(FakeEventSource.all).toHaveLength(1);
    source.open();
    expect(stream.status()).toBe("open");
    expect(opened).toHaveBeenCalledTimes(2);
  });

  test("is opened anew after a pause where the browser gave up", async () => {
    const stream = aStream();
    stream.subscribe(["runs"]);
    await settle();
    FakeEventSource.last.drop(true);
    await vi.advanceTimersByTimeAsync(1_900);
    expect(FakeEventSource.all).toHaveLength(1);
    expect(stream.status()).toBe("lost");
    await vi.advanceTimersByTimeAsync(200);
    expect(FakeEventSource.all).toHaveLength(2);
    expect(stream.status()).toBe("connecting");
  });

  test("is not opened anew when everyone has left during the pause", async () => {
    const stream = aStream();
    const leave = stream.subscribe(["runs"]);
    await settle();
    FakeEventSource.last.drop(true);
    leave();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(FakeEventSource.all).toHaveLength(1);
  });

  test("never shows as idle while it is being won back", async () => {
    const stream = aStream();
    const seen: string[] = [];
    stream.watchStatus(() => seen.push(stream.status()));
    stream.subscribe(["runs"]);
    await settle();
    FakeEventSource.last.open();
    FakeEventSource.last.drop(true);
    await vi.advanceTimersByTimeAsync(2_000);
    FakeEventSource.last.open();
    expect(seen).toEqual(["connecting", "open", "lost", "connecting", "open"]);
  });
});

test("a hidden tab holds no connection and takes it up again when it is seen", async () => {
  const stream = aStream();
  stream.subscribe(["runs"]);
  await settle();
  hideTab(true);
  expect(FakeEventSource.alive).toEqual([]);
  hideTab(false);
  expect(FakeEventSource.alive).toHaveLength(1);
});
