"use client";

import { Download, Table2 } from "lucide-react";

import { Button } from "./button";
import { Menu, MenuContent, MenuItem, MenuTrigger } from "./menu";

interface Props {
  /** The chart's, for names that say what is shown and saved. */
  title: string;
  table: boolean;
  onTable: (table: boolean) => void;
  /** The kind of picture that is saved. */
  picture: "PNG" | "SVG";
  onPicture: () => void;
  onCsv: () => void;
  isEmpty?: boolean;
}

/** What every chart offers at its head: the same as a table, and files of it. */
export function ChartActions({ title, table, onTable, picture, onPicture, onCsv, isEmpty }: Props) {
  return (
    <>
      <Button
        look="ghost"
        size="icon"
        aria-pressed={table}
        aria-label={`${title} as a table`}
        title="As a table"
        onClick={() => onTable(!table)}
        className={table ? "bg-accent-soft text-accent-ink" : undefined}
      >
        <Table2 />
      </Button>
      <Menu>
        <MenuTrigger asChild>
          <Button look="ghost" size="icon" aria-label={`Save ${title}`} title="Save" disabled={isEmpty}>
            <Download />
          </Button>
        </MenuTrigger>
        <MenuContent>
          <MenuItem onSelect={onPicture} disabled={table}>
            Picture ({picture})
          </MenuItem>
          <MenuItem onSelect={onCsv}>Numbers (CSV)</MenuItem>
        </MenuContent>
      </Menu>
    </>
  );
}
