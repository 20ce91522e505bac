import { api, ApiError, readError, request } from "@/lib/api";

import { answer, serve } from "./server";

const failure = async (promise: Promise<unknown>): Promise<ApiError> => {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ApiError)) throw new Error(`Not an ApiError: ${String(error)}`);
  return error;
};

describe("errors of the program", () => {
  test("the REST body gives message, hint, field and status", async () => {
    const body = { error: { message: "steps must be at least 1.", hint: "Try 100.", field: "steps" } };
    serve({ "POST /api/v1/runs": answer(422, body) });
    const error = await failure(api.startRun({ stage: "pretrain", config: {} }));
    expect(error).toMatchObject({
      status: 422,
      message: "steps must be at least 1.",
      hint: "Try 100.",
      field: "steps",
    });
  });

  test("the OpenAI-shaped body names its parameter as the field", async () => {
    const body = { error: { message: "No such model.", type: "invalid_request_error", param: "model" } };
    const error = await readError(answer(404, body));
    expect(error).toMatchObject({ message: "No such model.", field: "model", hint: null });
  });

  test.each([
    ["a page of a proxy", "<html>Bad gateway</html>"],
    ["an empty body", ""],
    ["JSON that is no object", "null"],
    ["another shape of details", '{"detail":[{"loc":["body"]}]}'],
  ])("%s leaves the status line", async (_what, body) => {
    const error = await readError(new Response(body, { status: 502, statusText: "Bad Gateway" }));
    expect(error).toMatchObject({
      status: 502,
      message: "The program answered 502 Bad Gateway.",
      hint: null,
    });
  });

  test("a program that cannot be reached is said in words, with what to do", async () => {
    serve({
      "GET /api/v1/runs": () => {
        throw new TypeError("Failed to fetch");
      },
    });
    const error = await failure(api.runs());
    expect(error).toMatchObject({ status: 0, message: "The program does not answer." });
    expect(error.hint).toContain("make run");
  });

  test("a success that is no JSON is an error in words, not a parser's", async () => {
    serve({ "GET /api/v1/runs": new Response("<!doctype html>") });
    const error = await failure(api.runs());
    expect(error.message).toBe("The program sent an answer that cannot be read.");
  });

  test("an answer that breaks off midway counts as unreachable", async () => {
    const body = new ReadableStream({ start: (control) => control.error(new TypeError("terminated")) });
    serve({ "GET /api/v1/runs": new Response(body) });
    expect(await failure(api.runs())).toMatchObject({ status: 0, message: "The program does not answer." });
  });

  test("a request that was called off is no failure of the program", async () => {
    const aborted = new DOMException("Aborted", "AbortError");
    serve({ "GET /api/v1/runs": () => Promise.reject(aborted) });
    await expect(api.runs()).rejects.toBe(aborted);
  });
});

describe("requests", () => {
  test("an answer without content is undefined", async () => {
    serve({ "DELETE /api/v1/runs/a": new Response(null, { status: 204 }) });
    await expect(api.deleteRun("a")).resolves.toBeUndefined();
  });

  test("names are escaped in addresses", async () => {
    const { asked } = serve({ "GET /api/v1/models/a%2Fb%3Fc": { id: "a/b?c" } });
    await expect(api.model("a/b?c")).resolves.toEqual({ id: "a/b?c" });
    expect(asked).toHaveLength(1);
  });

  test("only a request with a body says that it carries JSON, and keeps the caller's headers", async () => {
    const { fake } = serve({ "GET /x": {}, "POST /x": {} });
    await request("/x");
    await request("/x", { method: "POST", body: "{}", headers: { "x-trace": "1" } });
    expect(fake.mock.calls[0]?.[1]?.headers).toBeUndefined();
    expect(fake.mock.calls[1]?.[1]?.headers).toEqual({ "content-type": "application/json", "x-trace": "1" });
  });
});
