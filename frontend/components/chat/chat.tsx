"use client";

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { History, MessageCircle, MessageCirclePlus, SlidersHorizontal } from "lucide-react";
import { useRouter, useSearchParams } from "next/navigation";
import { useEffect, useRef, useState } from "react";

import { QuickstartButton } from "@/components/home/quickstart-button";
import { Button } from "@/components/ui/button";
import { Dialog, DialogTrigger, SheetContent } from "@/components/ui/dialog";
import { Select } from "@/components/ui/field";
import { Skeleton } from "@/components/ui/skeleton";
import { Empty, Failure } from "@/components/ui/states";
import { showError } from "@/lib/actions";
import { api } from "@/lib/api";
import { DEFAULT_SAMPLING, readSampling, type Sampling, titleOf } from "@/lib/chat";
import { formatShort } from "@/lib/format";
import { keys, useModels } from "@/lib/queries";
import type { Conversation, Message, Model } from "@/lib/types";
import { chatHref } from "@/lib/utils";

import { Composer } from "./composer";
import { Conversations } from "./conversations";
import { Messages } from "./messages";
import { SamplingPanel } from "./sampling-panel";
import { useChat } from "./use-chat";
import { Welcome } from "./welcome";

export function Chat() {
  const models = useModels();
  if (models.isPending) return <Loading />;
  if (models.isError) {
    return (
      <Failure
        className="m-4 sm:m-8"
        what="The models could not be read."
        error={models.error}
        retry={() => void models.refetch()}
      />
    );
  }
  if (!models.data.length) {
    return (
      <Empty
        className="my-auto"
        icon={<MessageCircle aria-hidden />}
        title="There is no model to talk with yet"
        action={<QuickstartButton size="md" />}
      >
        <h1 className="sr-only">Chat</h1>
        Train one: the quickstart makes a small model that answers questions about a little town.
      </Empty>
    );
  }
  return <ChatWith models={models.data} />;
}

/** The model asked for, else the newest that can chat, else the newest. */
function pick(models: readonly Model[], wanted: string | null | undefined): Model {
  const found =
    models.find((model) => model.id === wanted) ?? models.find((model) => model.chat) ?? models[0];
  return found as Model; // the list is not empty
}

function ChatWith({ models }: { models: Model[] }) {
  const router = useRouter();
  const client = useQueryClient();
  const query = useSearchParams();
  const conversation = query.get("conversation");
  const wanted = query.get("model");
  const [sampling, setSampling] = useState<Sampling>(DEFAULT_SAMPLING);
  const [panel, setPanel] = useState<"history" | "settings" | null>(null);
  // The conversation on the screen, which has an id once it is stored: opening another by its address loads that.
  const shown = useRef<{ id: string | null }>({ id: null });
  const storing = useRef(Promise.resolve());

  const stored = useQuery({
    queryKey: keys.conversation(conversation ?? ""),
    queryFn: ({ signal }) => api.conversation(conversation ?? "", signal),
    enabled: conversation !== null,
  });
  const model = pick(models, wanted ?? stored.data?.model);
  const goneModel = wanted !== null && model.id !== wanted;

  // One after the other: the second reply belongs to the conversation that storing the first one makes.
  const keep = (messages: Message[]) => {
    const talk = shown.current;
    const content = { model: model.id, messages, params: { ...sampling } };
    const store = async () => {
      try {
        if (talk.id !== null) {
          const saved = await api.saveConversation(talk.id, content);
          client.setQueryData<Conversation>(keys.conversation(saved.id), saved);
        } else {
          const made = await api.createConversation({ title: titleOf(messages), ...content });
          client.setQueryData<Conversation>(keys.conversation(made.id), made);
          talk.id = made.id;
          if (talk === shown.current) router.replace(chatHref(model.id, made.id), { scroll: false });
        }
      } catch (error) {
        showError("The conversation could not be stored.", error);
      }
      void client.invalidateQueries({ queryKey: keys.conversations });
    };
    storing.current = storing.current.then(store);
  };
  const chat = useChat(keep);
  const { load } = chat;

  useEffect(() => {
    if (conversation === shown.current.id) return;
    if (conversation === null) {
      shown.current = { id: null };
      load([]);
    } else if (stored.data?.id === conversation) {
      shown.current = { id: conversation };
      load(stored.data.messages);
      // eslint-disable-next-line react-hooks/set-state-in-effect -- the settings come with the conversation
      setSampling(readSampling(stored.data.params));
    }
  }, [conversation, stored.data, load]);

  const { state } = chat;
  const busy = state.draft !== null;
  const started = state.messages.length > 0 || busy;
  const loading = conversation !== null && !started && stored.isPending && stored.fetchStatus !== "idle";
  const settings = (
    <SamplingPanel value={sampling} onChange={setSampling} contextLength={model.context_length} />
  );
  const history = (
    <Conversations
      current={conversation}
      onOpened={() => setPanel(null)}
      onDeleted={(id) => {
        if (id === conversation) router.replace(chatHref(model.id), { scroll: false });
      }}
    />
  );

  return (
    <div className="flex min-h-0 flex-1">
      <aside
        aria-label="Conversations"
        className="hidden w-60 shrink-0 overflow-y-auto border-r p-3 xl:block"
      >
        {history}
      </aside>
      <section aria-label="Conversation" className="flex min-w-0 flex-1 flex-col">
        <div className="flex items-center gap-2 border-b px-4 py-2.5 sm:px-6">
          <h1 className="sr-only">Chat</h1>
          <label htmlFor="chat-model" className="text-sm text-muted max-sm:sr-only">
            Model
          </label>
          <Select
            id="chat-model"
            value={model.id}
            disabled={busy}
            onChange={(event) =>
              router.replace(chatHref(event.target.value, conversation), { scroll: false })
            }
            className="w-72 min-w-0 shrink"
          >
            {models.map((item) => (
              <option key={item.id} value={item.id}>
                {item.name} ({formatShort(item.parameters)}
                {item.builtin ? ", built in" : ""}
                {item.chat ? "" : ", base model"})
              </option>
            ))}
          </Select>
          <div className="ml-auto flex items-center gap-1">
            <Button
              look="ghost"
              size="sm"
              onClick={() => {
                shown.current = { id: null };
                load([]);
                router.replace(chatHref(model.id), { scroll: false });
              }}
              disabled={!started && conversation === null}
              aria-label="New conversation"
            >
              <MessageCirclePlus aria-hidden /> <span className="max-sm:hidden">New</span>
            </Button>
            <Side
              label="Conversations"
              open={panel === "history"}
              set={(on) => setPanel(on ? "history" : null)}
              icon={<History />}
              hide="xl:hidden"
            >
              {history}
            </Side>
            <Side
              label="Settings"
              open={panel === "settings"}
              set={(on) => setPanel(on ? "settings" : null)}
              icon={<SlidersHorizontal />}
              hide="lg:hidden"
            >
              {settings}
            </Side>
          </div>
        </div>
        {goneModel ? (
          <p role="status" className="border-b bg-warn-soft px-4 py-2 text-sm text-warn sm:px-6">
            The model of this address is not here any more; {model.name} answers instead.
          </p>
        ) : null}
        {conversation !== null && stored.isError && !started ? (
          <Failure
            className="m-4 sm:m-6"
            what="This conversation could not be opened."
            error={stored.error}
            retry={() => void stored.refetch()}
          />
        ) : null}
        {loading ? (
          <div className="flex-1 p-6">
            <Skeleton className="mx-auto h-40 max-w-3xl" />
          </div>
        ) : started ? (
          <Messages
            state={state}
            modelName={model.name}
            onAgain={() => void chat.ask({ type: "again" }, model.id, sampling)}
            onEdit={(text) => void chat.ask({ type: "edit", text }, model.id, sampling)}
          />
        ) : (
          <Welcome model={model} onAsk={(text) => void chat.ask({ type: "ask", text }, model.id, sampling)} />
        )}
        <Composer
          busy={busy}
          chat={model.chat}
          onSend={(text) => void chat.ask({ type: "ask", text }, model.id, sampling)}
          onStop={chat.stop}
        />
      </section>
      <aside
        aria-label="Settings"
        className="hidden w-72 shrink-0 overflow-y-auto border-l px-5 pt-3 pb-5 lg:block"
      >
        {settings}
      </aside>
    </div>
  );
}

/** A panel that is a sheet where there is no room for it. */
function Side({
  label,
  open,
  set,
  icon,
  hide,
  children,
}: {
  label: string;
  open: boolean;
  set: (open: boolean) => void;
  icon: React.ReactNode;
  hide: string;
  children: React.ReactNode;
}) {
  return (
    <Dialog open={open} onOpenChange={set}>
      <DialogTrigger asChild>
        <Button look="ghost" size="icon" aria-label={label} title={label} className={hide}>
          {icon}
        </Button>
      </DialogTrigger>
      <SheetContent title={label} side="right">
        {children}
      </SheetContent>
    </Dialog>
  );
}

function Loading() {
  return (
    <div className="flex flex-1 flex-col gap-4 p-6" role="status" aria-label="Loading">
      <h1 className="sr-only">Chat</h1>
      <Skeleton className="h-9 w-72" />
      <Skeleton className="mx-auto mt-12 h-48 w-full max-w-3xl" />
    </div>
  );
}
