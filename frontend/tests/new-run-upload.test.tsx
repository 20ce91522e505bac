import { act, fireEvent, screen, waitFor } from "@testing-library/react";

import { TextDrop } from "@/components/runs/new/text-drop";

import { open } from "./page";
import { aRun } from "./samples";
import { answer } from "./server";

interface Sent {
  url: string;
  body: File;
  told: (bytes: number) => void;
  end: (status: number, body: unknown) => void;
  aborted: boolean;
}
let sent: Sent[] = [];

/** Takes the place of the browser's sender: what is sent waits until a test answers it. */
class FakeSender {
  upload: { onprogress: ((event: { loaded: number }) => void) | null } = { onprogress: null };
  onload: (() => void) | null = null;
  onabort: (() => void) | null = null;
  onerror: (() => void) | null = null;
  status = 0;
  responseText = "";
  #url = "";
  #mine: Sent | null = null;
  open(_method: string, url: string) {
    this.#url = url;
  }
  setRequestHeader() {}
  send(body: File) {
    this.#mine = {
      url: this.#url,
      body,
      aborted: false,
      told: (loaded) => act(() => this.upload.onprogress?.({ loaded })),
      end: (status, text) => {
        this.status = status;
        this.responseText = JSON.stringify(text);
        this.onload?.();
      },
    };
    sent.push(this.#mine);
  }
  abort() {
    if (this.#mine) this.#mine.aborted = true;
    this.onabort?.();
  }
}

const UPLOAD = {
  id: "tale-1", path: "/w/uploads/tale-1", source: "text", files: [], size_bytes: 6, fields: [],
  text_field: null, created_at: 1,
}; // prettier-ignore
const file = (name: string, text = "a tale") => new File([text], name);
const RUN = aRun({ id: "run-1", stage: "data.prepare", state: "running", output: null });

beforeEach(() => {
  sent = [];
  vi.stubGlobal("XMLHttpRequest", FakeSender);
});

function place(routes: Record<string, unknown> = {}) {
  const onMade = vi.fn();
  const opened = open("/runs/new/", <TextDrop onMade={onMade} />, {
    "GET /api/v1/data/uploads": { uploads: [], max_bytes: 1000 },
    "POST /api/v1/runs": RUN,
    "GET /api/v1/runs/run-1": { ...RUN, children: [], state: "finished", output: "d-1" },
    "GET /api/v1/artifacts": { artifacts: [] },
    "DELETE /api/v1/data/uploads/tale-1": {},
    ...routes,
  });
  return { onMade, ...opened };
}
const drop = (...files: File[]) =>
  fireEvent.drop(screen.getByRole("group", { name: "A text of your own" }), { dataTransfer: { files } });

test("dropped files go one after another and become a data set", async () => {
  const { server, onMade } = place();
  drop(file("tale.txt"), file("é more.txt", "more of it"));
  await waitFor(() => expect(sent).toHaveLength(1));
  expect(sent[0]?.url).toBe("/api/v1/data/upload?name=tale.txt");
  sent[0]?.told(3);
  expect(screen.getByRole("progressbar", { name: "Receiving tale and 1 more" })).toHaveAttribute(
    "aria-valuenow", "19",
  ); // prettier-ignore
  sent[0]?.end(201, UPLOAD);
  await waitFor(() => expect(sent).toHaveLength(2));
  expect(sent[1]?.url).toBe("/api/v1/data/upload?name=%C3%A9%20more.txt&into=tale-1");
  sent[1]?.end(201, UPLOAD);
  await waitFor(() => expect(onMade).toHaveBeenCalledWith("d-1"));
  expect(server.sent("POST", "/api/v1/runs")[0]?.body).toEqual({
    stage: "data.prepare",
    name: "Text: tale and 1 more",
    config: { source: "text", path: "/w/uploads/tale-1", name: "tale and 1 more" },
  });
  expect(onMade).toHaveBeenCalledTimes(1);
});

test("a pasted text is sent like a file, under its name", async () => {
  const { user, server } = place();
  await user.click(screen.getByRole("button", { name: "Paste" }));
  await user.type(screen.getByRole("textbox", { name: /Your text/ }), "Once upon a time");
  await user.type(screen.getByRole("textbox", { name: "Its name" }), "Mine");
  await user.click(screen.getByRole("button", { name: "Use this text" }));
  await waitFor(() => expect(sent[0]?.body.size).toBe(16));
  sent[0]?.end(201, UPLOAD);
  await waitFor(() =>
    expect(server.sent("POST", "/api/v1/runs")[0]?.body).toMatchObject({ config: { name: "Mine" } }),
  );
});

test("where it is not clear which field holds the text, one is asked", async () => {
  const { user, server } = place();
  drop(file("rows.jsonl"));
  await waitFor(() => expect(sent).toHaveLength(1));
  sent[0]?.end(201, { ...UPLOAD, source: "jsonl", fields: ["title", "tale"] });
  const field = await screen.findByRole("combobox", { name: "Which field of rows holds the text?" });
  await user.selectOptions(field, "tale");
  await user.click(screen.getByRole("button", { name: "Use it" }));
  await waitFor(() =>
    expect(server.sent("POST", "/api/v1/runs")[0]?.body).toMatchObject({
      config: { source: "jsonl", text_field: "tale" },
    }),
  );
});

test("a transfer is cancelled, and what had come is forgotten", async () => {
  const { user, server } = place();
  drop(file("a.txt"), file("b.txt"));
  await waitFor(() => expect(sent).toHaveLength(1));
  sent[0]?.end(201, UPLOAD);
  await waitFor(() => expect(sent).toHaveLength(2));
  await user.click(screen.getByRole("button", { name: "Cancel" }));
  expect(sent[1]?.aborted).toBe(true);
  expect(await screen.findByRole("button", { name: "Choose files" })).toBeVisible();
  await waitFor(() => expect(server.sent("DELETE", "/api/v1/data/uploads/tale-1")).toHaveLength(1));
});

test.each([
  ["picture.png", "a", "picture.png is of a kind that is not read here"],
  ["empty.txt", "", "empty.txt is empty."],
  ["long.txt", "x".repeat(1001), "long.txt has 1,001 bytes; the most is 1,000."],
])("%s is refused before it is sent", async (name, text, words) => {
  const { server } = place();
  await waitFor(() => expect(server.sent("GET", "/api/v1/data/uploads")).toHaveLength(1));
  await screen.findByText(/up to/);
  drop(file(name, text));
  expect(await screen.findByRole("alert")).toHaveTextContent(words);
  expect(sent).toEqual([]);
});

test("what the program refuses is said in its words, and can be closed", async () => {
  const { user, onMade } = place();
  drop(file("x.txt"));
  await waitFor(() => expect(sent).toHaveLength(1));
  sent[0]?.end(400, { error: { message: "x.txt is not UTF-8 text.", hint: "Save it as UTF-8." } });
  expect(await screen.findByRole("alert")).toHaveTextContent("x.txt is not UTF-8 text. Save it as UTF-8.");
  await user.click(screen.getByRole("button", { name: "Close" }));
  expect(screen.queryByRole("alert")).toBeNull();
  expect(onMade).not.toHaveBeenCalled();
});

test("a text that cannot be prepared is told and forgotten", async () => {
  const error = { message: "The file is empty.", hint: null };
  const { server, onMade } = place({
    "GET /api/v1/runs/run-1": { ...RUN, children: [], state: "failed", error },
    "DELETE /api/v1/data/uploads/tale-1": answer(404, {}),
  });
  drop(file("x.txt"));
  await waitFor(() => expect(sent).toHaveLength(1));
  sent[0]?.end(201, UPLOAD);
  expect(await screen.findByRole("alert")).toHaveTextContent("The file is empty.");
  expect(server.sent("DELETE", "/api/v1/data/uploads/tale-1")).toHaveLength(1);
  expect(onMade).not.toHaveBeenCalled();
});
