"use client";

import { Download } from "lucide-react";

import { CopyButton } from "@/components/copy-button";
import { Button } from "@/components/ui/button";
import { Card, CardHeader } from "@/components/ui/card";
import { Skeleton } from "@/components/ui/skeleton";
import { save } from "@/lib/download";
import type { RunPreview } from "@/lib/run-types";

/** The same run on the command line, and as a file. */
export function CommandCard({ preview }: { preview: RunPreview | undefined }) {
  if (!preview) return <Skeleton className="h-48 rounded-xl" />;
  const recipe = preview.command.startsWith("llmp run ");
  const [, , stage = "run", file = ""] = recipe
    ? ["", "", "", preview.command.split(" ")[2] ?? "recipe.yaml"]
    : ["", "", preview.command.split(" ")[1], `${preview.command.split(" ")[1]}.yaml`];
  return (
    <Card className="overflow-hidden">
      <CardHeader title="On the command line">
        <CopyButton iconOnly label="Copy the command" text={preview.command} />
      </CardHeader>
      <pre
        tabIndex={0}
        role="region"
        aria-label="Command"
        className="max-h-40 overflow-auto px-4 pb-3 font-mono text-xs leading-5 break-words whitespace-pre-wrap sm:px-5"
      >
        {preview.command}
      </pre>
      <div className="flex min-h-10 items-center gap-2 border-t px-4 py-1 sm:px-5">
        <h3 className="text-sm font-medium">{file}</h3>
        <span className="text-sm text-muted max-sm:hidden">
          {recipe ? "what that command reads" : `for llmp ${stage} --config`}
        </span>
        <div className="ml-auto flex items-center">
          <CopyButton iconOnly label="Copy the YAML" text={preview.yaml} />
          <Button
            look="ghost"
            size="icon"
            aria-label={`Save ${file}`}
            title={`Save ${file}`}
            onClick={() => save(new Blob([preview.yaml], { type: "text/yaml" }), file)}
          >
            <Download />
          </Button>
        </div>
      </div>
      <pre
        tabIndex={0}
        role="region"
        aria-label="Settings as YAML"
        className="max-h-80 overflow-auto px-4 pb-4 font-mono text-xs leading-5 whitespace-pre-wrap sm:px-5"
      >
        {preview.yaml}
      </pre>
    </Card>
  );
}
