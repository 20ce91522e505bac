import { Info, OctagonAlert, TriangleAlert } from "lucide-react";

import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { formatNumber } from "@/lib/format";
import type { Alert } from "@/lib/run-marks";

const LOOKS = {
  info: { Icon: Info, colour: "text-muted", word: "note" },
  warning: { Icon: TriangleAlert, colour: "text-warn", word: "warning" },
  critical: { Icon: OctagonAlert, colour: "text-bad", word: "critical" },
};

/** What can come from what a step read. */
const OF_A_BATCH = ["spike", "non_finite"];

/**
 * What the run noticed about itself, with what to do about it.
 *
 * @param onStep opens a step with what it read.
 */
export function Alerts({ alerts, onStep }: { alerts: readonly Alert[]; onStep: (step: number) => void }) {
  if (!alerts.length) return null;
  return (
    <Card>
      <CardHeader title="Alerts" note={`${alerts.length}, newest first`} />
      <ol className="max-h-56 overflow-y-auto pb-2" tabIndex={0} aria-label="Alerts, newest first">
        {alerts.map(({ id, step, kind, severity, message, hint }) => {
          const { Icon, colour, word } = LOOKS[severity];
          return (
            <li key={id} className="flex items-start gap-3 px-4 py-1.5 text-sm sm:px-5">
              <Icon className={`mt-0.5 size-4 shrink-0 ${colour}`} aria-label={word} />
              <span className="min-w-0 flex-1 text-pretty break-words">
                {message} <span className="text-muted">{hint}</span>
              </span>
              {step !== null && step > 0 && OF_A_BATCH.includes(kind) ? (
                <Button size="sm" className="-my-1 h-7 shrink-0" onClick={() => onStep(step)}>
                  Show its batch
                </Button>
              ) : null}
              {step === null ? null : (
                <span className="shrink-0 text-muted figures">step {formatNumber(step)}</span>
              )}
            </li>
          );
        })}
      </ol>
    </Card>
  );
}
