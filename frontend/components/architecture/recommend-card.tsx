"use client";

import { ArrowRight, TriangleAlert, X } from "lucide-react";
import { useId, useState } from "react";

import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { Field, Input, Select } from "@/components/ui/field";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { Choice } from "@/components/ui/toggle-group";
import type { Plan } from "@/lib/architecture-config";
import { useDevices, useRecommendations, useRested } from "@/lib/architecture-queries";
import { shapeOf } from "@/lib/architecture-shape";
import type { Config, Recommendation, RecommendRequest } from "@/lib/architecture-types";
import { formatDuration, formatNumber, formatShort } from "@/lib/format";

const GB = 1e9;
const HERE = "this";

/** What is chosen: the architecture, and how it is to be trained. */
export interface Chosen {
  name: string | null;
  config: Config;
  plan: Partial<Plan>;
}

/** "I have 8 GB and 10 hours": what to build, with the reasons. */
export function RecommendCard({ onUse, onClose }: { onUse: (chosen: Chosen) => void; onClose: () => void }) {
  const devices = useDevices();
  const ids = { memory: useId(), hours: useId(), device: useId() };
  const [purpose, setPurpose] = useState<"train" | "run">("train");
  const [device, setDevice] = useState(HERE);
  const [memory, setMemory] = useState<string | null>(null);
  const [hours, setHours] = useState("10");
  const chosen = devices.data?.devices.find((item) => item.name === device);
  const bytes = (chosen ?? devices.data?.this)?.memory_bytes;
  const gigabytes = memory ?? (bytes ? (bytes / GB).toFixed(1).replace(/\.0$/, "") : "");
  const amount = Number(gigabytes);
  const time = Number(hours);
  const ready = amount > 0 && (purpose === "run" || time > 0);
  const request: RecommendRequest | null = ready
    ? {
        memory_bytes: Math.round(amount * GB),
        purpose,
        ...(purpose === "train" ? { device, hours: time } : {}),
      }
    : null;
  const rested = useRested(request ? JSON.stringify(request) : null, 200);
  const answer = useRecommendations(rested ? (JSON.parse(rested) as RecommendRequest) : null);

  return (
    <Card aria-label="What fits">
      <CardHeader title="What fits?" note="An architecture for the memory and the time that there are.">
        <Button look="ghost" size="icon" aria-label="Close" onClick={onClose}>
          <X />
        </Button>
      </CardHeader>
      <div className="grid items-end gap-4 px-4 pt-1 pb-4 sm:grid-cols-2 sm:px-5 lg:grid-cols-4">
        <div className="flex flex-col gap-1.5">
          <span className="text-sm font-medium">I want to</span>
          <Choice
            label="I want to"
            value={purpose}
            onChange={setPurpose}
            options={[
              { value: "train", label: "train it" },
              { value: "run", label: "run it" },
            ]}
            className="h-9 self-start"
          />
        </div>
        <Field label="On" htmlFor={ids.device}>
          <Select
            id={ids.device}
            value={device}
            onChange={(event) => {
              setDevice(event.target.value);
              setMemory(null);
            }}
          >
            <option value={HERE}>this computer</option>
            {devices.data?.devices.map((item) => (
              <option key={item.name} value={item.name}>
                {item.title}
              </option>
            ))}
          </Select>
        </Field>
        <Field label="With" htmlFor={ids.memory} value="GB of memory">
          <Input
            id={ids.memory}
            inputMode="decimal"
            value={gigabytes}
            aria-invalid={!(amount > 0)}
            onChange={(event) => setMemory(event.target.value)}
            className="figures"
          />
        </Field>
        {purpose === "train" ? (
          <Field label="In" htmlFor={ids.hours} value="hours">
            <Input
              id={ids.hours}
              inputMode="decimal"
              value={hours}
              aria-invalid={!(time > 0)}
              onChange={(event) => setHours(event.target.value)}
              className="figures"
            />
          </Field>
        ) : null}
      </div>
      <div className="border-t px-4 py-4 sm:px-5">
        {answer.isError ? (
          <Failure
            what="Nothing can be recommended."
            error={answer.error}
            retry={() => void answer.refetch()}
          />
        ) : answer.data ? (
          <>
            <ol className="grid [grid-template-columns:repeat(auto-fit,minmax(min(280px,100%),1fr))] gap-3">
              {answer.data.recommendations.map((item, place) => (
                <Suggestion
                  key={item.name ?? place}
                  item={item}
                  best={place === 0}
                  onUse={() =>
                    onUse({
                      name: item.name,
                      config: item.config as Config,
                      plan: {
                        batch: item.batch,
                        precision: item.precision,
                        checkpointing: item.checkpointing,
                        optimizer: item.optimizer,
                        tokens: item.tokens,
                        ...(purpose === "train" ? { device } : {}),
                      },
                    })
                  }
                />
              ))}
            </ol>
            {answer.data.recommendations.length === 0 ? (
              <p className="text-muted">Nothing fits into this memory and time.</p>
            ) : null}
            <ul className="mt-3 text-sm text-pretty text-muted">
              {answer.data.reasons.map((reason) => (
                <li key={reason}>{reason}</li>
              ))}
            </ul>
          </>
        ) : (
          <div className="grid gap-3 lg:grid-cols-3">
            <Skeleton className="h-40 rounded-lg" />
            <Skeleton className="h-40 rounded-lg" />
            <Skeleton className="h-40 rounded-lg" />
          </div>
        )}
      </div>
    </Card>
  );
}

function Suggestion({ item, best, onUse }: { item: Recommendation; best: boolean; onUse: () => void }) {
  const shape = shapeOf(item.config as Config);
  return (
    <li className="flex flex-col rounded-lg border p-3.5">
      <div className="flex items-baseline gap-2">
        <h3 className="font-semibold">{item.name ?? "Made to measure"}</h3>
        {best ? <Badge tone="accent">best fit</Badge> : null}
        <span className="ml-auto text-sm figures" title={formatNumber(item.parameters)}>
          {formatShort(item.parameters)}
        </span>
      </div>
      {shape ? (
        <p className="text-sm text-muted figures">
          {shape.layers} layers of width {formatNumber(shape.width)}, {shape.heads} heads
          {item.tokens ? `; ${formatShort(item.tokens)} tokens` : ""}
          {item.seconds ? ` in ${formatDuration(item.seconds)}` : ""}
        </p>
      ) : null}
      <ul className="mt-2 flex list-disc flex-col gap-1 pl-4 text-sm text-pretty">
        {item.reasons.map((reason) => (
          <li key={reason}>{reason}</li>
        ))}
      </ul>
      {item.warnings.map((warning) => (
        <p key={warning} className="mt-2 flex gap-1.5 text-sm text-pretty text-warn">
          <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0" />
          {warning}
        </p>
      ))}
      <div className="mt-auto pt-3">
        <Button size="sm" look={best ? "soft" : "outline"} onClick={onUse}>
          Use this <ArrowRight aria-hidden />
        </Button>
      </div>
    </li>
  );
}
