"use client";

import { FileDown, ImageDown } from "lucide-react";
import { toast } from "sonner";

import { Button } from "@/components/ui/button";
import { save } from "@/lib/download";
import { type Picture, savePicture } from "@/lib/lens-picture";

interface Props {
  /** Name of the files, without an ending. */
  file: string;
  csv: () => string;
  picture: () => Picture;
  /** How much the table holds, for whoever points at the button. */
  about?: string;
}

/** A grid as a table or a picture, whatever part of it is in view. */
export function PictureSave({ file, csv, picture, about }: Props) {
  const draw = () =>
    savePicture(picture(), `${file}.png`).catch((error: unknown) =>
      toast.error("The picture could not be made.", {
        description: error instanceof Error ? error.message : String(error),
      }),
    );
  return (
    <>
      <Button
        look="ghost"
        size="sm"
        title={about}
        onClick={() => save(new Blob([csv()], { type: "text/csv" }), `${file}.csv`)}
      >
        <FileDown aria-hidden /> CSV
      </Button>
      <Button look="ghost" size="sm" onClick={() => void draw()}>
        <ImageDown aria-hidden /> PNG
      </Button>
    </>
  );
}
