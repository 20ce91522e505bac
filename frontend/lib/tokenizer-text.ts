/** From tokens with offsets in code points to what is painted: pieces in colours, and broken characters whole. */

import type { ShownToken } from "./tokenizer-types";

/** Places of a text: the server counts code points, JavaScript counts UTF-16 units. */
export class Places {
  private readonly units: Uint32Array;

  constructor(private readonly text: string) {
    const units: number[] = [];
    let at = 0;
    for (const character of text) {
      units.push(at);
      at += character.length;
    }
    units.push(at);
    this.units = Uint32Array.from(units);
  }

  /** Number of code points. */
  get length(): number {
    return this.units.length - 1;
  }

  /** The UTF-16 place of a code point; beyond the end, the end. */
  unit(point: number): number {
    return this.units[Math.min(Math.max(0, point), this.length)] ?? this.text.length;
  }

  /** The text between two code points. */
  slice(start: number, end: number): string {
    return this.text.slice(this.unit(start), this.unit(end));
  }
}

/** Bytes of a text in UTF-8. */
export const utf8Length = (text: string): number => new TextEncoder().encode(text).length;

const SPACE = /[\p{Zs}\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
const GLYPHS: Record<string, string> = { " ": "·", "\n": "⏎", "\r": "␍", "\t": "⇥", "\u00a0": "⍽" };
const NAMES: Record<string, string> = {
  "\u200b": "ZWSP",
  "\u200c": "ZWNJ",
  "\u200d": "ZWJ",
  "\u200e": "LRM",
  "\u200f": "RLM",
  "\ufe0e": "VS15",
  "\ufe0f": "VS16",
  "\ufeff": "BOM",
};

/** What stands for a character that cannot be seen, null for one that can. */
export function glyphOf(character: string): string | null {
  const known = GLYPHS[character] ?? NAMES[character];
  if (known) return known;
  if (!SPACE.test(character)) return null;
  const code = character.codePointAt(0) ?? 0;
  return /\p{Zs}/u.test(character) ? "␣" : `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}

/** A text with everything invisible made visible. */
export const visible = (text: string): string =>
  Array.from(text, (character) => glyphOf(character) ?? character).join("");

/** "e2808d" as "E2 80 8D". */
export const spacedHex = (hex: string): string => (hex.match(/../g) ?? []).join(" ").toUpperCase();

/** A token that holds a part of a character: its bytes, with plain ASCII as it is. */
export function partialText(hex: string): string {
  const parts = (hex.match(/../g) ?? []).map((byte) => {
    const code = parseInt(byte, 16);
    return code > 0x20 && code < 0x7f
      ? String.fromCharCode(code)
      : code === 0x20
        ? "·"
        : ` ${byte.toUpperCase()} `;
  });
  return parts.join("").replace(/\s+/g, " ").trim();
}

/** A run of a token's text: what is read, or a sign for what cannot be seen. */
export interface Part {
  text: string;
  unseen: boolean;
  breaks: boolean;
}

/** The parts of a token's text, whitespace as signs. */
export function partsOf(text: string, signs: boolean): Part[] {
  const parts: Part[] = [];
  const add = (value: string, unseen: boolean, breaks = false) => {
    const last = parts.at(-1);
    if (last && last.unseen === unseen && !last.breaks && !breaks) last.text += value;
    else parts.push({ text: value, unseen, breaks });
  };
  for (const character of text) {
    const glyph = glyphOf(character);
    if (character === "\n") add(signs ? "⏎" : "", true, true);
    else if (glyph !== null && signs && !joins(character)) add(glyph, true);
    else add(character, false);
  }
  return parts;
}

/** Joiners and variation selectors do their work unseen within a token. */
const joins = (character: string): boolean => "\u200c\u200d\ufe0e\ufe0f".includes(character);

/** One painted thing: a token, or the tokens among which a character was divided. */
export interface Painted {
  /** Index of its first token. */
  first: number;
  tokens: readonly ShownToken[];
  /** The whole characters, where tokens hold parts of them. */
  whole: string | null;
  /** Hue (0 to 3): that of its piece, where pieces are known, else changing with each token. */
  hue: number;
  /** For each token, whether it has the darker shade. */
  shades: readonly boolean[];
  /** Whether a line may end before it. */
  breakable: boolean;
  rightToLeft: boolean;
}

export const HUES = 4;
const RTL = /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;
const JOINED = /^[\p{Script=Arabic}\p{Script=Syriac}\p{M}]/u;
const ENDS_JOINED = /[\p{Script=Arabic}\p{Script=Syriac}]\p{M}*$/u;

/** Groups tokens for painting: neighbours that share a character stand together, and each gets its colour. */
export function paint(tokens: readonly ShownToken[], places: Places): Painted[] {
  const painted: Painted[] = [];
  let hue = -1;
  let dark = false;
  let lastPiece: number | null = null;
  let before = "";
  const colour = (token: ShownToken) => {
    const piece = token.piece ?? null;
    if (piece !== null && piece === lastPiece && !token.begins) dark = !dark;
    else {
      hue = (hue + 1) % HUES;
      dark = false;
    }
    lastPiece = piece;
    return dark;
  };
  for (let at = 0; at < tokens.length;) {
    const first = tokens[at]!;
    let next = at + 1;
    if (first.partial) {
      let end = first.end;
      for (; next < tokens.length; next += 1) {
        const token = tokens[next]!;
        if (!token.partial || token.start >= end) break;
        end = Math.max(end, token.end);
      }
    }
    const group = tokens.slice(at, next);
    const shades = [colour(first)];
    const groupHue = hue;
    for (const token of group.slice(1)) shades.push(colour(token));
    if (group.length > 1) hue = groupHue;
    const whole = first.partial ? places.slice(first.start, group.at(-1)!.end) : null;
    const text = whole ?? first.text;
    painted.push({
      first: at,
      tokens: group,
      whole,
      hue: groupHue,
      shades,
      breakable: !(JOINED.test(text) && ENDS_JOINED.test(before)) && !/^\p{M}/u.test(text),
      rightToLeft: RTL.test(text),
    });
    before = text;
    at = next;
  }
  return painted;
}

/** Whether two runs of painted things look the same. */
export const samePaint = (before: readonly Painted[], after: readonly Painted[]): boolean =>
  before.length === after.length &&
  before.every((item, at) => {
    const other = after[at]!;
    return (
      item.first === other.first &&
      item.hue === other.hue &&
      item.whole === other.whole &&
      item.breakable === other.breakable &&
      item.tokens.length === other.tokens.length &&
      item.tokens.every(
        (token, place) =>
          token.id === other.tokens[place]!.id &&
          token.text === other.tokens[place]!.text &&
          token.special === other.tokens[place]!.special &&
          item.shades[place] === other.shades[place],
      )
    );
  });

/** Indices [from, to) of the tokens that stand on some characters; they are in the order of the text. */
export function overlapping(tokens: readonly ShownToken[], start: number, end: number): [number, number] {
  let low = 0;
  let high = tokens.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (tokens[middle]!.end <= start) low = middle + 1;
    else high = middle;
  }
  let to = low;
  while (to < tokens.length && tokens[to]!.start < end) to += 1;
  return [low, to];
}

/** Texts to begin with. */
export const EXAMPLES: readonly { name: string; text: string }[] = [
  {
    name: "English",
    text: "Unbelievable as it sounds, a tokenizer never sees letters. It counts which neighbours meet most often, joins them, and begins again: tokenization is patience.",
  },
  {
    name: "Code",
    text: 'def greet(name: str, times: int = 3) -> None:\n    """Say hello."""\n    for index in range(times):\n        print(f"{index}: Hello, {name}!")\n',
  },
  { name: "Chinese", text: "清晨的集市上，老人把新摘的青菜摆得整整齐齐。河水慢慢地流。" },
  { name: "Arabic", text: "يقرأ الأطفال قصصًا قصيرة في المكتبة الجديدة قرب النهر." },
  { name: "Emoji", text: "👩‍🚀 👨‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇯🇵 ❤️‍🔥 café" },
  { name: "Numbers", text: "3.14159265 2,718,281 1969-07-20T20:17:40Z 0xDEADBEEF 1000000 99.95 % ½ ٣٤٥" },
];
