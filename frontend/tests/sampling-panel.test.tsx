import { fireEvent, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { useEffect, useState } from "react";

import { SamplingPanel } from "@/components/chat/sampling-panel";
import { DEFAULT_SAMPLING, type Sampling } from "@/lib/chat";

let value: Sampling;
const seen = (next: Sampling) => void (value = next);
function Panel({ context }: { context: number | null }) {
  const [state, setState] = useState(DEFAULT_SAMPLING);
  useEffect(() => seen(state), [state]);
  return <SamplingPanel value={state} onChange={setState} contextLength={context} />;
}
const slide = (label: string, to: number) =>
  fireEvent.change(screen.getByLabelText(label), { target: { value: String(to) } });

test("each control changes its own setting, and reset brings the defaults back", async () => {
  render(<Panel context={128} />);
  expect(screen.getByRole("button", { name: "Reset" })).toBeDisabled();
  slide("Temperature", 1.5);
  slide("Top p", 0.9);
  await userEvent.clear(screen.getByLabelText("Top k"));
  await userEvent.type(screen.getByLabelText("Seed"), "42");
  expect(value).toEqual({ ...DEFAULT_SAMPLING, temperature: 1.5, top_p: 0.9, top_k: null, seed: 42 });
  await userEvent.click(screen.getByRole("button", { name: "Reset" }));
  expect(value).toEqual(DEFAULT_SAMPLING);
});

test("a temperature of zero is said to be greedy, and a top p of one is none", () => {
  render(<Panel context={128} />);
  slide("Temperature", 0);
  expect(screen.getByText("Always the likeliest token.")).toBeVisible();
  slide("Top p", 0.5);
  slide("Top p", 1);
  expect(value.top_p).toBeNull();
});

test("the longest reply never says more than the model's context holds", () => {
  render(<Panel context={128} />);
  expect(screen.getByText("128 tokens")).toBeVisible();
  expect(screen.getByLabelText("Longest reply")).toHaveAttribute("max", "128");
  expect(screen.getByText(/context holds 128 tokens/)).toBeVisible();
});

test("a number out of bounds is not taken", async () => {
  render(<Panel context={null} />);
  await userEvent.clear(screen.getByLabelText("Top k"));
  await userEvent.type(screen.getByLabelText("Top k"), "0");
  expect(value.top_k).toBeNull();
  fireEvent.change(screen.getByLabelText("Seed"), { target: { value: "-3" } });
  expect(value.seed).toBeNull();
});
