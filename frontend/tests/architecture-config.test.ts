import { fieldsOf, parsed, written } from "@/components/config-form/schema";
import { against, byGroup, cellOf, comparedRefs, comparisonCsv, MINE } from "@/lib/architecture-compare";
import {
  beginning,
  changesBetween,
  decodeSettings,
  encodeSettings,
  labHref,
  problemsAt,
  readPlan,
  stepped,
  USUAL,
  writePlan,
} from "@/lib/architecture-config";
import { readHalves } from "@/lib/architecture-queries";
import { linearScale, logScale, valueAt } from "@/lib/xy-scale";

import { compare, SCHEMA } from "./architecture-program";

describe("settings in an address", () => {
  test.each([
    [{ width: 512, norm: "rmsnorm" }, "width:512,norm:rmsnorm"],
    [{ norm_eps: 1e-6, kv_heads: null, bias: true }, "norm_eps:0.000001,kv_heads:null,bias:true"],
    [{ full_attention_layers: [5, 11] }, "full_attention_layers:(5;11)"],
    [{ full_attention_layers: [] }, "full_attention_layers:()"],
    [
      { rope_scaling: { type: "yarn", factor: 4 }, window: 64 },
      "rope_scaling.type:yarn,rope_scaling.factor:4,window:64",
    ],
    [{ device: "a, b: c" }, "device:a%2C%20b%3A%20c"],
  ])("%j goes there and back", (settings, text) => {
    expect(encodeSettings(settings)).toBe(text);
    expect(decodeSettings(text)).toEqual(settings);
    const query = new URL(labHref({ set: text }), "http://localhost").searchParams;
    expect(decodeSettings(query.get("set"))).toEqual(settings);
  });

  test("an address stays readable; nonsense says nothing", () => {
    expect(labHref({ from: "preset:gpt2-small", set: "width:512,heads:8", tab: null })).toBe(
      "/architecture/?from=preset:gpt2-small&set=width:512,heads:8",
    );
    expect(decodeSettings("width,,:3,%:1")).toEqual({ "%": 1 });
    expect(decodeSettings("a:%")).toEqual({ a: "%" });
    expect(encodeSettings({})).toBeNull();
  });

  test("a plan says only what is not usual, and takes no value of another kind", () => {
    expect(writePlan(USUAL)).toBeNull();
    expect(writePlan({ ...USUAL, context: 512, device: "h100" })).toBe("context:512,device:h100");
    expect(readPlan("context:512,batch:many,device:7")).toEqual({ ...USUAL, context: 512 });
  });
});

describe("the history of a design", () => {
  const base = { width: 128, heads: 4 };
  const change = (name: string, value: unknown, at: number) => ({
    do: "change" as const,
    base,
    name,
    value,
    at,
  });

  test("changes are taken back and done again; what is as at the start is no change", () => {
    let history = beginning({ from: null, changes: {} });
    history = stepped(history, change("width", 256, 0));
    history = stepped(history, change("heads", 8, 2000));
    expect(history.now.changes).toEqual({ width: 256, heads: 8 });
    history = stepped(history, { do: "undo" });
    expect(history.now.changes).toEqual({ width: 256 });
    history = stepped(history, { do: "redo" });
    expect(history.now.changes).toEqual({ width: 256, heads: 8 });
    history = stepped(history, change("width", 128, 4000));
    expect(history.now.changes).toEqual({ heads: 8 });
    expect(stepped(history, { do: "redo" })).toBe(history);
  });

  test("quick changes of one field are one step", () => {
    let history = beginning({ from: null, changes: {} });
    for (const [at, width] of [2, 25, 256].entries())
      history = stepped(history, change("width", width, 100 * at));
    history = stepped(history, { do: "undo" });
    expect(history.now.changes).toEqual({});
  });

  test("another beginning is a step too", () => {
    let history = stepped(beginning({ from: null, changes: { width: 64 } }), {
      do: "start",
      design: { from: "preset:gpt2-small", changes: {} },
    });
    history = stepped(history, { do: "undo" });
    expect(history.now).toEqual({ from: null, changes: { width: 64 } });
  });

  test("what differs between two configurations", () => {
    expect(changesBetween({ a: 1, b: null, c: [1] }, { a: 2, b: null, c: [1] })).toEqual({ a: 2 });
  });
});

describe("problems", () => {
  const names = new Set(["width", "heads", "kv_heads", "rope_scaling"]);
  test("each stands at its field; what names none stands apart", () => {
    const problems = problemsAt(
      {
        message: "The configuration is wrong.",
        field: "width",
        problems: [
          { field: "config.width", message: "input should be at least 2 (got 0)" },
          { field: "rope_scaling.factor", message: "is required" },
          { field: "", message: "heads (5) must divide the width (128)" },
          { field: "", message: "these do not go together" },
        ],
      },
      names,
    );
    expect(problems).toEqual({
      width: "Input should be at least 2 (got 0).",
      "rope_scaling.factor": "Is required.",
      heads: "Heads (5) must divide the width (128).",
      "": "These do not go together.",
    });
  });
  test("a plain error is read the same way", () => {
    expect(problemsAt({ message: "kv_heads (5) must divide", field: null }, names)).toEqual({
      kv_heads: "KV heads (5) must divide.",
    });
  });
});

describe("a schema", () => {
  const fields = fieldsOf(SCHEMA);
  const field = (name: string) => fields.find((item) => item.name === name)!;

  test("kinds, bounds and what may be empty are read from it", () => {
    expect(fields.map(({ kind }) => kind)).toContain("object");
    expect(field("kv_heads")).toMatchObject({
      kind: "integer",
      optional: true,
      minimum: 1,
      label: "KV heads",
    });
    expect(field("positions")).toMatchObject({ kind: "choice", options: ["learned", "rope", "none"] });
    expect(field("norm_eps").open).toEqual({ minimum: true, maximum: false });
    expect(field("rope_scaling").fields.map(({ name, required }) => [name, required])).toEqual([
      ["type", true],
      ["factor", true],
      ["original_context", false],
    ]);
  });

  test("what is typed becomes a value, or none yet", () => {
    expect(parsed(field("width"), "1,024")).toBe(1024);
    expect(parsed(field("width"), "1.5")).toBeUndefined();
    expect(parsed(field("width"), "")).toBeUndefined();
    expect(parsed(field("kv_heads"), " ")).toBeNull();
    expect(parsed(field("norm_eps"), "1e-6")).toBe(1e-6);
    expect(parsed(field("full_attention_layers"), "5, 11 17")).toEqual([5, 11, 17]);
    expect(parsed(field("full_attention_layers"), "x")).toBeUndefined();
    expect(written([5, 11])).toBe("5, 11");
  });
});

describe("side by side", () => {
  test("which are compared: the address, one's own first, known ones for the rest", () => {
    expect(comparedRefs("a,b,b", true)).toEqual(["a", "b"]);
    expect(comparedRefs(null, true)[0]).toBe(MINE);
    expect(comparedRefs("a", false)).toEqual(["a", "preset:gpt2-small"]);
    expect(comparedRefs("1,2,3,4,5,6,7", false)).toHaveLength(6);
  });

  test("figures against the first", () => {
    expect([
      against(2, 2),
      against(3, 2),
      against(1, 2),
      against(40, 2),
      against(1, 0),
      against(0, 1),
    ]).toEqual(["same", "+50.0%", "−50.0%", "× 20", "new", "none"]);
  });

  test("settings in words", () => {
    expect(
      [null, true, [], [1, 2], 1e-6, 50_257, "rmsnorm", { type: "yarn", factor: 4 }].map(cellOf),
    ).toEqual(["–", "yes", "none", "1, 2", "1e-6", "50,257", "RMSNorm", "YaRN, 4 times"]);
  });

  test("the file has figures, parts and settings, one column for each", () => {
    const comparison = compare({
      method: "POST",
      path: "",
      query: new URLSearchParams(),
      signal: null,
      body: {
        architectures: [
          { label: "One, small", model: "preset:gpt2-small" },
          { label: "Two", model: "preset:llama-3-8b" },
        ],
      },
    });
    const rows = comparisonCsv(comparison).trim().split("\n");
    expect(rows[0]).toBe('group,name,"One, small",Two');
    expect(rows[1]).toBe("Figures,parameters,124439808,8030261248");
    expect(rows).toContain("Size,width,768,4096");
    expect(
      byGroup(comparison.fields, true)
        .flatMap(([, fields]) => fields)
        .every((field) => field.differs),
    ).toBe(true);
  });
});

describe("numbers on the way", () => {
  test("half-precision numbers are read exactly", () => {
    const bits = [0x0000, 0x3c00, 0xc000, 0x3555, 0x0001, 0x7bff, 0x7c00];
    const bytes = new ArrayBuffer(2 * bits.length);
    bits.forEach((value, place) => new DataView(bytes).setUint16(2 * place, value, true));
    const values = [...readHalves(bytes)];
    expect(values.slice(0, 3)).toEqual([0, 1, -2]);
    expect(values[3]).toBeCloseTo(1 / 3, 3);
    expect(values.slice(4)).toEqual([2 ** -24, 65_504, Infinity]);
  });

  test("axes", () => {
    expect(logScale([1, 1024], 2, 20).ticks).toHaveLength(11);
    expect(logScale([1e6, 1e9]).ticks).toEqual([1e6, 1e7, 1e8, 1e9]);
    expect(logScale([1, 100]).at(10)).toBeCloseTo(0.5);
    expect(logScale([1, 100]).value(0.5)).toBeCloseTo(10);
    const linear = linearScale([2, 4]);
    expect(linear.ticks).toEqual([2, 2.5, 3, 3.5, 4]);
    expect(linear.value(linear.at(3))).toBeCloseTo(3);
    expect(linearScale([]).ticks).toEqual([]);
    const points = [
      { x: 1, y: 10 },
      { x: 3, y: 30 },
    ];
    expect([valueAt(points, 2), valueAt(points, 3), valueAt(points, 4), valueAt([], 1)]).toEqual([
      20,
      30,
      null,
      null,
    ]);
  });
});
