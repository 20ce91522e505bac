"use client";

import { ChevronRight, CircleHelp, Menu as MenuIcon, Search } from "lucide-react";
import Link from "next/link";
import { usePathname, useSearchParams } from "next/navigation";
import { Suspense, useState } from "react";

import { Button } from "@/components/ui/button";
import { Dialog, DialogTrigger, SheetContent } from "@/components/ui/dialog";
import { Kbd } from "@/components/ui/kbd";
import { ProgressRing } from "@/components/ui/progress";
import { useModels, useRun, useRuns } from "@/lib/queries";
import { progressWords, shareDone } from "@/lib/run-view";
import { isAlive } from "@/lib/types";
import { runHref } from "@/lib/utils";

import { placeOf } from "./navigation";
import { Rail } from "./rail";
import { ThemeSwitch } from "./theme-switch";

export function TopBar({ onPalette, onShortcuts }: { onPalette: () => void; onShortcuts: () => void }) {
  return (
    <header className="sticky top-0 z-30 flex h-14 shrink-0 items-center gap-2 border-b bg-background/90 px-3 backdrop-blur-sm sm:px-6">
      <PhoneRail />
      <Suspense fallback={<span className="flex-1" />}>
        <Breadcrumb />
      </Suspense>
      <div className="ml-auto flex items-center gap-1">
        <Jobs />
        <Button
          look="outline"
          size="sm"
          onClick={onPalette}
          title="Find a page, run, model or action"
          aria-keyshortcuts="Control+K Meta+K"
          className="mr-1 text-muted max-lg:size-8 max-lg:border-transparent max-lg:bg-transparent max-lg:p-0"
        >
          <Search />
          <span className="max-lg:sr-only">Find or do</span>
          <span className="ml-1 max-lg:hidden" aria-hidden>
            <Kbd>Ctrl K</Kbd>
          </span>
        </Button>
        <ThemeSwitch />
        <Button
          look="ghost"
          size="icon"
          onClick={onShortcuts}
          aria-label="Keyboard shortcuts"
          className="max-sm:hidden"
        >
          <CircleHelp />
        </Button>
      </div>
    </header>
  );
}

function PhoneRail() {
  const [open, setOpen] = useState(false);
  return (
    <Dialog open={open} onOpenChange={setOpen}>
      <DialogTrigger asChild>
        <Button look="ghost" size="icon" aria-label="Pages" className="md:hidden">
          <MenuIcon />
        </Button>
      </DialogTrigger>
      <SheetContent
        title={<span className="sr-only">Pages</span>}
        side="left"
        className="gap-0 p-0 [&>div:first-of-type]:h-0"
      >
        <Rail onGo={() => setOpen(false)} />
      </SheetContent>
    </Dialog>
  );
}

function Breadcrumb() {
  const place = placeOf(usePathname());
  const id = useSearchParams().get("id");
  return (
    <nav aria-label="Breadcrumb" className="min-w-0">
      <ol className="flex min-w-0 items-center gap-1.5 text-base">
        {place ? (
          <li className="shrink-0">
            {id ? (
              <Link href={place.href} className="rounded-sm text-muted hover:text-foreground">
                {place.title}
              </Link>
            ) : (
              <span aria-current="page" className="font-medium">
                {place.title}
              </span>
            )}
          </li>
        ) : null}
        {place && id ? (
          <li className="flex min-w-0 items-center gap-1.5">
            <ChevronRight className="size-3.5 shrink-0 text-muted" aria-hidden />
            <span aria-current="page" className="truncate font-medium">
              {place.href === "/runs/" ? <RunName id={id} /> : <ModelName id={id} />}
            </span>
          </li>
        ) : null}
      </ol>
    </nav>
  );
}

function RunName({ id }: { id: string }) {
  const run = useRun(id);
  return run.data?.name ?? id;
}

function ModelName({ id }: { id: string }) {
  const models = useModels();
  return models.data?.find((model) => model.id === id)?.name ?? id;
}

/** The runs at work: how far they are, one click away. */
function Jobs() {
  const runs = useRuns();
  const working = runs.data?.filter(isAlive) ?? [];
  const [first] = working;
  if (!first) return null;
  const share = shareDone(first);
  const words = progressWords(first) ?? (first.progress.message || "starting");
  return (
    <Link
      href={working.length === 1 ? runHref(first.id) : "/runs/"}
      aria-label={
        working.length === 1
          ? `${first.name} ${words}: at work, open it`
          : `${working.length} runs: at work, open the list`
      }
      className="mr-1 flex h-8 items-center gap-2 rounded-lg bg-accent-soft px-2.5 text-sm font-medium text-accent-ink hover:bg-accent-soft/70"
    >
      <ProgressRing value={share} />
      <span className="hidden max-w-40 truncate sm:inline">
        {working.length === 1 ? first.name : `${working.length} runs`}
      </span>{" "}
      {working.length === 1 ? <span className="whitespace-nowrap figures">{words}</span> : null}
    </Link>
  );
}
