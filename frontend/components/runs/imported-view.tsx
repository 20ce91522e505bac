"use client";

import dynamic from "next/dynamic";
import { useMemo, useState } from "react";

import { Card } from "@/components/ui/card";
import { Input } from "@/components/ui/field";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { formatMetric, formatNumber } from "@/lib/format";
import { useRunMetrics } from "@/lib/queries";
import { useZoom } from "@/lib/run-zoom";
import type { Run } from "@/lib/types";

const LineChart = dynamic(() => import("./line-chart"), {
  ssr: false,
  loading: () => <Skeleton className="m-4 h-36" />,
});
const MOST = 24; // charts at a time

/** The curves of a run that another program logged: one chart for each series, under the names that it gave. */
export function ImportedView({ run }: { run: Run }) {
  const first = useRunMetrics(run.id);
  const known = first.store.allNames().join("\n");
  const [words, setWords] = useState("");
  const names = useMemo(() => {
    const all = known ? known.split("\n") : [];
    return all.filter((name) => name.toLowerCase().includes(words.trim().toLowerCase()));
  }, [known, words]);
  const shownNames = useMemo(() => names.slice(0, MOST), [names]);
  const { store, version, query } = useRunMetrics(run.id, shownNames);
  const { axis, setAxis, zoom, setZoom, shown, drawn } = useZoom(run.id, store, version, false);
  const failed = [first.query, query].find((item) => item.isError);
  const many = known.split("\n").length > MOST;
  return (
    <>
      {failed ? (
        <Failure
          what="The curves could not be read."
          error={failed.error}
          retry={() => void failed.refetch()}
        />
      ) : null}
      {many ? (
        <div className="flex flex-wrap items-center gap-3">
          <Input
            aria-label="Find a series"
            placeholder="Find a series"
            value={words}
            onChange={(event) => setWords(event.target.value)}
            className="max-w-72"
          />
          <p className="text-sm text-muted" role="status">
            {formatNumber(shownNames.length)} of {formatNumber(names.length)} series are shown.
          </p>
        </div>
      ) : null}
      {first.query.isPending ? <Skeleton className="h-64 rounded-xl" /> : null}
      <div className="grid grid-cols-1 gap-4 lg:grid-cols-2">
        {shownNames.map((name, place) => (
          <Card key={name}>
            <LineChart
              title={name}
              file={`${run.id}-${name.replace(/[^\w.-]+/g, "-")}`}
              lines={[
                {
                  name,
                  label: name,
                  colour: `--chart-${1 + (place % 5)}`,
                  curve: shown.curve(name),
                  ghosts: shown.ghosts(name),
                  origin: store.origin(),
                },
              ]}
              version={drawn}
              axis={axis}
              zoom={zoom}
              onZoom={setZoom}
              onAxis={place === 0 ? setAxis : undefined}
              loading={query.isPending}
              height={200}
              format={formatMetric}
            />
          </Card>
        ))}
      </div>
    </>
  );
}
