/** Pairs of texts to patch between, of the small town that the built-in model was taught. */

import type { PatchPart } from "./architecture-types";

export interface PatchExample {
  name: string;
  /** The text that is changed. */
  text: string;
  /** Where the values come from: as many tokens, another answer. */
  other: string;
  answer: string;
  otherAnswer: string;
  part: PatchPart;
  /** What one sees with the built-in model. */
  about: string;
}

const ask = (question: string, reply: string) =>
  `<|im_start|>user\n${question}<|im_end|>\n<|im_start|>assistant\n${reply}`;

export const PATCH_EXAMPLES: readonly [PatchExample, ...PatchExample[]] = [
  {
    name: "What colour?",
    text: ask(
      "Tom found a green candle at the square. He gave the candle to Felix. What color is the candle?",
      "The candle is",
    ),
    other: ask(
      "Tom found a pink candle at the square. He gave the candle to Felix. What color is the candle?",
      "The candle is",
    ),
    answer: " green",
    otherAnswer: " pink",
    part: "residual",
    about:
      "The colour rests at its own word, layer after layer, until the last layer fetches it for the last token. Choose Heads to see which one does: head 2 of layer 3.",
  },
  {
    name: "Where is it?",
    text: ask(
      "Emma put the ring in the basket. Then she moved the ring to the box. Where is the ring?",
      "The ring is in the",
    ),
    other: ask(
      "Emma put the ring in the basket. Then she moved the ring to the bag. Where is the ring?",
      "The ring is in the",
    ),
    answer: " box",
    otherAnswer: " bag",
    part: "residual",
    about:
      "The place moves twice. Layer 0 carries it to the tokens that say whose turn it is, where nothing is to be read; layer 2 fetches it from there.",
  },
  {
    name: "How many?",
    text: "Hugo had four plums. He got one more. Now Hugo has",
    other: "Hugo had four plums. He got three more. Now Hugo has",
    answer: " five",
    otherAnswer: " seven",
    part: "residual",
    about:
      "All is done at once: one head of layer 0 carries the second number to the last token, and the feed-forward part there makes the sum of it.",
  },
  {
    name: "Whose dog?",
    text: ask("What is the name of Hugo's dog?", "Hugo's dog is called"),
    other: ask("What is the name of Leo's dog?", "Leo's dog is called"),
    answer: " Bruno",
    otherAnswer: " Max",
    part: "ffn",
    about:
      "A fact that stands in no text but in the weights: the name reaches the last token in layer 0, and its feed-forward part turns the person into the dog.",
  },
];

/** The pair that a text belongs to, if it is one of the examples. */
export const exampleOf = (text: string): PatchExample | undefined =>
  PATCH_EXAMPLES.find((example) => example.text === text || example.other === text);
