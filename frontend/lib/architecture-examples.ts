/** Texts to look at a model with: each shows another thing that heads and layers do. */
export const EXAMPLES: readonly { name: string; text: string }[] = [
  { name: "Counting", text: "Hugo had four plums. He got three more. Now Hugo has" },
  {
    name: "A question",
    text: "<|im_start|>user\nEmma put the ring in the basket. Then she moved the ring to the bag. Where is the ring?<|im_end|>\n<|im_start|>assistant\nThe ring is in the",
  },
  { name: "Repeats", text: "plum seven garden Tom blue, plum seven garden Tom blue, plum seven garden" },
  { name: "Who has it?", text: "Leo gave the book to Anna. Anna gave the book to Ben. Now the book is with" },
  { name: "Code", text: "def add(left, right):\n    return left + right\n\ndef double(value):\n    return" },
];
