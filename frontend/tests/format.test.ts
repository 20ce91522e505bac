import {
  DASH,
  formatAgo,
  formatBytes,
  formatDuration,
  formatLoss,
  formatMetric,
  formatNumber,
  formatPercent,
  formatShort,
  toDate,
  toYaml,
} from "@/lib/format";

/** Figures and their units are joined by a narrow space, which the tables below write as a plain one. */
const plain = (text: string) => text.replaceAll("\u202f", " ");

test.each([
  formatNumber,
  formatShort,
  formatLoss,
  formatMetric,
  formatBytes,
  formatDuration,
  formatPercent,
  formatAgo,
])("$name shows a dash for what is missing or not finite", (format) => {
  for (const value of [null, undefined, NaN, Infinity]) expect(format(value)).toBe(DASH);
});

test.each([
  [0, "0"],
  [1.234, "1.23"],
  [1234, "1,234"],
  [9_999, "9,999"],
  [10_000, "10k"],
  [123_456, "123k"],
  [999_949, "1M"], // rounds up into the next unit, never "1000k"
  [124_439_808, "124M"],
  [-2_500_000, "-2.5M"],
  [7e9, "7B"],
])("formatShort(%d) is %s", (value, text) => expect(formatShort(value)).toBe(text));

test.each([
  [0, "0"],
  [3e-4, "3.00e-4"],
  [0.05, "0.05000"],
  [2.3456, "2.346"],
  [-12.34, "-12.3"],
  [123_456, "123k"],
])("formatMetric(%d) is %s", (value, text) => expect(formatMetric(value)).toBe(text));

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [999.6, "1.0 kB"],
  [12_345_678, "12.3 MB"],
  [-4_000, "-4.0 kB"],
  [5e15, "5000 TB"],
])("formatBytes(%d) is %s", (value, text) => expect(plain(formatBytes(value))).toBe(text));

test.each([
  [-1, DASH],
  [0.3, "<1 s"],
  [59.6, "1 min"],
  [750, "12 min 30 s"],
  [3600, "1 h"],
  [3605, "1 h"], // at most two units next to each other
  [187_200, "2 d 4 h"],
])("formatDuration(%d) is %s", (value, text) => expect(plain(formatDuration(value))).toBe(text));

test.each([
  [0, "just now"],
  [-30, "just now"], // a clock that is a little ahead
  [50, "1 min ago"],
  [3599, "59 min ago"],
  [3600, "1 h ago"],
  [86_399, "23 h ago"],
  [86_400, "yesterday"],
  [3 * 86_400, "3 days ago"],
  [30 * 86_400, "15 Oct 2023"],
])("%d seconds before is %s", (seconds, text) => {
  const now = 1_700_000_000;
  expect(plain(formatAgo(now - seconds, now * 1000))).toBe(text);
});

test("a date comes from seconds or from ISO text, never from other words", () => {
  expect(toDate(1_700_000_000)?.toISOString()).toBe("2023-11-14T22:13:20.000Z");
  expect(toDate("2023-11-14T22:13:20Z")?.getTime()).toBe(1_700_000_000_000);
  expect(toDate("last week")).toBeNull();
});

test("a configuration reads as YAML that means the same", () => {
  const config = {
    name: "quickstart",
    learning_rate: 0.003,
    model: { layers: 4, tied: true, bias: null },
    prompts: ["Once upon a time", "yes", "a: b"],
    steps: [{ stage: "pretrain", config: { steps: 10 } }],
    nothing: {},
    none: [],
  };
  expect(toYaml(config)).toBe(
    [
      "name: quickstart",
      "learning_rate: 0.003",
      "model:",
      "  layers: 4",
      "  tied: true",
      "  bias: null",
      "prompts:",
      "  - Once upon a time",
      '  - "yes"',
      '  - "a: b"',
      "steps:",
      "  - stage: pretrain",
      "    config:",
      "      steps: 10",
      "nothing: {}",
      "none: []",
      "",
    ].join("\n"),
  );
});
