"use client";

import { X } from "lucide-react";
import { Dialog as Primitive } from "radix-ui";
import type { ComponentProps, ReactNode } from "react";

import { cn } from "@/lib/utils";

export const Dialog = Primitive.Root;
export const DialogTrigger = Primitive.Trigger;
export const DialogClose = Primitive.Close;

function Overlay() {
  return (
    <Primitive.Overlay className="fixed inset-0 z-50 bg-black/35 data-[state=closed]:animate-out data-[state=closed]:fade-out-0 data-[state=open]:animate-in data-[state=open]:fade-in-0" />
  );
}

function Head({
  title,
  description,
  hidden,
}: {
  title: ReactNode;
  description?: ReactNode;
  hidden?: boolean;
}) {
  return (
    <div className={hidden ? "sr-only" : "pr-8"}>
      <Primitive.Title className="text-lg font-semibold break-words">{title}</Primitive.Title>
      {description ? (
        <Primitive.Description className="mt-0.5 text-sm text-muted">{description}</Primitive.Description>
      ) : null}
    </div>
  );
}

function CloseButton() {
  return (
    <Primitive.Close
      aria-label="Close"
      className="absolute top-3 right-3 grid size-8 place-items-center rounded-lg text-muted hover:bg-surface-2 hover:text-foreground"
    >
      <X className="size-4" />
    </Primitive.Close>
  );
}

/** Reading begins at the title, not at the close button. */
function focusPanel(event: Event): void {
  event.preventDefault();
  (event.currentTarget as HTMLElement).focus();
}

interface ContentProps extends Omit<ComponentProps<typeof Primitive.Content>, "title"> {
  title: ReactNode;
  description?: ReactNode;
  /** Title and close button are for screen readers only. */
  bare?: boolean;
}

export function DialogContent({ title, description, bare, className, children, ...props }: ContentProps) {
  return (
    <Primitive.Portal>
      <Overlay />
      <Primitive.Content
        {...(description ? {} : { "aria-describedby": undefined })}
        onOpenAutoFocus={bare ? undefined : focusPanel}
        className={cn(
          "fixed top-[12vh] left-1/2 z-50 flex max-h-[76vh] w-[calc(100vw-32px)] max-w-lg -translate-x-1/2 flex-col rounded-xl border bg-surface shadow-xl duration-100 outline-none data-[state=open]:animate-in data-[state=open]:fade-in-0 data-[state=open]:zoom-in-98",
          bare ? "" : "gap-4 p-5",
          className,
        )}
        {...props}
      >
        <Head title={title} description={description} hidden={bare} />
        {children}
        {bare ? null : <CloseButton />}
      </Primitive.Content>
    </Primitive.Portal>
  );
}

/** A panel at the side (or the bottom) of the window. */
export function SheetContent({
  title,
  description,
  side = "right",
  className,
  children,
  ...props
}: ContentProps & { side?: "left" | "right" | "bottom" }) {
  const sides = {
    left: "inset-y-0 left-0 w-72 border-r data-[state=open]:slide-in-from-left data-[state=closed]:slide-out-to-left",
    right:
      "inset-y-0 right-0 w-full max-w-md border-l data-[state=open]:slide-in-from-right data-[state=closed]:slide-out-to-right",
    bottom:
      "inset-x-0 bottom-0 max-h-[85vh] rounded-t-xl border-t data-[state=open]:slide-in-from-bottom data-[state=closed]:slide-out-to-bottom",
  };
  return (
    <Primitive.Portal>
      <Overlay />
      <Primitive.Content
        {...(description ? {} : { "aria-describedby": undefined })}
        onOpenAutoFocus={focusPanel}
        className={cn(
          "fixed z-50 flex flex-col gap-4 overflow-y-auto bg-surface p-5 shadow-xl duration-150 outline-none data-[state=closed]:animate-out data-[state=open]:animate-in",
          sides[side],
          className,
        )}
        {...props}
      >
        <Head title={title} description={description} />
        {children}
        <CloseButton />
      </Primitive.Content>
    </Primitive.Portal>
  );
}
