"use client";

import { Dialog, DialogContent } from "@/components/ui/dialog";
import { Kbd } from "@/components/ui/kbd";

import { PLACES } from "./navigation";

const GROUPS: { title: string; rows: [string[], string][] }[] = [
  {
    title: "Everywhere",
    rows: [
      [["Ctrl", "K"], "Find a page, run, model or action"],
      ...PLACES.map((place): [string[], string] => [["g", place.key], `Go to ${place.title}`]),
      [["["], "Fold the side rail"],
      [["?"], "Show this list"],
    ],
  },
  {
    title: "Runs",
    rows: [
      [["←", "→"], "Along a chart's points, once it has the focus"],
      [["Enter"], "Look into the step that is there"],
      [["←", "→"], "The step before or after, in an opened step"],
    ],
  },
  {
    title: "Chat",
    rows: [
      [["Enter"], "Send"],
      [["Shift", "Enter"], "New line"],
      [["Esc"], "Stop the reply"],
      [["↑"], "Edit the last question (in an empty field)"],
    ],
  },
];

export function ShortcutsDialog({
  open,
  onOpenChange,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}) {
  return (
    <Dialog open={open} onOpenChange={onOpenChange}>
      <DialogContent title="Keyboard shortcuts" description="On a Mac, Cmd takes the place of Ctrl.">
        <div className="-mr-2 flex flex-col gap-5 overflow-y-auto pr-2">
          {GROUPS.map((group) => (
            <div key={group.title}>
              <h3 className="mb-1 text-xs font-medium text-muted">{group.title}</h3>
              <dl>
                {group.rows.map(([keyNames, what]) => (
                  <div
                    key={what}
                    className="flex items-center justify-between gap-4 border-b py-1.5 last:border-0"
                  >
                    <dt>{what}</dt>
                    <dd className="flex gap-1">
                      {keyNames.map((key) => (
                        <Kbd key={key}>{key}</Kbd>
                      ))}
                    </dd>
                  </div>
                ))}
              </dl>
            </div>
          ))}
        </div>
      </DialogContent>
    </Dialog>
  );
}
