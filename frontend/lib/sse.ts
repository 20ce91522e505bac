/** One server-sent event as it came over the wire. */
export interface ServerEvent {
  event: string;
  data: string;
  id: string | null;
}

/**
 * A parser of `text/event-stream` that takes pieces of text as they come: an event, a line, even a line
 * break (CR LF) may be cut anywhere between two pieces.
 */
export class EventStreamParser {
  private rest = "";
  private event = "";
  private data: string[] = [];
  private id: string | null = null;

  /** Takes the next piece of text; returns the events that it completes. */
  push(piece: string): ServerEvent[] {
    const found: ServerEvent[] = [];
    const text = this.rest + piece;
    let start = 0;
    for (;;) {
      const end = text.slice(start).search(/[\r\n]/);
      if (end < 0) break;
      const stop = start + end;
      // A CR at the very end may be the first half of CR LF: wait for the next piece.
      if (text[stop] === "\r" && stop + 1 === text.length) break;
      const line = text.slice(start, stop);
      start = stop + (text[stop] === "\r" && text[stop + 1] === "\n" ? 2 : 1);
      const event = this.line(line);
      if (event) found.push(event);
    }
    this.rest = text.slice(start);
    return found;
  }

  private line(line: string): ServerEvent | null {
    if (line === "") {
      const event = { event: this.event || "message", data: this.data.join("\n"), id: this.id };
      const any = this.data.length > 0;
      this.event = "";
      this.data = [];
      return any ? event : null;
    }
    if (line.startsWith(":")) return null; // a comment: the server's sign of life
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "event") this.event = value;
    else if (field === "data") this.data.push(value);
    else if (field === "id" && !value.includes("\0")) this.id = value;
    return null;
  }
}

/** Reads a response's body as server-sent events; bytes of a character may be split between chunks. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const parser = new EventStreamParser();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
    yield* parser.push(decoder.decode() + "\n\n");
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
