/** Money in words, and changes of the price table. */

import { DASH } from "./format";
import type { Price, PriceTable } from "./tokenizer-types";

/** "$1,234.50", "$0.0123", "$0.00000456": cents from a dollar on, below three significant digits. */
export function formatMoney(value: number | null | undefined, currency = "USD"): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return DASH;
  const small = value !== 0 && Math.abs(value) < 1;
  return value.toLocaleString("en-US", {
    style: "currency",
    currency,
    ...(small ? { maximumSignificantDigits: 3 } : { minimumFractionDigits: 2, maximumFractionDigits: 2 }),
  });
}

export const nameOf = (price: Pick<Price, "provider" | "model">): string =>
  `${price.provider}/${price.model}`;

/** The prices by provider, in the order of the table. */
export function byProvider(table: PriceTable): [string, Price[]][] {
  const found = new Map<string, Price[]>();
  for (const price of table.prices) found.set(price.provider, [...(found.get(price.provider) ?? []), price]);
  return [...found];
}

/** What is typed into a price: a number from 0, nothing for none, undefined while it is neither. */
export function parsePrice(text: string): number | null | undefined {
  if (!text.trim()) return null;
  const value = Number(text);
  return Number.isFinite(value) && value >= 0 ? value : undefined;
}
