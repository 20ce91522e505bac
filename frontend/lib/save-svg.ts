import { save } from "./download";

const KEPT = [
  "fill",
  "fill-opacity",
  "stroke",
  "stroke-opacity",
  "stroke-width",
  "stroke-dasharray",
  "stroke-linecap",
  "stroke-linejoin",
  "paint-order",
  "opacity",
  "font-family",
  "font-size",
  "font-weight",
  "text-anchor",
] as const;

/** A drawing as a file of its own: what style sheets and the theme say is written into each element. */
export function svgText(svg: SVGSVGElement): string {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const [shown, copied] = [svg.querySelectorAll("*"), copy.querySelectorAll("*")];
  shown.forEach((element, place) => {
    const style = getComputedStyle(element);
    const target = copied[place]!;
    for (const name of KEPT) {
      const value = style.getPropertyValue(name);
      // A pattern's address is of this page; in the file it is its own.
      if (value && !value.startsWith("url(")) target.setAttribute(name, value);
    }
    for (const name of ["class", "style", "tabindex", "role", "data-part", "aria-pressed"])
      target.removeAttribute(name);
  });
  copy.removeAttribute("class");
  const ground = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  ground.setAttribute("width", "100%");
  ground.setAttribute("height", "100%");
  ground.setAttribute(
    "fill",
    getComputedStyle(document.documentElement).getPropertyValue("--surface").trim(),
  );
  copy.insertBefore(ground, copy.firstChild);
  return new XMLSerializer().serializeToString(copy);
}

/** Saves a drawing as it looks now. */
export const saveSvg = (svg: SVGSVGElement, name: string): void =>
  save(new Blob([svgText(svg)], { type: "image/svg+xml" }), name);
