"""Configurations: every problem told at once, YAML that reads back equal, bad files in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import Field

from llm_playground.core import ConfigError, InputError, StageConfig
from llm_playground.core.config import load_yaml, parse_config, to_yaml


class Inner(StageConfig):
    rate: float = Field(1e-3, gt=0, description="A rate.")
    names: tuple[str, ...] = Field((), description="Some names.")


class Outer(StageConfig):
    steps: int = Field(10, ge=1, description="Steps.")
    text: str = Field("", description="A text.")
    limit: int | None = Field(None, ge=1, description="A limit.")
    inner: Inner = Field(default_factory=Inner, description="More.")


def test_an_unknown_key_is_named_beside_the_known_ones() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(Outer, {"stpes": 3}, "a.yaml")
    assert str(caught.value) == (
        "The configuration in a.yaml is wrong: stpes: is not a known setting. "
        "Known settings here: steps, text, limit, inner."
    )
    assert caught.value.field == "stpes" and caught.value.status == 422


def test_the_known_settings_are_those_of_the_place_of_the_unknown_one() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(Outer, {"inner": {"rates": 1}})
    assert caught.value.message == "The configuration is wrong: inner.rates: is not a known setting."
    assert caught.value.hint == "Known settings here: rate, names."


def test_all_problems_are_told_together() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(Outer, {"steps": 0, "inner": {"rate": -1, "what": 1}, "limit": "many"})
    message = caught.value.message
    for part in ("steps: input should be greater than or equal to 1 (got 0)", "inner.rate: ", "inner.what: "):
        assert part in message
    assert "limit: " in message and "'many'" in message
    assert caught.value.to_dict() == {"message": message, "hint": caught.value.hint, "field": "steps"}


def test_a_missing_setting_is_required() -> None:
    class Needs(StageConfig):
        model: str

    with pytest.raises(ConfigError, match=r"^The configuration is wrong: model: is required\.$"):
        parse_config(Needs, {})


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Outer().steps = 3  # type: ignore[misc]


NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@example(steps=1, text="a\x85b", limit=None, rate=1.0, names=["\u2028", "1e5", "no", "2026-01-01"])
@given(
    steps=st.integers(1, 10**12),
    text=NAMES,
    limit=st.one_of(st.none(), st.integers(1)),
    rate=st.floats(min_value=0, exclude_min=True, allow_infinity=False),
    names=st.lists(NAMES, max_size=4),
)
def test_yaml_reads_back_equal(
    steps: int, text: str, limit: int | None, rate: float, names: list[str], tmp_path_factory
) -> None:
    config = Outer(steps=steps, text=text, limit=limit, inner=Inner(rate=rate, names=tuple(names)))
    file = tmp_path_factory.mktemp("yaml") / "c.yaml"
    file.write_text(to_yaml(config), encoding="utf-8")
    assert parse_config(Outer, load_yaml(file)) == config


def test_numbers_that_yaml_takes_for_text_are_read_as_numbers(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("inner:\n  rate: 1e-3\n")
    assert parse_config(Outer, load_yaml(file)).inner.rate == 0.001


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "must hold a mapping of settings (key: value)."),
        (b"- 1\n- 2\n", "must hold a mapping of settings (key: value)."),
        (b"just words", "must hold a mapping of settings (key: value)."),
        (b"a: \xff\xfe", "is not UTF-8 text (byte 3)."),
        (b"a: 1\nb: [1, 2\n", "is not valid YAML at line 3, column 1."),
        (b"a: 1\n  b: 2\n", "is not valid YAML at line 2, column 4."),
        (b"a: !!python/object:os.system 1", "is not valid YAML at line 1, column 4."),
        (b"day: 2026-99-99", "is not valid YAML."),
        (b"a: \x00", "is not valid YAML."),
        (b"a: " + b"[" * 1500, "is not valid YAML."),
    ],
)
def test_bad_yaml_is_told_in_one_sentence(content: bytes, words: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_yaml(file)
    assert str(caught.value) == f"The file {file} {words}"


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load_yaml(tmp_path / "no.yaml")
    assert str(caught.value) == f"The file {tmp_path / 'no.yaml'} does not exist."
    with pytest.raises(InputError) as caught:
        load_yaml(tmp_path)
    assert str(caught.value) == f"{tmp_path} is a folder; a YAML file is needed."
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="does not exist"):
        load_yaml(tmp_path / "file" / "c.yaml")
