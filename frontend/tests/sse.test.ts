import { EventStreamParser, readEvents, type ServerEvent } from "@/lib/sse";

import { eventBody } from "./server";

const parse = (pieces: readonly string[]): ServerEvent[] => {
  const parser = new EventStreamParser();
  return pieces.flatMap((piece) => parser.push(piece));
};

describe("EventStreamParser", () => {
  const TEXT =
    ': alive\r\nid: 7\r\nevent: run\r\ndata: {"a":\r\ndata:1}\r\n\r\ndata: x\n\nid\rdata:  y\r\rdata: z';
  const EVENTS: ServerEvent[] = [
    { event: "run", data: '{"a":\n1}', id: "7" },
    { event: "message", data: "x", id: "7" },
    { event: "message", data: " y", id: "" },
  ];

  test("reads comments, fields, several data lines and all three line ends", () => {
    expect(parse([TEXT])).toEqual(EVENTS);
  });

  test("gives the same events wherever the text is cut", () => {
    for (let cut = 1; cut < TEXT.length; cut += 1) {
      expect(parse([TEXT.slice(0, cut), TEXT.slice(cut)])).toEqual(EVENTS);
    }
    expect(parse([...TEXT])).toEqual(EVENTS);
  });

  test("an event without data is none, and its name does not leak into the next", () => {
    expect(parse(["event: metrics\n\ndata: 1\n\n"])).toEqual([{ event: "message", data: "1", id: null }]);
  });
});

describe("readEvents", () => {
  test("a character may be split between two chunks", async () => {
    const body = eventBody();
    const bytes = new TextEncoder().encode("data: Zoë 🦆\n\n");
    for (const byte of bytes) body.write(new Uint8Array([byte]));
    body.end();
    const events: string[] = [];
    for await (const event of readEvents(body.stream)) events.push(event.data);
    expect(events).toEqual(["Zoë 🦆"]);
  });

  test("whoever stops reading closes the connection", async () => {
    const body = eventBody();
    body.write("data: 1\n\ndata: 2\n\n");
    for await (const event of readEvents(body.stream)) {
      expect(event.data).toBe("1");
      break;
    }
    expect(body.cancelled).toHaveBeenCalledOnce();
  });
});
