"""A pen for plain SVG pictures that bring their own ground, light or dark as the reader's system is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

STYLE = """
:root{--ground:#fff;--edge:#dbe3e5;--box:#f1f5f6;--line:#9fadb1;--ink:#1d2a2e;--soft:#566468;
--a:#0072b2;--b:#d55e00;--c:#009e73;--d:#a8578a;--e:#8a6d00;--heat:#0b7285}
@media (prefers-color-scheme:dark){:root{--ground:#12191c;--edge:#2a3538;--box:#1c2528;--line:#5b6a6e;
--ink:#e6edee;--soft:#a3b0b3;--a:#56b4e9;--b:#f0883e;--c:#2fbf95;--d:#d993bb;--e:#e0c34f;--heat:#3f9fa8}}
text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--ink)}
.soft{fill:var(--soft);font-size:12px}.small{font-size:11px}.title{font-weight:600}.mono{font-family:ui-monospace,
Menlo,Consolas,monospace;font-size:12px}
.box{fill:var(--box);stroke:var(--line)}.ground{fill:var(--ground);stroke:var(--edge)}.line{stroke:var(--line);fill:none}
.grid{stroke:var(--edge);fill:none}
"""
WIDTH = 720


def number(value: float) -> str:
    """Write a coordinate: at most one decimal.

    >>> number(3.0), number(2.25)
    ('3', '2.2')
    """
    return f"{value:.1f}".removesuffix(".0")


class Picture:
    """One picture under construction; lengths are pixels from the upper left corner.

    Args:
        title: what it shows, for those who cannot see it.
        height: of the whole.
    """

    def __init__(self, title: str, height: int) -> None:
        self.title, self.height = title, height
        self._parts: list[str] = []
        self._arrows: set[str] = set()

    def rect(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        kind: str = "box",
        radius: float = 6,
        fill: str | None = None,
        opacity: float = 1,
        stroke: str | None = None,
    ) -> None:
        """Draw a box; ``fill`` and ``stroke`` are names of colours, else those of its kind."""
        look = f' class="{kind}"' if fill is None else f' fill="var(--{fill})"'
        look += f' style="stroke:var(--{stroke});stroke-width:2"' if stroke else ""
        if opacity < 1:
            look += f' fill-opacity="{opacity:.3f}"'
        self._parts.append(
            f'<rect x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}" '
            f'rx="{number(radius)}"{look}/>'
        )

    def text(
        self, x: float, y: float, text: str, kind: str = "", anchor: str = "middle", fill: str | None = None
    ) -> None:
        """Write a line; y is its base line."""
        look = f' style="fill:var(--{fill})"' if fill else ""
        self._parts.append(
            f'<text x="{number(x)}" y="{number(y)}" text-anchor="{anchor}" class="{kind}"{look}>'
            f"{escape(text)}</text>"
        )

    def box(
        self, x: float, y: float, width: float, height: float, text: str, *, stroke: str | None = None
    ) -> None:
        """Draw a box with its name in the middle."""
        self.rect(x, y, width, height, stroke=stroke)
        self.text(x + width / 2, y + height / 2 + 4.5, text)

    def line(
        self,
        points: Sequence[tuple[float, float]],
        *,
        colour: str = "line",
        width: float = 1.5,
        arrow: bool = False,
        dashed: bool = False,
    ) -> None:
        """Draw a line through points."""
        path = " ".join(f"{number(x)},{number(y)}" for x, y in points)
        look = ' stroke-dasharray="5 4"' if dashed else ""
        if arrow:
            self._arrows.add(colour)
            look += f' marker-end="url(#{colour})"'
        self._parts.append(
            f'<polyline points="{path}" fill="none" stroke="var(--{colour})" stroke-width="{number(width)}" '
            f'stroke-linejoin="round"{look}/>'
        )

    def circle(self, x: float, y: float, radius: float, text: str = "", *, fill: str = "ground") -> None:
        """Draw a circle, as for a sum."""
        self._parts.append(
            f'<circle cx="{number(x)}" cy="{number(y)}" r="{number(radius)}" '
            f'style="fill:var(--{fill});stroke:var(--line);stroke-width:1.5"/>'
        )
        if text:
            self.text(x, y + 4.5, text)

    def cells(
        self, x: float, y: float, size: float, shares: Iterable[Iterable[float]], *, fill: str = "heat"
    ) -> None:
        """Draw a table of squares, each as strong as its share of 1."""
        for row, line in enumerate(shares):
            for column, share in enumerate(line):
                left, top = x + column * size, y + row * size
                self.rect(left, top, size - 1, size - 1, radius=1, kind="box")
                if share > 0:
                    self.rect(left, top, size - 1, size - 1, radius=1, fill=fill, opacity=min(1, share))

    def write(self, path: Path) -> None:
        """Write the file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.render(), encoding="utf-8")

    def render(self) -> str:
        """Return the picture's source."""
        markers = "".join(
            f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
            f'orient="auto-start-reverse"><path d="M0 0 8 4 0 8z" fill="var(--{name})"/></marker>'
            for name in sorted(self._arrows)
        )
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height}" role="img" '
                f'aria-label="{escape(self.title, {chr(34): "&quot;"})}">',
                f"<title>{escape(self.title)}</title>",
                f"<style>{STYLE.strip()}</style>",
                f"<defs>{markers}</defs>" if markers else "",
                f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{self.height - 1}" rx="12" '
                'class="ground"/>',
                *self._parts,
                "</svg>",
                "",
            ]
        ).replace("\n\n", "\n")


class Axes:
    """A field of a picture with two scales, linear or logarithmic.

    Args:
        picture: that it is drawn on.
        area: left, top, right, bottom in pixels.
        x: least and greatest value across; likewise ``y`` upwards.
        log_x: a logarithmic scale across; likewise ``log_y``.
    """

    def __init__(
        self,
        picture: Picture,
        area: tuple[float, float, float, float],
        x: tuple[float, float],
        y: tuple[float, float],
        *,
        log_x: bool = False,
        log_y: bool = False,
    ) -> None:
        self.picture, self.area, self.x, self.y, self.log_x, self.log_y = picture, area, x, y, log_x, log_y

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return where a pair of values stands."""
        left, top, right, bottom = self.area
        across = _share(x, self.x, self.log_x)
        up = _share(y, self.y, self.log_y)
        return left + across * (right - left), bottom - up * (bottom - top)

    def ticks(self, xs: Sequence[tuple[float, str]], ys: Sequence[tuple[float, str]]) -> None:
        """Draw the scales: horizontal lines with their values, and values below."""
        left, _, right, bottom = self.area
        for value, name in ys:
            y = self.place(self.x[0], value)[1]
            self.picture.line([(left, y), (right, y)], colour="edge", width=1)
            self.picture.text(left - 8, y + 4, name, "soft", "end")
        for value, name in xs:
            self.picture.text(self.place(value, self.y[0])[0], bottom + 18, name, "soft")

    def curve(self, points: Iterable[tuple[float, float]], colour: str, *, dashed: bool = False) -> None:
        """Draw a curve; what leaves the field is cut off."""
        low, high = self.y
        inside = [self.place(x, y) for x, y in points if low - 1e-9 <= y <= high + 1e-9]
        self.picture.line(inside, colour=colour, width=2, dashed=dashed)


def _share(value: float, scale: tuple[float, float], log: bool) -> float:
    low, high = scale
    if log:
        return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
    return (value - low) / (high - low)
