import type { MetricRow, Run, RunEvent } from "./types";

export interface StreamMessages {
  run: { run: Run };
  metrics: { run_id: string; rows: MetricRow[] };
  event: { run_id: string; event: RunEvent };
}

export type StreamName = keyof StreamMessages;
export type StreamStatus = "idle" | "connecting" | "open" | "lost";
type Handler<N extends StreamName> = (message: StreamMessages[N]) => void;

const NAMES: readonly StreamName[] = ["run", "metrics", "event"];
const RETRY_MS = 2_000;

/**
 * The tab's one connection for live news. A browser allows six connections per server, so all parts of the
 * page share this one: each asks for its topics, and the connection is opened anew when the set changes.
 * A dropped connection is resumed by the browser with Last-Event-ID; a hidden tab closes it. A connection
 * begins with what happens from then on, so whoever shows more is told of each opening, to read the rest.
 */
export class LiveStream {
  private source: EventSource | null = null;
  private url = "";
  private topics = new Map<string, number>();
  private handlers = new Map<StreamName, Set<Handler<never>>>();
  private opened = new Set<() => void>();
  private watchers = new Set<() => void>();
  private state: StreamStatus = "idle";
  private timer: ReturnType<typeof setTimeout> | null = null;
  private planned = false;
  private watching = false;

  constructor(private readonly base = "/api/v1/events") {}

  /** Asks for topics until the returned function is called. */
  subscribe(topics: readonly string[]): () => void {
    this.watchVisibility();
    for (const topic of topics) this.topics.set(topic, (this.topics.get(topic) ?? 0) + 1);
    this.plan();
    return () => {
      for (const topic of topics) {
        const left = (this.topics.get(topic) ?? 1) - 1;
        if (left > 0) this.topics.set(topic, left);
        else this.topics.delete(topic);
      }
      this.plan();
    };
  }

  /** Calls back for every message of a kind. */
  on<N extends StreamName>(name: N, handler: Handler<N>): () => void {
    const set = this.handlers.get(name) ?? new Set();
    this.handlers.set(name, set);
    set.add(handler as Handler<never>);
    return () => void set.delete(handler as Handler<never>);
  }

  /** Calls back whenever the connection is open: what came before that moment must be read by a request. */
  onOpen(handler: () => void): () => void {
    this.opened.add(handler);
    return () => void this.opened.delete(handler);
  }

  /** For useSyncExternalStore. */
  watchStatus = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher);
    return () => void this.watchers.delete(watcher);
  };

  status = (): StreamStatus => this.state;

  private plan(): void {
    if (this.planned) return; // several parts mount in one go: one connection for all
    this.planned = true;
    queueMicrotask(() => {
      this.planned = false;
      this.connect();
    });
  }

  private connect(): void {
    const topics = [...this.topics.keys()].sort();
    const hidden = typeof document !== "undefined" && document.hidden;
    const url = topics.length ? `${this.base}?topics=${topics.map(encodeURIComponent).join(",")}` : "";
    if (!url || hidden) {
      this.close();
      return;
    }
    if (this.source && url === this.url) return;
    this.drop();
    this.url = url;
    this.setState("connecting");
    const source = new EventSource(url);
    this.source = source;
    source.onopen = () => {
      this.setState("open");
      for (const handler of [...this.opened]) handler();
    };
    source.onerror = () => {
      this.setState("lost");
      // The browser reconnects on its own, unless the answer was an error: then it gives up, and we try on.
      if (source.readyState === EventSource.CLOSED && this.source === source) {
        this.drop();
        this.timer = setTimeout(() => this.connect(), RETRY_MS);
      }
    };
    for (const name of NAMES) {
      source.addEventListener(name, (event) => this.deliver(name, (event as MessageEvent<string>).data));
    }
  }

  private deliver(name: StreamName, data: string): void {
    let message: never;
    try {
      message = JSON.parse(data) as never;
    } catch {
      return; // a message that is no JSON is no message of ours
    }
    for (const handler of [...(this.handlers.get(name) ?? [])]) handler(message);
  }

  /** Lets go of the connection and the planned retry; the state stays, so that a retry never looks idle. */
  private drop(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    this.source?.close();
    this.source = null;
  }

  private close(): void {
    this.drop();
    this.setState("idle");
  }

  private setState(state: StreamStatus): void {
    if (state === this.state) return;
    this.state = state;
    for (const watcher of [...this.watchers]) watcher();
  }

  private watchVisibility(): void {
    if (this.watching || typeof document === "undefined") return;
    this.watching = true;
    document.addEventListener("visibilitychange", () => this.connect());
  }
}

export const live = new LiveStream();
