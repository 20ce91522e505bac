"use client";

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { toast } from "sonner";

import { showError } from "@/lib/actions";
import type { Artifact } from "@/lib/run-types";
import { uploads } from "@/lib/uploads";

/** Deletes a text, with undo; `onBack` hears when it is there again. */
export function useDeleteDataset(onGone: (dataset: string) => void, onBack: (dataset: string) => void) {
  const client = useQueryClient();
  const refresh = () => client.invalidateQueries({ queryKey: ["artifacts", "dataset"] });
  return useMutation({
    mutationFn: (dataset: Artifact) => uploads.removeDataset(dataset.id),
    onSuccess: (_data, dataset) => {
      onGone(dataset.id);
      toast(`Deleted ${dataset.name}.`, {
        description: "Tokens and models that were made from it are kept.",
        action: {
          label: "Undo",
          onClick: () =>
            void uploads
              .restoreDataset(dataset.id)
              .then(refresh)
              .then(() => onBack(dataset.id))
              .catch((error: unknown) => showError("The text could not be brought back.", error)),
        },
        duration: 10_000,
      });
    },
    onError: (error) => showError("The text could not be deleted.", error),
    onSettled: () => void refresh(),
  });
}
