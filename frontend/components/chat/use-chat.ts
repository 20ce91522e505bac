"use client";

import { useCallback, useEffect, useReducer, useRef } from "react";

import { ApiError } from "@/lib/api";
import { type ChatAction, chatReducer, EMPTY_CHAT, requestOf, type Sampling, streamReply } from "@/lib/chat";
import type { Message } from "@/lib/types";

type Ask = Extract<ChatAction, { type: "ask" | "again" | "edit" }>;

/**
 * A conversation with a model. Text is shown once a frame, however fast it comes.
 *
 * @param onReply called with all messages after each reply (also one that was stopped or broke off).
 */
export function useChat(onReply: (messages: Message[]) => void) {
  const [state, dispatch] = useReducer(chatReducer, EMPTY_CHAT);
  const abort = useRef<AbortController | null>(null);
  const reply = useRef(onReply);
  useEffect(() => {
    reply.current = onReply;
  });
  useEffect(() => () => abort.current?.abort(), []);

  const stop = useCallback(() => abort.current?.abort(), []);

  const load = useCallback((messages: Message[]) => {
    abort.current?.abort();
    abort.current = null;
    dispatch({ type: "load", messages });
  }, []);

  const ask = async (action: Ask, model: string, sampling: Sampling) => {
    if (abort.current) return;
    const messages = chatReducer(state, action).messages;
    const controller = new AbortController();
    abort.current = controller;
    dispatch(action);

    let waiting = "";
    let whole = "";
    let frame = 0;
    const mine = () => abort.current === controller;
    const flush = () => {
      frame = 0;
      if (mine() && waiting) dispatch({ type: "text", text: waiting });
      waiting = "";
    };
    const onText = (text: string) => {
      waiting += text;
      whole += text;
      frame ||= requestAnimationFrame(flush);
    };
    let last: ChatAction;
    try {
      const facts = await streamReply(requestOf(model, messages, sampling), onText, controller.signal);
      last = { type: "done", facts };
    } catch (error) {
      last = {
        type: "fail",
        message: error instanceof Error ? error.message : String(error),
        hint: error instanceof ApiError ? error.hint : null,
      };
    }
    cancelAnimationFrame(frame);
    if (!mine()) return; // another conversation was opened meanwhile
    flush();
    abort.current = null;
    dispatch(last);
    if (whole) reply.current([...messages, { role: "assistant", content: whole }]);
  };

  return { state, ask, stop, load };
}
