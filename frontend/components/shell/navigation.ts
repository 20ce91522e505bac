import { Activity, Boxes, House, type LucideIcon, MessageCircle, Scissors } from "lucide-react";

export interface Place {
  href: string;
  title: string;
  icon: LucideIcon;
  /** The letter after `g` that goes there. */
  key: string;
  about: string;
}

/** The pages, in the order of a model's life. */
export const PLACES: readonly Place[] = [
  { href: "/", title: "Home", icon: House, key: "h", about: "The road of a model" },
  { href: "/tokenizer/", title: "Tokenizer", icon: Scissors, key: "t", about: "Text becomes tokens" },
  { href: "/runs/", title: "Runs", icon: Activity, key: "r", about: "Training, live" },
  { href: "/chat/", title: "Chat", icon: MessageCircle, key: "c", about: "Talk with a model" },
  { href: "/models/", title: "Models", icon: Boxes, key: "m", about: "Everything trained here" },
];

export const placeOf = (path: string): Place | undefined =>
  PLACES.find((place) => (place.href === "/" ? path === "/" : path.startsWith(place.href.slice(0, -1))));
