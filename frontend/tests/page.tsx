import { vi } from "vitest";

import { FakeEventSource } from "./event-source";
import { visit } from "./navigation";
import { show } from "./render";
import { serve } from "./server";

/** Opens a part of the app at an address, with a program that answers as the routes say. */
export function open(address: string, node: React.ReactNode, routes: Record<string, unknown> = {}) {
  FakeEventSource.all = [];
  vi.stubGlobal("EventSource", FakeEventSource);
  const server = serve(routes);
  visit(address);
  return { server, ...show(node) };
}
