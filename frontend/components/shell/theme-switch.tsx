"use client";

import { Moon, Sun } from "lucide-react";
import dynamic from "next/dynamic";

import { Button } from "@/components/ui/button";

/** The choice of a theme; its menu is not part of the first load. */
export const ThemeSwitch = dynamic(() => import("./theme-menu"), {
  ssr: false,
  loading: () => (
    <Button look="ghost" size="icon" aria-label="Theme" disabled className="disabled:opacity-100">
      <Sun className="dark:hidden" />
      <Moon className="hidden dark:block" />
    </Button>
  ),
});
