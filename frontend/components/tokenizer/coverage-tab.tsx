"use client";

import { type ReactNode, useState } from "react";

import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { Field, Select } from "@/components/ui/field";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { Choice } from "@/components/ui/toggle-group";
import { DASH, formatNumber, formatPercent } from "@/lib/format";
import { COVERAGE_FIGURES, type CoverageFigure, figureWords, scaleOf } from "@/lib/tokenizer-coverage";
import { type Measured, useCoverage, useDatasets } from "@/lib/tokenizer-queries";
import { partialText, spacedHex, visible } from "@/lib/tokenizer-text";
import type { Coverage, Figures, SuspiciousGroup } from "@/lib/tokenizer-types";
import { cn } from "@/lib/utils";

import { FigureRow } from "./figure-row";
import { Info } from "./info";
import type { LabProps } from "./lab";
import { TextBox } from "./text-box";
import { TokenizerSelect } from "./tokenizer-select";

type Source = "samples" | "text" | "dataset";

/** Which figure is shown, and how. */
interface Shown {
  figure: CoverageFigure["key"];
  view: "chart" | "table";
}

const SOURCES: { value: Source; label: string }[] = [
  { value: "samples", label: "Samples" },
  { value: "text", label: "My text" },
  { value: "dataset", label: "Data set" },
];

export function CoverageTab({ text, onText, tokenizers, current, onQuery }: LabProps) {
  const datasets = useDatasets();
  const [source, setSource] = useState<Source>("samples");
  const [measured, setMeasured] = useState("");
  const [chosen, setChosen] = useState<string | null>(null);
  const [shown, setShown] = useState<Shown>({ figure: "bytes_per_token", view: "chart" });
  const dataset = chosen ?? datasets.data?.[0]?.id ?? null;
  const wanted: Measured | null =
    source === "samples"
      ? {}
      : source === "text"
        ? measured
          ? { text: measured }
          : null
        : dataset
          ? { dataset }
          : null;
  const coverage = useCoverage(wanted ? current.id : null, wanted ?? {});

  return (
    <>
      <Card className="flex flex-col gap-4 p-4 sm:p-5">
        <div className="flex flex-wrap items-end gap-x-5 gap-y-3">
          <Field label="Tokenizer" htmlFor="tokenizer">
            <TokenizerSelect
              id="tokenizer"
              value={current.id}
              tokenizers={tokenizers}
              onChange={(id) => onQuery({ tokenizer: id })}
              className="w-56"
            />
          </Field>
          <div className="flex flex-col gap-1.5">
            <span className="text-sm font-medium">Measured by</span>
            <Choice
              label="Measured by"
              value={source}
              options={SOURCES}
              onChange={setSource}
              className="h-9"
            />
          </div>
          {source === "dataset" && datasets.data?.length ? (
            <Field label="Data set" htmlFor="dataset">
              <Select
                id="dataset"
                value={dataset ?? ""}
                onChange={(event) => setChosen(event.target.value)}
                className="w-56"
              >
                {datasets.data.map((item) => (
                  <option key={item.id} value={item.id}>
                    {item.name}
                  </option>
                ))}
              </Select>
            </Field>
          ) : null}
          <p className="min-w-56 flex-1 self-center text-sm text-pretty text-muted">
            {source === "samples"
              ? "Seventeen short texts that come with the program: eleven languages, emoji, code, numbers and white space."
              : source === "dataset"
                ? datasets.data?.length === 0
                  ? "There is no data set here yet; the tab Train prepares one."
                  : "The first 200,000 characters are read."
                : null}
          </p>
        </div>
        {source === "text" ? (
          <div className="flex flex-col gap-3">
            <TextBox id="text" label="Text" value={text} onChange={onText} rows={4} />
            <Button
              look="primary"
              className="self-start"
              disabled={!text || text === measured}
              onClick={() => setMeasured(text)}
            >
              Measure
            </Button>
          </div>
        ) : null}
      </Card>
      {datasets.isError && source === "dataset" ? (
        <Failure
          what="The data sets could not be read."
          error={datasets.error}
          retry={() => void datasets.refetch()}
        />
      ) : null}
      {wanted && coverage.isError ? (
        <Failure
          what="It could not be measured."
          error={coverage.error}
          retry={() => void coverage.refetch()}
        />
      ) : null}
      {wanted && coverage.isPending ? <Waiting /> : null}
      {wanted && coverage.data ? <Report coverage={coverage.data} shown={shown} onShow={setShown} /> : null}
    </>
  );
}

function Waiting() {
  return (
    <>
      <Skeleton className="h-19 rounded-xl" />
      <div className="grid gap-4 lg:grid-cols-12">
        <Skeleton className="h-96 rounded-xl lg:col-span-7" />
        <Skeleton className="h-96 rounded-xl lg:col-span-5" />
      </div>
    </>
  );
}

function Report({
  coverage,
  shown,
  onShow,
}: {
  coverage: Coverage;
  shown: Shown;
  onShow: (shown: Shown) => void;
}) {
  const { figure: chosen, view } = shown;
  const figure = COVERAGE_FIGURES.find(({ key }) => key === chosen) ?? COVERAGE_FIGURES[0]!;
  const { total } = coverage;
  return (
    <>
      <Card className="overflow-hidden">
        <FigureRow
          className="grid-cols-2 md:grid-cols-3 xl:grid-cols-6"
          figures={[
            ...COVERAGE_FIGURES.map(({ key, name, about }) => ({
              name,
              about,
              value: figureWords(key, total[key]),
              missing: "There is nothing to divide by.",
            })),
            {
              name: "Vocabulary met",
              value: formatPercent(coverage.used_share),
              full: `${formatNumber(coverage.used_tokens)} of ${formatNumber(coverage.used_tokens + coverage.unused_tokens)}`,
              about:
                "Different tokens met, divided by all tokens without the special ones. It grows with the text.",
            },
          ]}
        />
      </Card>
      <div className="flex flex-wrap items-center gap-3">
        <Select
          aria-label="Figure"
          value={chosen}
          onChange={(event) => onShow({ ...shown, figure: event.target.value as CoverageFigure["key"] })}
          className="w-56"
        >
          {COVERAGE_FIGURES.map(({ key, name }) => (
            <option key={key} value={key}>
              {name}
            </option>
          ))}
        </Select>
        <Choice
          label="How to show it"
          value={view}
          onChange={(next) => onShow({ ...shown, view: next })}
          options={[
            { value: "chart", label: "Chart" },
            { value: "table", label: "Table" },
          ]}
        />
        <p className="text-sm text-muted">{figure.better}</p>
      </div>
      <div className={cn("grid items-start gap-4", view === "chart" && "lg:grid-cols-12")}>
        <Split
          title="By script"
          note="of each token's first letter"
          rows={coverage.by_script}
          total={total}
          figure={figure}
          view={view}
          className="lg:col-span-7"
        />
        <div className={cn("flex min-w-0 flex-col gap-4", view === "chart" && "lg:col-span-5")}>
          <Split title="By content" rows={coverage.by_content} total={total} figure={figure} view={view} />
          {view === "chart" ? <Vocabulary coverage={coverage} /> : null}
        </div>
      </div>
      <Suspicious groups={coverage.suspicious} />
    </>
  );
}

function Split({
  title,
  note,
  rows,
  total,
  figure,
  view,
  className,
}: {
  title: string;
  note?: string;
  rows: readonly Figures[];
  total: Figures;
  figure: CoverageFigure;
  view: "chart" | "table";
  className?: string;
}) {
  return (
    <Card className={cn("min-w-0", view === "chart" && className)}>
      <CardHeader title={title} note={note}>
        <Info name={figure.name} about={figure.about} />
      </CardHeader>
      {view === "chart" ? (
        <Bars rows={rows} total={total} figure={figure} />
      ) : (
        <FiguresTable rows={[...rows, total]} label={title} />
      )}
    </Card>
  );
}

/** One bar for each part, and a line where the whole text stands. */
function Bars({ rows, total, figure }: { rows: readonly Figures[]; total: Figures; figure: CoverageFigure }) {
  const { key } = figure;
  const scale = scaleOf(rows.map((row) => row[key]));
  const all = total[key];
  return (
    <div className="px-4 pt-1 pb-4 sm:px-5">
      <ul className="relative flex flex-col gap-1.5">
        {rows.map((row) => {
          const value = row[key];
          const words = figureWords(key, value);
          return (
            <li key={row.name} className="grid grid-cols-[104px_1fr_52px] items-center gap-x-3 text-sm">
              <span
                className="block truncate first-letter:uppercase"
                title={`${formatNumber(row.tokens)} tokens`}
              >
                {row.name === "Common" ? "No script" : row.name}
              </span>
              <span
                role="img"
                aria-label={`${row.name}: ${value === null ? "nothing to measure" : words}`}
                className="relative h-4 rounded-sm bg-surface-2"
              >
                <span
                  className="absolute inset-y-0 left-0 rounded-sm bg-chart-1"
                  style={{ width: `${(100 * (value ?? 0)) / scale}%` }}
                />
                {all !== null ? (
                  <span
                    className="absolute -inset-y-1 border-l border-dashed border-foreground/70"
                    style={{ left: `${Math.min(100, (100 * all) / scale)}%` }}
                  />
                ) : null}
              </span>
              <span
                className="text-right figures"
                title={value === null ? "There is nothing to divide by: it holds no words." : undefined}
              >
                {words}
              </span>
            </li>
          );
        })}
      </ul>
      <p className="mt-3 text-xs text-muted">
        The dashed line is the whole text, <span className="figures">{figureWords(key, all)}</span>.
        {rows.some((row) => row.name === "Common")
          ? " “No script” is spaces, digits, punctuation and emoji."
          : null}
      </p>
    </div>
  );
}

function FiguresTable({ rows, label }: { rows: readonly Figures[]; label: string }) {
  const head =
    "px-3 py-2 text-right text-xs font-medium whitespace-nowrap text-muted first:pl-5 first:text-left last:pr-5";
  const cell = "px-3 py-2 text-right figures first:pl-5 first:text-left last:pr-5";
  return (
    <div className="overflow-x-auto" tabIndex={0} role="region" aria-label={label}>
      <table className="w-full border-collapse text-sm">
        <thead>
          <tr className="border-b">
            <th className={head}>Part</th>
            <th className={head}>Tokens</th>
            <th className={head}>Bytes</th>
            <th className={head}>Words</th>
            {COVERAGE_FIGURES.map(({ key, name }) => (
              <th key={key} className={head}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.name} className="border-b last:border-0 last:font-semibold">
              <td className={`${cell} first-letter:uppercase`}>
                {row.name === "Common" ? "No script" : row.name}
              </td>
              <td className={cell}>{formatNumber(row.tokens)}</td>
              <td className={cell}>{formatNumber(row.bytes)}</td>
              <td className={cell}>{formatNumber(row.words)}</td>
              {COVERAGE_FIGURES.map(({ key }) => (
                <td key={key} className={cell}>
                  {figureWords(key, row[key])}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Vocabulary({ coverage }: { coverage: Coverage }) {
  const { used_tokens, unused_tokens, used_share } = coverage;
  return (
    <Card>
      <CardHeader title="Vocabulary" note="special tokens left out">
        <Info
          name="The vocabulary met"
          about="A token is met when the measured text becomes it at least once. A short text meets few."
        />
      </CardHeader>
      <div className="px-4 pt-1 pb-4 sm:px-5">
        <div
          role="img"
          aria-label={`${formatNumber(used_tokens)} tokens met, ${formatNumber(unused_tokens)} not`}
          className="flex h-4 overflow-hidden rounded-sm bg-surface-2"
        >
          <span className="bg-chart-3" style={{ width: `${100 * (used_share ?? 0)}%` }} />
        </div>
        <p className="mt-2 flex justify-between gap-3 text-sm text-muted">
          <span>
            <span className="font-semibold text-foreground figures">{formatNumber(used_tokens)}</span> met
          </span>
          <span>
            <span className="font-semibold text-foreground figures">{formatNumber(unused_tokens)}</span> not
            met
          </span>
        </p>
      </div>
    </Card>
  );
}

const REASON_NAMES: Record<string, string> = {
  special: "Special",
  looks_special: "Looks special",
  partial: "Part of a character",
  impossible: "Impossible bytes",
  unreachable: "Unreachable",
  empty: "Empty",
};
/** The most telling reason first. */
const REASON_ORDER = ["unreachable", "looks_special", "empty", "impossible", "partial", "special"];
const rankOf = (reason: string): number =>
  REASON_ORDER.includes(reason) ? REASON_ORDER.indexOf(reason) : REASON_ORDER.length;
const reasonName = (reason: string): string => REASON_NAMES[reason] ?? reason.replaceAll("_", " ");

function Suspicious({ groups }: { groups: readonly SuspiciousGroup[] }) {
  const [chosen, setChosen] = useState<string | null>(null);
  const sorted = [...groups].sort((a, b) => rankOf(a.reason) - rankOf(b.reason));
  const group = sorted.find(({ reason }) => reason === chosen) ?? sorted[0];
  const others = (id: number): ReactNode =>
    groups
      .filter((item) => item !== group && item.tokens.some((token) => token.id === id))
      .map((item) => <Badge key={item.reason}>{reasonName(item.reason)}</Badge>);
  const head = "px-3 py-2 text-left text-xs font-medium text-muted first:pl-5 last:pr-5";
  const cell = "px-3 py-1.5 first:pl-5 last:pr-5";
  return (
    <Card className="overflow-hidden">
      <CardHeader title="Suspicious tokens" note="ones that a model may never have learned">
        <Info
          name="A suspicious token"
          about="Found from the tokenizer alone, after Land and Bartolo 2024, “Fishing for Magikarp”. A token that no text becomes keeps the embedding it began with, and a model that meets it may do anything."
        />
      </CardHeader>
      {group ? (
        <>
          <div className="flex flex-wrap items-center gap-x-4 gap-y-2 px-4 pt-1 pb-3 sm:px-5">
            <Choice
              label="Reason"
              value={group.reason}
              onChange={setChosen}
              options={sorted.map(({ reason, count }) => ({
                value: reason,
                label: (
                  <>
                    {reasonName(reason)} <span className="text-muted figures">{formatNumber(count)}</span>
                  </>
                ),
              }))}
            />
            <p className="text-sm text-pretty text-muted first-letter:uppercase">{group.explanation}.</p>
          </div>
          <div
            className="max-h-80 overflow-auto border-t"
            tabIndex={0}
            role="region"
            aria-label="Suspicious tokens"
          >
            <table className="w-full border-collapse text-sm">
              <thead className="sticky top-0 z-10 bg-surface">
                <tr className="border-b">
                  <th className={`${head} w-24 text-right!`}>Id</th>
                  <th className={head}>Token</th>
                  <th className={head}>Bytes</th>
                  <th className={`${head} max-sm:hidden`}>Also</th>
                </tr>
              </thead>
              <tbody>
                {group.tokens.map((token) => (
                  <tr key={token.id} className="border-b last:border-0">
                    <td className={`${cell} text-right font-mono figures`}>{token.id}</td>
                    <td className={`${cell} font-mono break-all`} dir="auto">
                      {token.text.includes("\ufffd") ? partialText(token.hex) : visible(token.text) || DASH}
                    </td>
                    <td className={`${cell} font-mono break-all text-muted`}>{spacedHex(token.hex)}</td>
                    <td className={`${cell} max-sm:hidden`}>
                      <span className="flex flex-wrap gap-1">{others(token.id)}</span>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          {group.count > group.tokens.length ? (
            <p className="border-t px-4 py-2.5 text-xs text-muted sm:px-5">
              The first {formatNumber(group.tokens.length)} of {formatNumber(group.count)}, by id.
            </p>
          ) : null}
        </>
      ) : (
        <p className="px-4 pt-1 pb-4 text-muted sm:px-5">This vocabulary has none.</p>
      )}
    </Card>
  );
}
