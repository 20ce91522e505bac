import { svgText } from "@/lib/save-svg";

test("a drawing becomes a file of its own, with what the style sheets say", () => {
  const sheet = document.createElement("style");
  sheet.textContent = ".strong { fill: rgb(1, 2, 3); opacity: 0.5 }";
  document.head.append(sheet);
  document.body.innerHTML =
    '<svg viewBox="0 0 9 9" class="block"><g role="button" tabindex="0" data-part="q"><path class="strong" d="M0 0h9"/></g></svg>';
  const text = svgText(document.querySelector("svg")!);
  const file = new DOMParser().parseFromString(text, "image/svg+xml");
  const path = file.querySelector("path")!;
  expect(path.getAttribute("fill")).toBe("rgb(1, 2, 3)");
  expect(path.getAttribute("opacity")).toBe("0.5");
  expect(path.getAttribute("class")).toBeNull();
  expect(file.querySelector("g")!.getAttribute("role")).toBeNull();
  expect(file.documentElement.firstElementChild?.tagName).toBe("rect"); // the ground
  expect(file.documentElement.namespaceURI).toBe("http://www.w3.org/2000/svg");
  expect(document.querySelector("path")!.getAttribute("class")).toBe("strong"); // the page itself is left alone
  sheet.remove();
});
