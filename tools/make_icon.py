"""Draw ``frontend/app/icon.svg`` in the sizes of ``favicon.ico``, for browsers that ask for that by itself.

Usage: ``python tools/make_icon.py``, with Chromium there. The format: a directory of 16 bytes a picture, then
the pictures, as PNG (https://en.wikipedia.org/wiki/ICO_(file_format)).
"""

from __future__ import annotations

import struct

from ensure_browser import find
from playwright.sync_api import sync_playwright
from setup_env import ROOT

SIZES = (16, 32, 48)
PAGE = "<style>*{{margin:0;background:transparent}}svg{{display:block;width:{0}px;height:{0}px}}</style>{1}"


def main() -> None:
    """Write the file."""
    drawing = (ROOT / "frontend" / "app" / "icon.svg").read_text()
    pictures: list[bytes] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=["--no-sandbox"])
        for size in SIZES:
            page = browser.new_page(viewport={"width": size, "height": size})
            page.set_content(PAGE.format(size, drawing))
            pictures.append(page.screenshot(omit_background=True))
        browser.close()
    entries, place = b"", 6 + 16 * len(SIZES)
    for size, picture in zip(SIZES, pictures, strict=True):
        entries += struct.pack("<4B2H2I", size, size, 0, 0, 1, 32, len(picture), place)
        place += len(picture)
    file = ROOT / "frontend" / "public" / "favicon.ico"
    file.write_bytes(struct.pack("<3H", 0, 1, len(SIZES)) + entries + b"".join(pictures))


if __name__ == "__main__":
    main()
