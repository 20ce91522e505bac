"use client";

import { Button } from "@/components/ui/button";
import { Dialog, DialogContent } from "@/components/ui/dialog";
import { formatBytes } from "@/lib/format";
import { type PlannedChoice, suggestionOf, type TrainingPlan } from "@/lib/run-plan";

/** Asked before a training is started that may not, or cannot, fit this machine. */
export function FitDialog({
  plan,
  onUse,
  onTrain,
  onClose,
}: {
  /** The plan on this machine; null closes the dialog. */
  plan: TrainingPlan | null;
  onUse: (choice: PlannedChoice) => void;
  onTrain: () => void;
  onClose: () => void;
}) {
  const suggested = plan?.suggested ?? null;
  return (
    <Dialog open={plan !== null} onOpenChange={(open) => !open && onClose()}>
      {plan ? (
        <DialogContent
          title={plan.refused ? "This training cannot fit" : "This training may not fit"}
          description={
            plan.refused
              ? "It needs more than all the memory of this machine, so the run would be refused at its start."
              : "It needs more memory than is free here now. It may slow the machine down, or be ended by it."
          }
        >
          <p className="text-sm break-words">
            It needs {formatBytes(plan.configured.footprint.peak)}, and{" "}
            {formatBytes(Math.max(0, plan.memory_bytes))} are free
            {plan.devices > 1 ? " for each process" : ""}.{" "}
            {suggested
              ? `What fits is ${suggestionOf(suggested)}.`
              : "No way to divide a step fits: a smaller model or a shorter context is needed."}
          </p>
          <div className="flex flex-wrap justify-end gap-2">
            <Button onClick={onClose}>Change it</Button>
            {plan.refused ? null : (
              <Button look="danger" onClick={onTrain}>
                Train all the same
              </Button>
            )}
            {suggested ? (
              <Button look="primary" title={suggestionOf(suggested)} onClick={() => onUse(suggested)}>
                Use what fits
              </Button>
            ) : null}
          </div>
        </DialogContent>
      ) : null}
    </Dialog>
  );
}
