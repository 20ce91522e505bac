"use client";

import { useState } from "react";

import { CopyButton } from "@/components/copy-button";

/** A copy button whose text is long: it is made when the button is pressed. */
export function CopyLater({ label, make }: { label: string; make: () => string }) {
  const [text, setText] = useState("");
  const ready = () => setText(make());
  return (
    <span className="contents" onPointerDownCapture={ready} onKeyDownCapture={ready}>
      <CopyButton label={label} text={text} />
    </span>
  );
}
