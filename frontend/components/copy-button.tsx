"use client";

import { Check, Copy } from "lucide-react";
import { useEffect, useState } from "react";
import { toast } from "sonner";

import { Button } from "@/components/ui/button";

/** Copies a text and says so for a moment. */
export function CopyButton({
  text,
  label,
  iconOnly = false,
}: {
  text: string;
  label: string;
  iconOnly?: boolean;
}) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = setTimeout(() => setCopied(false), 1500);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
    } catch {
      toast.error("The browser did not allow copying.", {
        description: "Select the text and copy it by hand.",
      });
    }
  };
  const icon = copied ? <Check aria-hidden /> : <Copy aria-hidden />;
  return (
    <Button
      look={iconOnly ? "ghost" : "outline"}
      size={iconOnly ? "icon" : "sm"}
      onClick={() => void copy()}
      aria-label={iconOnly ? label : undefined}
    >
      {icon}
      {iconOnly ? null : copied ? "Copied" : label}
    </Button>
  );
}
