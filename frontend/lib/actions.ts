"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRouter } from "next/navigation";
import { toast } from "sonner";

import { ApiError, api } from "./api";
import { applyRun, keys } from "./queries";
import type { Model, Run } from "./types";
import { runHref } from "./utils";

/** Shows an error with its hint; a conflict (409) is said as it is, without a word of failure. */
export function showError(what: string, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  const hint = error instanceof ApiError ? (error.hint ?? undefined) : undefined;
  if (error instanceof ApiError && error.status === 409) toast.info(message, { description: hint });
  else toast.error(what, { description: [message, hint].filter(Boolean).join(" ") });
}

/** Starts a recipe that comes with the program and opens its run. */
export function useStartRecipe() {
  const client = useQueryClient();
  const router = useRouter();
  return useMutation({
    mutationFn: async (name: string) => {
      const recipe = await client.fetchQuery({
        queryKey: keys.recipe(name),
        queryFn: () => api.recipe(name),
        staleTime: 600_000,
      });
      return api.startRun({ stage: "recipe", name: recipe.title, config: recipe.config });
    },
    onSuccess: (run) => {
      applyRun(client, run);
      router.push(runHref(run.id));
    },
    onError: (error) => {
      showError("The run could not be started.", error);
      void client.invalidateQueries({ queryKey: keys.runs });
    },
  });
}

/** Stop, resume and delete (with undo) for runs. */
export function useRunActions() {
  const client = useQueryClient();
  const router = useRouter();
  const refresh = (id: string) => {
    void client.invalidateQueries({ queryKey: keys.runs });
    void client.invalidateQueries({ queryKey: keys.run(id) });
  };
  const stop = useMutation({
    mutationFn: (run: Run) => api.stopRun(run.id),
    onSuccess: (run) => {
      applyRun(client, run);
      toast.success("Stopping.", { description: "What was learned so far is saved first." });
    },
    onError: (error) => showError("The run could not be stopped.", error),
    onSettled: (_data, _error, run) => refresh(run.id),
  });
  const resume = useMutation({
    mutationFn: (run: Run) => api.resumeRun(run.id),
    onSuccess: (run) => applyRun(client, run),
    onError: (error) => showError("The run could not be resumed.", error),
    onSettled: (_data, _error, run) => refresh(run.id),
  });
  const restore = async (run: Run) => {
    try {
      await api.restoreRun(run.id);
      toast.success(`${run.name} is back.`);
    } catch (error) {
      showError("The run could not be brought back.", error);
    }
    refresh(run.id);
  };
  const remove = useMutation({
    mutationFn: (run: Run) => api.deleteRun(run.id),
    onSuccess: (_data, run) => {
      client.setQueryData<Run[]>(keys.runs, (runs) => runs?.filter((item) => item.id !== run.id));
      if (window.location.pathname.startsWith("/runs") && window.location.search.includes(run.id)) {
        router.push("/runs/");
      }
      toast(`Deleted ${run.name}.`, {
        description: "The models that it made are kept.",
        action: { label: "Undo", onClick: () => void restore(run) },
        duration: 10_000,
      });
    },
    onError: (error) => showError("The run could not be deleted.", error),
  });
  return { stop, resume, remove };
}

/** Deletes a model, with undo. */
export function useDeleteModel() {
  const client = useQueryClient();
  const refresh = () => void client.invalidateQueries({ queryKey: keys.models });
  return useMutation({
    mutationFn: (model: Model) => api.deleteModel(model.id),
    onSuccess: (_data, model) => {
      client.setQueryData<Model[]>(keys.models, (models) => models?.filter((item) => item.id !== model.id));
      toast(`Deleted ${model.name}.`, {
        action: {
          label: "Undo",
          onClick: () =>
            void api
              .restoreModel(model.id)
              .then(() => toast.success(`${model.name} is back.`))
              .catch((error: unknown) => showError("The model could not be brought back.", error))
              .finally(refresh),
        },
        duration: 10_000,
      });
    },
    onError: (error) => showError("The model could not be deleted.", error),
    onSettled: refresh,
  });
}
