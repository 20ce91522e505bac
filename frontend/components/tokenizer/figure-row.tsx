import { Tile } from "@/components/runs/tile";
import { cn } from "@/lib/utils";

export interface RowFigure {
  name: string;
  value: string;
  note?: string;
  about?: string;
  full?: string;
  missing?: string;
}

/** A few figures side by side, parted by hairlines. */
export function FigureRow({ figures, className }: { figures: readonly RowFigure[]; className?: string }) {
  return (
    <dl className={cn("grid gap-px overflow-hidden bg-border", className)}>
      {figures.map((figure) => (
        <Tile key={figure.name} {...figure} />
      ))}
    </dl>
  );
}
