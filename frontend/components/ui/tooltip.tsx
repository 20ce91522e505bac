"use client";

import { cloneElement, type ReactElement, type ReactNode, useEffect, useId, useState } from "react";
import { createPortal } from "react-dom";

const DELAY_MS = 300;
const GAP = 6;
const HALF = 136; // half of the widest bubble, and a margin to the window's edge

/** A few words on hover, focus and tap; never the only place where something is said. */
export function Tip({
  text,
  children,
  side = "bottom",
}: {
  text: ReactNode;
  children: ReactElement<{ "aria-describedby"?: string }>;
  side?: "bottom" | "right";
}) {
  const id = useId();
  const [target, setTarget] = useState<Element | null>(null);
  const [open, setOpen] = useState(false);
  const hide = () => {
    setTarget(null);
    setOpen(false);
  };
  useEffect(() => {
    if (!target) return undefined;
    const timer = setTimeout(() => setOpen(true), DELAY_MS);
    const onKey = (event: KeyboardEvent) => event.key === "Escape" && hide();
    window.addEventListener("keydown", onKey);
    window.addEventListener("scroll", hide, true);
    return () => {
      clearTimeout(timer);
      window.removeEventListener("keydown", onKey);
      window.removeEventListener("scroll", hide, true);
    };
  }, [target]);
  const box = open ? target?.getBoundingClientRect() : undefined;
  return (
    <span
      className="contents"
      onPointerOver={(event) => event.pointerType === "mouse" && setTarget(event.target as Element)}
      onPointerLeave={hide}
      onFocus={(event) => setTarget(event.target)}
      onBlur={hide}
      onClick={(event) => {
        setTarget(event.target as Element);
        setOpen(true);
      }}
    >
      {cloneElement(children, { "aria-describedby": box ? id : undefined })}
      {box
        ? createPortal(
            <span
              id={id}
              role="tooltip"
              className="pointer-events-none fixed z-50 w-max max-w-64 rounded-md bg-foreground px-2 py-1 text-xs text-background"
              style={
                side === "right"
                  ? { left: box.right + GAP, top: box.top + box.height / 2, translate: "0 -50%" }
                  : {
                      left: `clamp(${HALF}px, ${box.left + box.width / 2}px, calc(100vw - ${HALF}px))`,
                      top: box.bottom + GAP,
                      translate: "-50% 0",
                    }
              }
            >
              {text}
            </span>,
            document.body,
          )
        : null}
    </span>
  );
}
