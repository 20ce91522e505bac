"use client";

import { Fragment, useState } from "react";

import { labelOf } from "@/components/config-form/schema";
import { Switch } from "@/components/tokenizer/switch";
import { Card, CardHeader } from "@/components/ui/card";
import { byGroup, cellOf, LETTERS } from "@/lib/architecture-compare";
import type { Comparison } from "@/lib/architecture-types";
import { cn } from "@/lib/utils";

/** Every setting of all of them; what differs is marked. */
export function CompareFields({ comparison }: { comparison: Comparison }) {
  const [only, setOnly] = useState(true);
  const differing = comparison.fields.filter((field) => field.differs).length;
  const groups = byGroup(comparison.fields, only);
  return (
    <Card className="overflow-hidden">
      <CardHeader
        title="Settings"
        note={
          <span className="figures">
            {differing} of {comparison.fields.length} differ
          </span>
        }
      >
        <Switch label="Only differences" checked={only} onChange={setOnly} />
      </CardHeader>
      <div className="overflow-x-auto" tabIndex={0} role="region" aria-label="Settings, table">
        <table className="w-full min-w-max text-sm figures">
          <thead>
            <tr className="border-b text-xs text-muted">
              <th className="sticky left-0 z-10 bg-surface px-4 py-2 text-left font-medium sm:px-5">
                Setting
              </th>
              {comparison.items.map((item, place) => (
                <th key={place} className="max-w-48 px-3 py-2 text-left font-medium last:pr-5">
                  <span className="block truncate">
                    <span className="font-semibold text-foreground">{LETTERS[place]}</span> {item.label}
                  </span>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {groups.map(([group, fields]) => (
              <Fragment key={group}>
                <tr>
                  <th
                    scope="rowgroup"
                    colSpan={comparison.items.length + 1}
                    className="bg-surface-2 px-4 py-1 text-left text-xs font-semibold sm:px-5"
                  >
                    {group}
                  </th>
                </tr>
                {fields.map((field) => (
                  <tr key={field.field} className="border-t">
                    <th
                      scope="row"
                      title={field.field}
                      className="sticky left-0 z-10 bg-surface px-4 py-1 text-left font-normal sm:px-5"
                    >
                      {labelOf(field.field)}
                      {field.differs && !only ? <span className="sr-only">, differs</span> : null}
                    </th>
                    {field.values.map((value, place) => {
                      const marked = field.differs && cellOf(value) !== cellOf(field.values[0]);
                      return (
                        <td
                          key={place}
                          className={cn(
                            "max-w-56 truncate px-3 py-1 last:pr-5",
                            marked && "bg-accent-soft font-medium text-accent-ink",
                            !field.differs && "text-muted",
                          )}
                          title={cellOf(value)}
                        >
                          {cellOf(value)}
                        </td>
                      );
                    })}
                  </tr>
                ))}
              </Fragment>
            ))}
          </tbody>
        </table>
      </div>
      {groups.length === 0 ? (
        <p className="px-4 py-6 text-center text-muted">All settings are the same.</p>
      ) : null}
    </Card>
  );
}
