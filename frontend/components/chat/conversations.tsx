"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import dynamic from "next/dynamic";
import Link from "next/link";
import { useState } from "react";
import { toast } from "sonner";

import { Ago } from "@/components/time";
import { Input } from "@/components/ui/field";
import { Skeleton } from "@/components/ui/skeleton";
import { Failure } from "@/components/ui/states";
import { showError } from "@/lib/actions";
import { api } from "@/lib/api";
import { keys, useConversations } from "@/lib/queries";
import type { ConversationInfo } from "@/lib/types";
import { chatHref, cn } from "@/lib/utils";

const ConversationMenu = dynamic(() => import("./conversation-menu"), {
  ssr: false,
  loading: () => <span className="mr-0.5 size-8 shrink-0" />,
});

/** The stored conversations: open, rename, delete with undo. */
export function Conversations({
  current,
  onOpened,
  onDeleted,
}: {
  current: string | null;
  onOpened: () => void;
  onDeleted: (id: string) => void;
}) {
  const list = useConversations();
  return (
    <div>
      <h2 className="mb-1 flex min-h-8 items-center px-2 font-semibold max-xl:hidden">Conversations</h2>
      {list.isPending ? <Skeleton className="h-24" /> : null}
      {list.isError ? (
        <Failure what="They could not be read." error={list.error} retry={() => void list.refetch()} />
      ) : null}
      {list.data && !list.data.length ? (
        <p className="px-2 text-sm text-pretty text-muted">
          None yet. The first one is kept here as soon as the model replies.
        </p>
      ) : null}
      <ul className="flex flex-col gap-0.5">
        {list.data?.map((item) => (
          <Row
            key={item.id}
            item={item}
            here={item.id === current}
            onOpened={onOpened}
            onDeleted={onDeleted}
          />
        ))}
      </ul>
    </div>
  );
}

function Row({
  item,
  here,
  onOpened,
  onDeleted,
}: {
  item: ConversationInfo;
  here: boolean;
  onOpened: () => void;
  onDeleted: (id: string) => void;
}) {
  const client = useQueryClient();
  const [title, setTitle] = useState<string | null>(null);
  const refresh = () => void client.invalidateQueries({ queryKey: keys.conversations });
  const rename = useMutation({
    mutationFn: (next: string) => api.saveConversation(item.id, { title: next }),
    onMutate: (next) =>
      client.setQueryData<ConversationInfo[]>(keys.conversations, (all) =>
        all?.map((each) => (each.id === item.id ? { ...each, title: next } : each)),
      ),
    onError: (error) => showError("The conversation could not be renamed.", error),
    onSettled: refresh,
  });
  const remove = useMutation({
    mutationFn: () => api.deleteConversation(item.id),
    onSuccess: () => {
      client.setQueryData<ConversationInfo[]>(keys.conversations, (all) =>
        all?.filter((each) => each.id !== item.id),
      );
      client.removeQueries({ queryKey: keys.conversation(item.id) });
      onDeleted(item.id);
      toast("Deleted the conversation.", {
        action: {
          label: "Undo",
          onClick: () =>
            void api
              .restoreConversation(item.id)
              .catch((error: unknown) => showError("The conversation could not be brought back.", error))
              .finally(refresh),
        },
        duration: 10_000,
      });
    },
    onError: (error) => showError("The conversation could not be deleted.", error),
    onSettled: refresh,
  });

  if (title !== null) {
    const finish = (keep: boolean) => {
      const next = title.trim();
      if (keep && next && next !== item.title) rename.mutate(next.slice(0, 200));
      setTitle(null);
    };
    return (
      <li>
        <Input
          autoFocus
          aria-label="Title of the conversation"
          value={title}
          maxLength={200}
          onChange={(event) => setTitle(event.target.value)}
          onBlur={() => finish(true)}
          onKeyDown={(event) => {
            if (event.key === "Enter") finish(true);
            if (event.key === "Escape") {
              event.stopPropagation();
              finish(false);
            }
          }}
        />
      </li>
    );
  }
  return (
    <li
      className={cn(
        "group relative flex items-center rounded-lg",
        here ? "bg-accent-soft" : "hover:bg-surface-2",
      )}
    >
      <Link
        href={chatHref(item.model, item.id)}
        onClick={onOpened}
        aria-current={here ? "true" : undefined}
        className="min-w-0 flex-1 rounded-lg px-2 py-1.5"
      >
        <span className={cn("block truncate text-sm", here && "font-medium text-accent-ink")}>
          {item.title}
        </span>
        <span className="block text-xs text-muted">
          <Ago at={item.updated_at} />
        </span>
      </Link>
      <ConversationMenu
        title={item.title}
        onRename={() => setTitle(item.title)}
        onDelete={() => remove.mutate()}
      />
    </li>
  );
}
