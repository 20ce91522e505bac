"use client";

import { Command } from "cmdk";
import { Activity, Boxes, Keyboard, MessageCircle, Play, Sparkles, SunMoon } from "lucide-react";
import { useRouter } from "next/navigation";
import { useTheme } from "next-themes";
import type { ReactNode } from "react";

import { Dialog, DialogContent } from "@/components/ui/dialog";
import { useStartRecipe } from "@/lib/actions";
import { formatAgo } from "@/lib/format";
import { useModels, useRecipes, useRuns } from "@/lib/queries";
import { isQuickstart, STATES } from "@/lib/run-view";
import { isAlive } from "@/lib/types";
import { chatHref, modelHref, runHref } from "@/lib/utils";

import { PLACES, VIEWS } from "./navigation";

/** Any page, run, model or action by a few letters of its name. */
export function CommandPalette({
  open,
  onOpenChange,
  onShortcuts,
}: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  onShortcuts: () => void;
}) {
  return (
    <Dialog open={open} onOpenChange={onOpenChange}>
      <DialogContent title="Find a page, run, model or action" bare className="max-w-xl overflow-hidden">
        <Palette close={() => onOpenChange(false)} onShortcuts={onShortcuts} />
      </DialogContent>
    </Dialog>
  );
}

function Palette({ close, onShortcuts }: { close: () => void; onShortcuts: () => void }) {
  const router = useRouter();
  const { resolvedTheme, setTheme } = useTheme();
  const runs = useRuns();
  const models = useModels();
  const recipes = useRecipes();
  const start = useStartRecipe();
  const then = (act: () => void) => () => {
    close();
    act();
  };
  const go = (href: string) => then(() => router.push(href));
  const running = runs.data?.find((run) => isQuickstart(run) && isAlive(run));
  const others = recipes.data?.filter((recipe) => recipe.name !== "quickstart") ?? [];

  return (
    <Command label="Find a page, run, model or action" className="flex min-h-0 flex-col">
      <Command.Input
        autoFocus
        placeholder="Find a page, run, model or action"
        className="h-12 w-full shrink-0 border-b bg-transparent px-4 text-lg outline-none placeholder:text-muted"
      />
      <Command.List className="min-h-0 overflow-y-auto overscroll-contain p-2" aria-label="Found">
        <Command.Empty className="px-3 py-8 text-center text-muted">Nothing of that name.</Command.Empty>
        <Group heading="Do">
          {running ? (
            <Item icon={<Activity />} onSelect={go(runHref(running.id))} value="open the running quickstart">
              Open the running quickstart
            </Item>
          ) : (
            <Item
              icon={<Sparkles />}
              onSelect={then(() => start.mutate("quickstart"))}
              value="train your first model quickstart"
            >
              Train your first model
            </Item>
          )}
          {others.map((recipe) => (
            <Item
              key={recipe.name}
              icon={<Play />}
              onSelect={then(() => start.mutate(recipe.name))}
              value={`start recipe ${recipe.name} ${recipe.title}`}
            >
              Start {recipe.title}
            </Item>
          ))}
          <Item
            icon={<SunMoon />}
            onSelect={then(() => setTheme(resolvedTheme === "dark" ? "light" : "dark"))}
            value="toggle theme dark light"
          >
            Toggle theme
          </Item>
          <Item icon={<Keyboard />} onSelect={then(onShortcuts)} value="keyboard shortcuts help">
            Keyboard shortcuts
          </Item>
        </Group>
        <Group heading="Pages">
          {PLACES.map((place) => (
            <Item
              key={place.href}
              icon={<place.icon />}
              onSelect={go(place.href)}
              note={place.about}
              value={`page ${place.title} ${place.about}`}
            >
              {place.title}
            </Item>
          ))}
          {VIEWS.map((view) => (
            <Item
              key={view.href}
              icon={<view.icon />}
              onSelect={go(view.href)}
              note={view.about}
              value={`view ${view.title} ${view.about}`}
            >
              {view.title}
            </Item>
          ))}
        </Group>
        {models.data?.length ? (
          <Group heading="Models">
            {models.data.flatMap((model) => [
              <Item
                key={`chat ${model.id}`}
                icon={<MessageCircle />}
                onSelect={go(chatHref(model.id))}
                note={model.builtin ? "built in" : formatAgo(model.created_at)}
                value={`chat with ${model.name} ${model.id}`}
              >
                Chat with {model.name}
              </Item>,
              <Item
                key={`open ${model.id}`}
                icon={<Boxes />}
                onSelect={go(modelHref(model.id))}
                note={model.builtin ? "built in" : formatAgo(model.created_at)}
                value={`model ${model.name} ${model.id}`}
              >
                {model.name}
              </Item>,
            ])}
          </Group>
        ) : null}
        {runs.data?.length ? (
          <Group heading="Runs">
            {runs.data.slice(0, 30).map((run) => (
              <Item
                key={run.id}
                icon={<Activity />}
                onSelect={go(runHref(run.id))}
                note={`${STATES[run.state].label}, ${formatAgo(run.created_at)}`}
                value={`run ${run.name} ${run.id}`}
              >
                {run.name}
              </Item>
            ))}
          </Group>
        ) : null}
      </Command.List>
    </Command>
  );
}

function Group({ heading, children }: { heading: string; children: ReactNode }) {
  return (
    <Command.Group
      heading={heading}
      className="mb-1 [&_[cmdk-group-heading]]:px-2 [&_[cmdk-group-heading]]:py-1 [&_[cmdk-group-heading]]:text-xs [&_[cmdk-group-heading]]:font-medium [&_[cmdk-group-heading]]:text-muted"
    >
      {children}
    </Command.Group>
  );
}

function Item({
  icon,
  note,
  value,
  onSelect,
  children,
}: {
  icon: ReactNode;
  note?: string;
  value: string;
  onSelect: () => void;
  children: ReactNode;
}) {
  return (
    <Command.Item
      value={value}
      onSelect={onSelect}
      className="flex h-9 cursor-default items-center gap-2.5 rounded-lg px-2 text-base data-[selected=true]:bg-accent-soft data-[selected=true]:text-accent-ink [&_svg]:size-4 [&_svg]:shrink-0 [&_svg]:text-muted"
    >
      {icon}
      <span className="truncate">{children}</span>
      {note ? <span className="ml-auto shrink-0 text-xs text-muted">{note}</span> : null}
    </Command.Item>
  );
}
