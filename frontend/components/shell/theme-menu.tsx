"use client";

import { Check, Monitor, Moon, Sun } from "lucide-react";
import { useTheme } from "next-themes";

import { Button } from "@/components/ui/button";
import { Menu, MenuContent, MenuItem, MenuTrigger } from "@/components/ui/menu";

const THEMES = [
  { value: "light", label: "Light", icon: Sun },
  { value: "dark", label: "Dark", icon: Moon },
  { value: "system", label: "As the system", icon: Monitor },
];

/** Light, dark or as the system. */
export default function ThemeMenu() {
  const { theme, setTheme } = useTheme();
  return (
    <Menu>
      <MenuTrigger asChild>
        <Button look="ghost" size="icon" aria-label="Theme">
          <Sun className="dark:hidden" />
          <Moon className="hidden dark:block" />
        </Button>
      </MenuTrigger>
      <MenuContent>
        {THEMES.map((item) => (
          <MenuItem key={item.value} onSelect={() => setTheme(item.value)}>
            <item.icon aria-hidden /> {item.label}
            {theme === item.value ? <Check className="ml-auto" aria-label="chosen" /> : null}
          </MenuItem>
        ))}
      </MenuContent>
    </Menu>
  );
}
