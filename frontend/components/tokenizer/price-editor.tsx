"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Plus, RotateCcw, Trash2 } from "lucide-react";
import { useState } from "react";
import { toast } from "sonner";

import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { Input } from "@/components/ui/field";
import { Failure } from "@/components/ui/states";
import { showError } from "@/lib/actions";
import { formatNumber, formatPercent } from "@/lib/format";
import { nameOf, parsePrice } from "@/lib/tokenizer-cost";
import { PRICES, resetPrices, savePrices } from "@/lib/tokenizer-queries";
import type { Price, PriceTable } from "@/lib/tokenizer-types";
import { cn } from "@/lib/utils";

const today = (): string => new Date().toISOString().slice(0, 10);
const EMPTY: Omit<Price, "as_of"> = {
  provider: "",
  model: "",
  input: 0,
  cached_input: null,
  output: 0,
  batch: null,
  long: null,
  context: null,
  tokenizer: null,
  source: "My own entry",
  note: "",
};

/** The price table: read it, change it, go back to the one that came with the program. */
export function PriceEditor({ table }: { table: PriceTable }) {
  const client = useQueryClient();
  const [draft, setDraft] = useState<Price[] | null>(null);
  const done = (saved: PriceTable) => {
    client.setQueryData(PRICES, saved);
    setDraft(null);
  };
  const save = useMutation({
    mutationFn: (prices: Price[]) => savePrices({ ...table, prices }),
    onSuccess: (saved) => {
      done(saved);
      toast.success("The prices are saved.");
    },
  });
  const reset = useMutation({
    mutationFn: resetPrices,
    onSuccess: (saved) => {
      const before = table;
      done(saved);
      toast("The prices are those that came with the program.", {
        action: {
          label: "Undo",
          onClick: () =>
            void savePrices(before)
              .then(done)
              .catch((error: unknown) => showError("The prices could not be brought back.", error)),
        },
        duration: 10_000,
      });
    },
    onError: (error) => showError("The prices could not be reset.", error),
  });
  const rows = draft ?? table.prices;
  const change = (place: number, changes: Partial<Price>) =>
    setDraft((now) =>
      (now ?? [...table.prices]).map((row, at) => (at === place ? { ...row, ...changes } : row)),
    );
  const head =
    "px-2 py-2 text-right text-xs font-medium whitespace-nowrap text-muted first:pl-5 first:text-left last:pr-5";

  return (
    <Card className="overflow-hidden">
      <CardHeader title="Prices" note={`${table.currency} per million tokens`}>
        {draft ? (
          <>
            <Button
              size="sm"
              look="ghost"
              onClick={() => {
                setDraft(null);
                save.reset();
              }}
            >
              Discard
            </Button>
            <Button size="sm" look="primary" disabled={save.isPending} onClick={() => save.mutate(draft)}>
              Save
            </Button>
          </>
        ) : (
          <>
            <Button size="sm" look="ghost" disabled={reset.isPending} onClick={() => reset.mutate()}>
              <RotateCcw aria-hidden /> Reset
            </Button>
            <Button size="sm" onClick={() => setDraft([...table.prices])}>
              Edit
            </Button>
          </>
        )}
      </CardHeader>
      {save.isError ? (
        <Failure className="mx-4 my-2 sm:mx-5" what="The prices were not saved." error={save.error} />
      ) : null}
      <div
        className="max-h-[420px] overflow-auto border-t"
        tabIndex={0}
        role="region"
        aria-label="Price table"
      >
        <table className={cn("w-full border-collapse text-sm", draft ? "min-w-[860px]" : "min-w-[560px]")}>
          <thead className="sticky top-0 z-10 bg-surface">
            <tr className="border-b">
              <th className={head}>Model</th>
              <th className={head}>Input</th>
              <th className={head}>Cached</th>
              <th className={head}>Output</th>
              <th className={head}>Batch factor</th>
              <th className={`${head} max-xl:hidden`}>Context</th>
              <th className={head}>As of</th>
              {draft ? (
                <th className={head}>
                  <span className="sr-only">Take out</span>
                </th>
              ) : null}
            </tr>
          </thead>
          <tbody>
            {rows.map((row, place) =>
              draft ? (
                <EditedRow
                  key={place}
                  row={row}
                  onChange={(changes) => change(place, { as_of: today(), ...changes })}
                  onRemove={() => setDraft(draft.filter((_, at) => at !== place))}
                />
              ) : (
                <Row key={nameOf(row)} row={row} />
              ),
            )}
          </tbody>
        </table>
      </div>
      <div className="flex flex-wrap items-center gap-3 border-t px-4 py-2.5 sm:px-5">
        {draft ? (
          <Button size="sm" onClick={() => setDraft([{ ...EMPTY, as_of: today() }, ...draft])}>
            <Plus aria-hidden /> Add a model
          </Button>
        ) : null}
        <p className="min-w-56 flex-1 text-xs text-pretty text-muted">{table.note}</p>
      </div>
    </Card>
  );
}

const CELL = "px-2 py-2 text-right figures first:pl-5 first:text-left last:pr-5";

function Row({ row }: { row: Price }) {
  const number = (value: number | null, missing: string) =>
    value === null ? (
      <span title={missing}>–</span>
    ) : (
      value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 4 })
    );
  return (
    <tr className="border-b last:border-0">
      <td className={CELL} title={row.source}>
        <span className="font-medium">{row.model}</span>{" "}
        <span className="text-muted max-sm:block">{row.provider}</span>
      </td>
      <td className={CELL}>{number(row.input, "")}</td>
      <td className={CELL}>{number(row.cached_input, "There is no price for cached input.")}</td>
      <td className={CELL}>{number(row.output, "")}</td>
      <td className={CELL}>
        {row.batch === null ? <span title="There is no batch mode.">–</span> : formatPercent(row.batch, 0)}
      </td>
      <td className={`${CELL} max-xl:hidden`}>
        {row.context === null ? <span title="It is not known.">–</span> : formatNumber(row.context)}
      </td>
      <td className={`${CELL} whitespace-nowrap text-muted`}>{row.as_of}</td>
    </tr>
  );
}

function EditedRow({
  row,
  onChange,
  onRemove,
}: {
  row: Price;
  onChange: (changes: Partial<Price>) => void;
  onRemove: () => void;
}) {
  const name = row.model || "the new model";
  return (
    <tr className="border-b last:border-0">
      <td className={CELL}>
        <span className="flex gap-1.5">
          <Input
            aria-label={`Provider of ${name}`}
            placeholder="Provider"
            value={row.provider}
            onChange={(event) => onChange({ provider: event.target.value })}
            className="h-8 w-28 px-2 text-sm"
          />
          <Input
            aria-label={`Name of ${name}`}
            placeholder="Model"
            value={row.model}
            onChange={(event) => onChange({ model: event.target.value })}
            className="h-8 min-w-40 px-2 text-sm"
          />
        </span>
      </td>
      <td className={CELL}>
        <PriceInput
          label={`Input price of ${name}`}
          value={row.input}
          onChange={(value) => onChange({ input: value ?? 0 })}
        />
      </td>
      <td className={CELL}>
        <PriceInput
          label={`Cached price of ${name}`}
          value={row.cached_input}
          onChange={(value) => onChange({ cached_input: value })}
        />
      </td>
      <td className={CELL}>
        <PriceInput
          label={`Output price of ${name}`}
          value={row.output}
          onChange={(value) => onChange({ output: value ?? 0 })}
        />
      </td>
      <td className={CELL}>
        <PriceInput
          label={`Batch factor of ${name}`}
          value={row.batch}
          onChange={(value) => onChange({ batch: value })}
        />
      </td>
      <td className={`${CELL} max-xl:hidden`}>{row.context === null ? "–" : formatNumber(row.context)}</td>
      <td className={CELL}>
        <Input
          type="date"
          aria-label={`As of, for ${name}`}
          value={row.as_of}
          onChange={(event) => event.target.value && onChange({ as_of: event.target.value })}
          className="h-8 w-36 px-2 text-sm"
        />
      </td>
      <td className={CELL}>
        <Button look="ghost" size="icon" aria-label={`Take ${name} out`} onClick={onRemove}>
          <Trash2 />
        </Button>
      </td>
    </tr>
  );
}

function PriceInput({
  label,
  value,
  onChange,
}: {
  label: string;
  value: number | null;
  onChange: (value: number | null) => void;
}) {
  const [typed, setTyped] = useState<string | null>(null);
  const shown = typed ?? (value === null ? "" : String(value));
  return (
    <Input
      inputMode="decimal"
      aria-label={label}
      aria-invalid={parsePrice(shown) === undefined}
      placeholder="none"
      value={shown}
      onChange={(event) => {
        setTyped(event.target.value);
        const parsed = parsePrice(event.target.value);
        if (parsed !== undefined) onChange(parsed);
      }}
      onBlur={() => setTyped(null)}
      className="ml-auto block h-8 w-20 px-2 text-right text-sm figures"
    />
  );
}
