"use client";

import { TriangleAlert } from "lucide-react";
import { useId, useState } from "react";

import { Badge } from "@/components/ui/badge";
import { Card, CardHeader } from "@/components/ui/card";
import { Field, Range, Select } from "@/components/ui/field";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { Choice } from "@/components/ui/toggle-group";
import { DASH, formatNumber, formatPercent, formatShort } from "@/lib/format";
import { byProvider, formatMoney, nameOf } from "@/lib/tokenizer-cost";
import { useCost, usePrices, useRested } from "@/lib/tokenizer-queries";
import type { CostEstimate, Price } from "@/lib/tokenizer-types";

import { Info } from "./info";
import type { LabProps } from "./lab";
import { NumberField } from "./number-field";
import { PriceEditor } from "./price-editor";
import { Switch } from "./switch";
import { TextBox } from "./text-box";
import { TokenizerSelect } from "./tokenizer-select";

const MOST = 10 ** 12;

export function CostTab({ text, onText, tokenizers, current, query, onQuery }: LabProps) {
  const prices = usePrices();
  const cachedId = useId();
  const [by, setBy] = useState<"text" | "tokens">("text");
  const [tokens, setTokens] = useState(2000);
  const [output, setOutput] = useState(500);
  const [cached, setCached] = useState(0);
  const [batch, setBatch] = useState(false);
  const [requests, setRequests] = useState(10_000);
  const table = prices.data;
  const price = table?.prices.find((item) => nameOf(item) === query.get("model")) ?? table?.prices[0];
  const body = useRested(
    price && (by === "tokens" || text !== "")
      ? JSON.stringify({
          model: nameOf(price),
          ...(by === "text" ? { text, tokenizer: current.id } : { tokens }),
          output_tokens: output,
          cached_share: cached / 100,
          batch,
          requests_per_month: requests,
        })
      : null,
    120,
  );
  const cost = useCost(body, table);

  return (
    <>
      <div className="grid items-start gap-4 lg:grid-cols-12">
        <Card className="flex flex-col gap-4 p-4 sm:p-5 lg:col-span-6">
          <div className="grid gap-4 sm:grid-cols-2">
            <Field label="Model" htmlFor="model">
              {table && price ? (
                <Select
                  id="model"
                  value={nameOf(price)}
                  onChange={(event) => onQuery({ model: event.target.value })}
                >
                  {byProvider(table).map(([provider, items]) => (
                    <optgroup key={provider} label={provider}>
                      {items.map((item) => (
                        <option key={item.model} value={nameOf(item)}>
                          {item.model}
                        </option>
                      ))}
                    </optgroup>
                  ))}
                </Select>
              ) : (
                <Skeleton className="h-9" />
              )}
            </Field>
            <div className="flex flex-col gap-1.5">
              <span className="text-sm font-medium">Input of one request</span>
              <Choice
                label="Input of one request"
                value={by}
                onChange={setBy}
                options={[
                  { value: "text", label: "A text" },
                  { value: "tokens", label: "A number of tokens" },
                ]}
                className="h-9 self-start"
              />
            </div>
          </div>
          {by === "text" ? (
            <TextBox id="text" label="Text" value={text} onChange={onText} rows={4}>
              <label htmlFor="tokenizer" className="text-sm text-muted max-sm:sr-only">
                Counted with
              </label>
              <TokenizerSelect
                id="tokenizer"
                value={current.id}
                tokenizers={tokenizers}
                onChange={(id) => onQuery({ tokenizer: id })}
                className="w-48"
              />
              <Info
                name="Counted with"
                about="Used where the model's own tokenizer is not at hand; the count is then approximate."
              />
            </TextBox>
          ) : (
            <NumberField label="Input tokens" value={tokens} onChange={setTokens} max={MOST} />
          )}
          <div className="grid gap-4 sm:grid-cols-2">
            <NumberField
              label="Output tokens"
              value={output}
              onChange={setOutput}
              max={MOST}
              hint="Expected, thinking included."
            />
            <NumberField label="Requests per month" value={requests} onChange={setRequests} max={MOST} />
          </div>
          <div className="grid items-end gap-4 sm:grid-cols-2">
            <Field label="Input from cache" htmlFor={cachedId} value={`${cached}%`}>
              <Range
                id={cachedId}
                min={0}
                max={100}
                step={5}
                value={cached}
                aria-valuetext={`${cached}%`}
                onChange={(event) => setCached(Number(event.target.value))}
              />
            </Field>
            <Switch
              label="Batch prices"
              checked={batch}
              onChange={setBatch}
              about="Most providers ask less for requests that may wait some hours."
            />
          </div>
        </Card>
        <Card className="overflow-hidden lg:sticky lg:top-18 lg:col-span-6">
          <CardHeader title="Cost" note={price ? `${price.provider} ${price.model}` : undefined}>
            <Info
              name="The cost"
              about="((1 − c) · input · price + c · input · cached price + output · output price) · batch factor / 1,000,000, with c the share from cache. Taxes, storage, tools and writing to a cache are left out."
            />
          </CardHeader>
          {prices.isError || cost.isError ? (
            <Failure
              className="m-4 mt-2"
              what={prices.isError ? "The prices could not be read." : "The cost could not be estimated."}
              error={prices.error ?? cost.error}
              retry={() => void (prices.isError ? prices.refetch() : cost.refetch())}
            />
          ) : body === null && table ? (
            <p className="px-4 pt-2 pb-6 text-muted sm:px-5">There is no text to count yet.</p>
          ) : cost.data && price ? (
            <Result cost={cost.data} price={price} />
          ) : (
            <div className="flex flex-col gap-3 px-4 pt-2 pb-5 sm:px-5">
              <Skeleton className="h-12 w-2/3" />
              <Skeleton className="h-4" />
              <Skeleton className="h-32" />
            </div>
          )}
        </Card>
      </div>
      {table ? <PriceEditor key={JSON.stringify(table)} table={table} /> : null}
    </>
  );
}

function Result({ cost, price }: { cost: CostEstimate; price: Price }) {
  const { currency } = cost;
  const money = (value: number | null) => formatMoney(value, currency);
  const parts = [
    {
      name: "Input",
      tokens: cost.input.tokens - cost.cached_tokens,
      cost: cost.input_cost,
      colour: "bg-chart-1",
    },
    { name: "Input from cache", tokens: cost.cached_tokens, cost: cost.cached_cost, colour: "bg-chart-3" },
    { name: "Output", tokens: cost.output_tokens, cost: cost.output_cost, colour: "bg-chart-2" },
  ].filter((part) => part.name === "Input" || part.tokens > 0);
  const month = cost.requests_per_month ?? 0;
  const share = (value: number) => (cost.request_cost ? value / cost.request_cost : 0);
  const warnings = cost.warnings.filter((warning) => !warning.startsWith("Prices as of"));
  return (
    <>
      <dl className="grid grid-cols-2 gap-4 px-4 pt-1 sm:px-5">
        <div className="min-w-0">
          <dt className="text-xs text-muted">A month of {formatNumber(month)} requests</dt>
          <dd className="mt-0.5 text-2xl font-semibold break-words figures">{money(cost.monthly_cost)}</dd>
        </div>
        <div className="min-w-0">
          <dt className="text-xs text-muted">One request</dt>
          <dd className="mt-0.5 text-2xl font-semibold break-words figures">{money(cost.request_cost)}</dd>
        </div>
      </dl>
      <div className="px-4 pt-4 sm:px-5">
        <div
          role="img"
          aria-label={parts.map((part) => `${part.name} ${formatPercent(share(part.cost), 0)}`).join(", ")}
          className="flex h-3 gap-0.5 overflow-hidden rounded-full bg-surface-2"
        >
          {parts.map((part) => (
            <span key={part.name} className={part.colour} style={{ width: `${100 * share(part.cost)}%` }} />
          ))}
        </div>
        <table className="mt-3 w-full text-sm">
          <thead>
            <tr className="border-b text-xs text-muted">
              <th className="py-1.5 text-left font-medium">One request</th>
              <th className="py-1.5 text-right font-medium">Tokens</th>
              <th className="py-1.5 text-right font-medium">Per million</th>
              <th className="py-1.5 text-right font-medium max-sm:hidden">Share</th>
              <th className="py-1.5 text-right font-medium">Cost</th>
            </tr>
          </thead>
          <tbody className="figures">
            {parts.map((part) => (
              <tr key={part.name} className="border-b last:border-0">
                <td className="py-1.5">
                  <span aria-hidden className={`mr-2 inline-block size-2.5 rounded-sm ${part.colour}`} />
                  {part.name}
                </td>
                <td className="py-1.5 text-right">{formatNumber(part.tokens)}</td>
                <td className="py-1.5 text-right text-muted">
                  {part.tokens ? money((1e6 * part.cost) / part.tokens) : DASH}
                </td>
                <td className="py-1.5 text-right text-muted max-sm:hidden">
                  {formatPercent(share(part.cost), 0)}
                </td>
                <td className="py-1.5 text-right">{money(part.cost)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p className="mt-3 border-t px-4 py-2.5 text-sm text-pretty text-muted figures sm:px-5">
        A month is{" "}
        <span title={formatNumber(cost.monthly_input_tokens)}>{formatShort(cost.monthly_input_tokens)}</span>{" "}
        tokens in and{" "}
        <span title={formatNumber(cost.monthly_output_tokens)}>
          {formatShort(cost.monthly_output_tokens)}
        </span>{" "}
        out{cost.batch ? ", at batch prices" : ""}
        {cost.long ? ", at the prices of long requests" : ""}.
      </p>
      <div className="flex items-start gap-2.5 border-t px-4 py-3 sm:px-5">
        <Badge tone={cost.input.exact || cost.input.method === "given" ? "good" : "warn"}>
          {cost.input.method === "given" ? "As given" : cost.input.exact ? "Exact" : "Approximate"}
        </Badge>
        <p className="min-w-0 text-sm text-pretty">{cost.input.reason}</p>
      </div>
      {warnings.map((warning) => (
        <p key={warning} className="flex items-start gap-2 border-t px-4 py-2.5 text-sm text-pretty sm:px-5">
          <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-warn" />
          {warning}
        </p>
      ))}
      <p className="border-t px-4 py-2.5 text-xs text-pretty text-muted sm:px-5">
        Prices as of <span className="font-medium text-foreground figures">{cost.as_of}</span>, from{" "}
        {cost.source}. {price.note} Check before you rely on them.
      </p>
    </>
  );
}
