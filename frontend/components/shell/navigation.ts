import {
  Activity,
  Boxes,
  CirclePlay,
  Columns3,
  Footprints,
  Grid3x3,
  House,
  Layers2,
  type LucideIcon,
  MessageCircle,
  Puzzle,
  ScanEye,
  Scissors,
} from "lucide-react";

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
  {
    href: "/architecture/",
    title: "Architecture",
    icon: Layers2,
    key: "a",
    about: "What a transformer is made of",
  },
  { href: "/runs/", title: "Runs", icon: Activity, key: "r", about: "Training, live" },
  { href: "/chat/", title: "Chat", icon: MessageCircle, key: "c", about: "Talk with a model" },
  { href: "/models/", title: "Models", icon: Boxes, key: "m", about: "Everything trained here" },
];

/** Views inside pages that are worth finding by name. */
export const VIEWS: readonly Pick<Place, "href" | "title" | "icon" | "about">[] = [
  { href: "/runs/new/", title: "New run", icon: CirclePlay, about: "Train a model of your own" },
  {
    href: "/architecture/?tab=compare",
    title: "Compare architectures",
    icon: Columns3,
    about: "Side by side",
  },
  { href: "/architecture/?tab=attention", title: "Attention", icon: Grid3x3, about: "Where heads look" },
  {
    href: "/architecture/?tab=steps",
    title: "Step through",
    icon: Footprints,
    about: "One token, number by number",
  },
  { href: "/architecture/?tab=lens", title: "Logit lens", icon: ScanEye, about: "The guess in every layer" },
  { href: "/architecture/?tab=patch", title: "Patch", icon: Puzzle, about: "Take a head out and see" },
];

export const placeOf = (path: string): Place | undefined =>
  PLACES.find((place) => (place.href === "/" ? path === "/" : path.startsWith(place.href.slice(0, -1))));
