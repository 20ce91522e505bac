"use client";

import { Check, ChevronDown } from "lucide-react";

import { Menu, MenuContent, MenuItem, MenuTrigger } from "@/components/ui/menu";
import { AXES, type Axis, axisWord } from "@/lib/metrics";
import { cn } from "@/lib/utils";

export interface ControlProps {
  axis?: Axis;
  logX?: boolean;
  logY?: boolean;
  smoothing?: number;
  onAxis?: (axis: Axis) => void;
  onLogX?: (on: boolean) => void;
  onLogY?: (on: boolean) => void;
  onSmoothing?: (weight: number) => void;
}

const SMOOTHINGS = [0, 0.9, 0.97];
const AXIS_NAMES = Object.keys(AXES) as Axis[];

/** How a chart is drawn: over what, how smooth, on which scales. */
export function ChartControls({
  axis = "step",
  logX = false,
  logY = false,
  smoothing = 0,
  onAxis,
  onLogX,
  onLogY,
  onSmoothing,
}: ControlProps) {
  return (
    <>
      {onAxis ? (
        <Menu>
          <MenuTrigger asChild>
            <button
              type="button"
              title="Draw over steps, tokens, operations or time"
              className={cn(looks(axis !== "step"), "inline-flex items-center gap-1")}
            >
              By {axisWord(axis)} <ChevronDown aria-hidden className="size-3" />
            </button>
          </MenuTrigger>
          <MenuContent className="min-w-32">
            {AXIS_NAMES.map((name) => (
              <MenuItem key={name} onSelect={() => onAxis(name)}>
                <Check aria-hidden className={name === axis ? undefined : "invisible"} />
                {AXES[name]}
              </MenuItem>
            ))}
          </MenuContent>
        </Menu>
      ) : null}
      {onSmoothing ? (
        <Toggle
          on={Boolean(smoothing)}
          onClick={() =>
            onSmoothing(SMOOTHINGS[(SMOOTHINGS.indexOf(smoothing) + 1) % SMOOTHINGS.length] as number)
          }
          title={smoothing ? `Smoothed with weight ${smoothing}` : "Draw an exponential mean"}
        >
          Smooth{smoothing ? ` ${smoothing}` : ""}
        </Toggle>
      ) : null}
      {onLogX ? (
        <Toggle on={logX} onClick={() => onLogX(!logX)} title="A logarithmic axis: shows how the start went">
          Log {axisWord(axis)}
          {axis === "step" ? "s" : ""}
        </Toggle>
      ) : null}
      {onLogY ? (
        <Toggle
          on={logY}
          onClick={() => onLogY(!logY)}
          title="Logarithmic values: shows how small ones still fall"
        >
          Log values
        </Toggle>
      ) : null}
    </>
  );
}

const looks = (on: boolean): string =>
  cn(
    "h-7 rounded-md px-2 text-xs font-medium figures",
    on ? "bg-accent-soft text-accent-ink" : "text-muted hover:bg-surface-2 hover:text-foreground",
  );

function Toggle({
  on,
  onClick,
  title,
  children,
}: {
  on: boolean;
  onClick: () => void;
  title: string;
  children: React.ReactNode;
}) {
  return (
    <button type="button" aria-pressed={on} onClick={onClick} title={title} className={looks(on)}>
      {children}
    </button>
  );
}
