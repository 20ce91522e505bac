import { LETTER_COLOURS, LETTERS } from "@/lib/architecture-compare";

/** Which of the compared ones: its letter in its colour. */
export function Letter({ place }: { place: number }) {
  return (
    <span
      aria-hidden
      className="grid size-6 shrink-0 place-items-center rounded-md border-2 text-xs font-semibold"
      style={{ borderColor: `var(${LETTER_COLOURS[place]})` }}
    >
      {LETTERS[place]}
    </span>
  );
}
