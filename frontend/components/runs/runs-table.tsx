"use client";

import { Ellipsis } from "lucide-react";
import Link from "next/link";
import { useRouter } from "next/navigation";

import { StateBadge } from "@/components/state-badge";
import { Ago, Took } from "@/components/time";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Menu, MenuContent, MenuItem, MenuTrigger } from "@/components/ui/menu";
import { ProgressBar } from "@/components/ui/progress";
import { useRunActions } from "@/lib/actions";
import { DASH, formatExact, formatLoss } from "@/lib/format";
import { lastLoss, sparkPath } from "@/lib/run-table";
import type { SmallCurve } from "@/lib/run-types";
import { progressWords, shareDone, stageTitle } from "@/lib/run-view";
import { isAlive, type Run } from "@/lib/types";
import { runHref } from "@/lib/utils";

const HEAD = "px-3 py-2.5 text-left text-xs font-medium text-muted last:pr-3";
const CELL = "px-3 py-2.5 last:pr-3";

/** The runs with what one looks for first; several can be chosen to be held against each other. */
export function RunsTable({
  runs,
  curves,
  chosen,
  onChoose,
}: {
  runs: readonly Run[];
  curves: Readonly<Record<string, SmallCurve>>;
  chosen: ReadonlySet<string>;
  onChoose: (id: string, on: boolean) => void;
}) {
  if (!runs.length) return <p className="px-5 py-10 text-center text-muted">No run fits this filter.</p>;
  return (
    <table className="w-full table-fixed border-collapse text-base">
      <thead>
        <tr className="border-b">
          <th className={`${HEAD} w-11 pr-0 pl-4`}>
            <span className="sr-only">Choose</span>
          </th>
          <th className={HEAD}>Name</th>
          <th className={`${HEAD} w-32 max-lg:hidden`}>Stage</th>
          <th className={`${HEAD} w-28`}>State</th>
          <th className={`${HEAD} w-40 max-md:hidden`}>Progress</th>
          <th className={`${HEAD} w-40 max-lg:hidden`}>Loss</th>
          <th className={`${HEAD} w-28 max-sm:hidden`}>Started</th>
          <th className={`${HEAD} w-28 text-right max-xl:hidden`}>Duration</th>
          <th className={`${HEAD} w-12`}>
            <span className="sr-only">More</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {runs.map((run) => (
          <tr
            key={run.id}
            aria-selected={chosen.has(run.id)}
            className="relative border-b last:border-0 hover:bg-surface-2/60 aria-selected:bg-accent-soft/50"
          >
            <td className={`${CELL} relative z-10 pr-0 pl-4`}>
              <input
                type="checkbox"
                aria-label={`Choose ${run.name}`}
                checked={chosen.has(run.id)}
                onChange={(event) => onChoose(run.id, event.target.checked)}
                className="block size-4 accent-accent"
              />
            </td>
            <td className={`${CELL} font-medium`}>
              <span className="flex min-w-0 items-center gap-2">
                <Link href={runHref(run.id)} className="truncate rounded-sm after:absolute after:inset-0">
                  {run.name}
                </Link>
                {run.tags.map((tag) => (
                  <Badge key={tag} className="max-w-28 truncate max-sm:hidden">
                    {tag}
                  </Badge>
                ))}
              </span>
              {run.notes ? (
                <span className="block truncate text-sm font-normal text-muted" title={run.notes}>
                  {run.notes.split("\n")[0]}
                </span>
              ) : null}
            </td>
            <td className={`${CELL} truncate text-muted max-lg:hidden`}>{stageTitle(run.stage)}</td>
            <td className={CELL}>
              <StateBadge state={run.state} />
            </td>
            <td className={`${CELL} max-md:hidden`}>
              <Progress run={run} />
            </td>
            <td className={`${CELL} max-lg:hidden`}>
              <Loss run={run} curve={curves[run.id]} />
            </td>
            <td className={`${CELL} truncate text-muted max-sm:hidden`} title={formatExact(run.created_at)}>
              <Ago at={run.created_at} />
            </td>
            <td className={`${CELL} text-right text-muted max-xl:hidden`}>
              <Took run={run} />
            </td>
            <td className={`${CELL} relative z-10 py-1 pl-0`}>
              <More run={run} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Progress({ run }: { run: Run }) {
  const share = shareDone(run);
  if (run.state === "finished") return <span className="text-muted">Done</span>;
  return (
    <span className="flex items-center gap-2.5">
      <ProgressBar value={share} label={`Progress of ${run.name}`} className="flex-1" />
      <span className="w-17 text-right text-sm whitespace-nowrap text-muted figures">
        {progressWords(run) ?? DASH}
      </span>
    </span>
  );
}

const [WIDTH, HEIGHT] = [72, 20];

function Loss({ run, curve }: { run: Run; curve: SmallCurve | undefined }) {
  const loss = lastLoss(run, curve);
  const path = sparkPath(curve?.value ?? [], WIDTH, HEIGHT);
  return (
    <span
      className="flex items-center gap-2.5 text-sm figures"
      title={loss === null ? "No loss was logged" : undefined}
    >
      <span className="w-12 text-right">{formatLoss(loss)}</span>
      {path ? (
        <svg
          aria-hidden
          viewBox={`-1 -1 ${WIDTH + 2} ${HEIGHT + 2}`}
          width={WIDTH + 2}
          height={HEIGHT + 2}
          className="shrink-0 overflow-visible text-chart-1"
        >
          <path d={path} fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinejoin="round" />
        </svg>
      ) : null}
    </span>
  );
}

function More({ run }: { run: Run }) {
  const router = useRouter();
  const { stop, resume, remove } = useRunActions();
  const alive = isAlive(run);
  return (
    <Menu>
      <MenuTrigger asChild>
        <Button look="ghost" size="icon" aria-label={`More for ${run.name}`}>
          <Ellipsis />
        </Button>
      </MenuTrigger>
      <MenuContent>
        <MenuItem onSelect={() => router.push(runHref(run.id, { tab: "notes" }))}>Tags and notes</MenuItem>
        {alive ? (
          <MenuItem disabled={run.state === "stopping"} onSelect={() => stop.mutate(run)}>
            Stop
          </MenuItem>
        ) : null}
        {run.resumable ? <MenuItem onSelect={() => resume.mutate(run)}>Resume</MenuItem> : null}
        {alive ? null : <MenuItem onSelect={() => remove.mutate(run)}>Delete</MenuItem>}
      </MenuContent>
    </Menu>
  );
}
