"use client";

import dynamic from "next/dynamic";
import { usePathname } from "next/navigation";
import { type ReactNode, useEffect, useState } from "react";

import { cn } from "@/lib/utils";

import { Connection } from "./connection";
import { Rail } from "./rail";
import { TopBar } from "./top-bar";
import { useRailState } from "./use-rail-state";
import { useShortcuts } from "./use-shortcuts";

// What opens on a key is not part of the first load; it is fetched when the page is at rest.
const loadPalette = () => import("./command-palette").then((module) => module.CommandPalette);
const loadShortcuts = () => import("./shortcuts-dialog").then((module) => module.ShortcutsDialog);
const CommandPalette = dynamic(loadPalette, { ssr: false });
const ShortcutsDialog = dynamic(loadShortcuts, { ssr: false });
const REST_MS = 1500;

/** Rail, top bar, palette and shortcuts around every page. */
export function AppShell({ children }: { children: ReactNode }) {
  const [palette, setPalette] = useState(false);
  const [shortcuts, setShortcuts] = useState(false);
  const [narrow, setNarrow] = useRailState();
  const path = usePathname();
  useShortcuts({
    openPalette: () => setPalette(true),
    openShortcuts: () => setShortcuts(true),
    toggleRail: () => setNarrow(!narrow),
  });
  useEffect(() => {
    const timer = setTimeout(() => void Promise.allSettled([loadPalette(), loadShortcuts()]), REST_MS);
    return () => clearTimeout(timer);
  }, []);
  const fills = path.startsWith("/chat");

  return (
    <div className="flex min-h-dvh">
      <a
        href="#content"
        className="fixed top-2 left-2 z-50 -translate-y-16 rounded-lg bg-accent px-3 py-1.5 text-on-accent focus:translate-y-0"
      >
        Skip to content
      </a>
      <aside
        className={cn(
          "sticky top-0 hidden h-dvh shrink-0 border-r bg-background transition-[width] duration-150 md:block",
          narrow ? "w-15" : "w-56",
        )}
      >
        <Rail narrow={narrow} onToggle={() => setNarrow(!narrow)} />
      </aside>
      <div className={cn("flex min-w-0 flex-1 flex-col", fills && "h-dvh")}>
        <TopBar onPalette={() => setPalette(true)} onShortcuts={() => setShortcuts(true)} />
        <main id="content" tabIndex={-1} className="flex min-h-0 min-w-0 flex-1 flex-col outline-none">
          {children}
        </main>
      </div>
      <Connection />
      {palette ? (
        <CommandPalette open onOpenChange={setPalette} onShortcuts={() => setShortcuts(true)} />
      ) : null}
      {shortcuts ? <ShortcutsDialog open onOpenChange={setShortcuts} /> : null}
    </div>
  );
}

/** Width, margins and title line of an ordinary page. */
export function Page({
  title,
  note,
  actions,
  children,
}: {
  title: ReactNode;
  note?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}) {
  return (
    <div className="mx-auto flex w-full max-w-[1400px] flex-col gap-4 px-4 pt-5 pb-12 sm:px-8 sm:pt-7">
      <div className="mb-1 flex flex-wrap items-start justify-between gap-x-4 gap-y-3">
        <div className="min-w-0">
          <h1 className="text-xl font-semibold tracking-tight break-words">{title}</h1>
          {note ? <div className="mt-0.5 text-base text-muted">{note}</div> : null}
        </div>
        {actions ? <div className="flex flex-wrap items-center gap-2">{actions}</div> : null}
      </div>
      {children}
    </div>
  );
}
