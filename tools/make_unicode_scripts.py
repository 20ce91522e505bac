"""Write the table of the script of every character: ``tools/make_unicode_scripts.py``.

The scripts are those of Unicode's ``Script`` property (Unicode Standard Annex 24) as the module ``regex``
holds it. Run it when that module's version of Unicode moves.
"""

from __future__ import annotations

import textwrap
from itertools import groupby
from pathlib import Path

import regex
from make_unicode_classes import base36
from regex import _regex

OUT = Path(__file__).resolve().parent.parent / "backend/llm_playground/tokenization/unicode_scripts.py"
# The module spells names in capitals without spaces; these are the ones of several words.
WORDS = (
    "Anatolian Hieroglyphs, Bassa Vah, Beria Erfe, Canadian Aboriginal, Caucasian Albanian, Cypro Minoan, "
    "Dives Akuru, Egyptian Hieroglyphs, Gunjala Gondi, Gurung Khema, Hanifi Rohingya, Imperial Aramaic, "
    "Inscriptional Pahlavi, Inscriptional Parthian, Katakana Or Hiragana, Kayah Li, Khitan Small Script, "
    "Kirat Rai, Linear A, Linear B, Masaram Gondi, Meetei Mayek, Mende Kikakui, Meroitic Cursive, "
    "Meroitic Hieroglyphs, Nag Mundari, New Tai Lue, Nyiakeng Puachue Hmong, Ol Chiki, Old Hungarian, "
    "Old Italic, Old North Arabian, Old Permic, Old Persian, Old Sogdian, Old South Arabian, Old Turkic, "
    "Old Uyghur, Ol Onal, Pahawh Hmong, Pau Cin Hau, Phags Pa, Proto Cuneiform, Psalter Pahlavi, "
    "Sora Sompeng, Syloti Nagri, Tai Le, Tai Tham, Tai Viet, Tai Yo, Tolong Siki, Tulu Tigalari, "
    "SignWriting, Warang Citi, Zanabazar Square"
)
PRETTY = {name.replace(" ", "").upper(): name for name in WORDS.split(", ")}

HEAD = '''"""The script of every character, Unicode's property of that name; by tools/make_unicode_scripts.py.

``NAMES`` are the scripts in the order of their first character (regex {version}). ``RUNS`` lists the code
points from 0 to 0x10FFFF as runs: a length in base 36 (none: 1), then two letters, aa for the first name.
"""

from __future__ import annotations

'''


def script_names() -> list[str]:
    """Return the long name of each script, as the module spells it."""
    aliases: dict[int, list[str]] = {}
    for name, value in _regex.get_properties()["SCRIPT"][1].items():
        aliases.setdefault(value, []).append(name)
    # Short names have four letters; some long ones too, then it is the first.
    return sorted(next((name for name in names if len(name) != 4), names[0]) for names in aliases.values())


def main() -> None:
    """Ask for the members of each script, check that they partition the code points, and write the module."""
    everything = "".join(map(chr, range(0x110000)))
    scripts: list[str] = [""] * 0x110000
    for name in script_names():
        for match in regex.finditer(rf"\p{{Script={name}}}+", everything):
            for code in range(*match.span()):
                if scripts[code]:
                    raise SystemExit(f"U+{code:04X} has two scripts: {scripts[code]} and {name}")
                scripts[code] = name
    if "" in scripts:
        raise SystemExit(f"U+{scripts.index(''):04X} has no script")
    names = list(dict.fromkeys(scripts))
    codes = {name: chr(97 + index // 26) + chr(97 + index % 26) for index, name in enumerate(names)}
    runs = [(len(list(group)), name) for name, group in groupby(scripts)]
    text = "".join(f"{base36(length) if length > 1 else ''}{codes[name]}" for length, name in runs)
    pretty = ", ".join(PRETTY.get(name, name.capitalize()) for name in names)
    listed = [f'    "{line} "' for line in textwrap.wrap(pretty, 100)]
    listed[-1] = listed[-1][:-2] + '"'
    lines = [f'    "{line}"' for line in textwrap.wrap(text, 100)]
    OUT.write_text(
        HEAD.format(version=regex.__version__)
        + "\n".join(["NAMES = (", *listed, ")", "", "RUNS = (", *lines, ")", ""])
    )
    print(f"{len(names)} scripts, {len(runs):,} runs, {len(text):,} characters: {OUT}")


if __name__ == "__main__":
    main()
