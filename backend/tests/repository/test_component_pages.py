"""The pages on the model's components: every field is there, numbers and pictures are what the code says."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, get_args
from xml.etree import ElementTree

import pytest
import torch

from llm_playground.cli.main import main
from llm_playground.transformer import ModelConfig, TransformerLM, analyze
from llm_playground.transformer.config import RopeScaling
from llm_playground.transformer.norms import make_norm
from llm_playground.transformer.positions import sinusoids
from llm_playground.transformer.presets import PRESETS
from llm_playground.transformer.rotary import frequencies, scaled_frequencies

ROOT = Path(__file__).resolve().parents[3]
COMPONENTS = ROOT / "docs" / "architecture-components.md"
REFERENCE = ROOT / "docs" / "quick-reference.md"
PICTURES = ROOT / "docs" / "images" / "components"


@pytest.fixture(scope="module")
def pictures() -> Iterator[ModuleType]:
    """The script that draws the pictures."""
    folder = str(ROOT / "tools")
    spec = importlib.util.spec_from_file_location(
        "make_component_pictures", ROOT / "tools" / "make_component_pictures.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(folder)


def rows(page: Path, *headings: str) -> list[list[str]]:
    """Return the cells of the table with these first headings."""
    text = page.read_text(encoding="utf-8")
    head = "| " + " | ".join(headings)
    (table,) = [part for part in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE) if part.startswith(head)]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()[2:]]


def coded(cell: str) -> list[str]:
    """Return what stands between backticks."""
    return re.findall(r"`([^`]+)`", cell)


def choices(field: str) -> list[str]:
    """Return the names that a field may have."""
    annotation = ModelConfig.model_fields[field].annotation
    return [str(value) for value in get_args(annotation)]


def reference() -> dict[str, list[str]]:
    """Return the reference's rows by field; one row may name several."""
    found: dict[str, list[str]] = {}
    for row in rows(REFERENCE, "field", "default", "values"):
        for name in coded(row[0]):
            assert name not in found, f"{name} stands there twice"
            found[name] = row
    return found


def test_every_field_stands_in_both_pages_and_nothing_else() -> None:
    assert set(reference()) == set(ModelConfig.model_fields)
    text = COMPONENTS.read_text(encoding="utf-8")
    without = {"vocab_size", "context_length", "width", "bos_id", "eos_id", "pad_id"}
    for name in set(ModelConfig.model_fields) - without:
        assert f"`{name}" in text, f"{COMPONENTS.name} does not explain {name}"
    for name in set(RopeScaling.model_fields):
        assert f"`{name}`" in text or f"`{name} " in text or f" {name}`" in text, name


def test_the_references_groups_and_their_order_are_those_of_the_form() -> None:
    groups: dict[str, list[str]] = {}
    for row in rows(REFERENCE, "field", "default", "values"):
        if heading := re.fullmatch(r"\*\*(.+)\*\*", row[0]):
            groups[heading[1]] = []
        else:
            groups[list(groups)[-1]] += coded(row[0])
    schema = ModelConfig.model_json_schema()["properties"]
    expected: dict[str, list[str]] = {}
    for name, shape in schema.items():
        expected.setdefault(shape["group"], []).append(name)
    assert list(groups) == list(expected)
    for heading, names in expected.items():
        assert sorted(groups[heading]) == sorted(names), heading


@pytest.mark.parametrize("name", sorted(ModelConfig.model_fields))
def test_the_references_defaults_are_those_of_the_code(name: str) -> None:
    default: Any = ModelConfig.model_fields[name].default
    told = reference()[name][1].strip("`")
    if isinstance(default, bool):
        assert told == ("yes" if default else "no")
    elif default is None or default == ():
        assert re.match(r"none$|all$|as |size of|4 or 8/3|width / heads", told), told
    else:
        assert told == str(default)


@pytest.mark.parametrize("name", ["architecture", "positions", "activation", "norm", "norm_placement"])
def test_every_choice_is_named_in_both_pages(name: str) -> None:
    assert coded(reference()[name][2]) == choices(name)
    text = COMPONENTS.read_text(encoding="utf-8")
    for value in choices(name):
        assert f"`{value}`" in text or f"`{name} = {value}`" in text, value


def test_every_kind_of_scaling_is_named() -> None:
    kinds = [str(kind) for kind in get_args(RopeScaling.model_fields["type"].annotation)]
    assert coded(reference()["rope_scaling"][2]) == kinds
    assert [coded(row[0])[0] for row in rows(COMPONENTS, "`type`", "formula")] == kinds


def test_the_published_models_are_told_as_they_are() -> None:
    told = {coded(row[0])[0]: row for row in rows(REFERENCE, "preset", "parameters")}
    assert set(told) == {name for name, preset in PRESETS.items() if preset.source != "own"}
    for name, (_, total, layers, width, heads, positions, norm, activation) in told.items():
        config = ModelConfig.preset(name)
        assert int(total.replace(",", "")) == analyze(config, context=16).parameters.total, name
        assert (int(layers), int(width.replace(",", ""))) == (config.layers, config.width), name
        assert heads == f"{config.heads} / {config.key_value_heads}", name
        assert positions.split(", ")[0] == config.positions, name
        assert ("window" in positions) == (config.window is not None), name
        assert config.window is None or f"window {config.window:,}" in positions, name
        assert config.rope_scaling is None or config.rope_scaling.type in positions, name
        assert norm.split(", ")[0] == config.norm, name
        assert ("parallel" in norm) == config.parallel, name
        placed = next((kind for kind in ("post", "sandwich") if kind in norm), "pre")
        assert placed == config.norm_placement, name
        assert activation.split(", ")[0] == config.activation, name
        assert config.experts is None or f"{config.experts} experts" in activation, name


def test_the_sizes_of_caches_are_those_that_are_counted(pictures: ModuleType) -> None:
    told = rows(COMPONENTS, "model", "bytes per token, 16 bits")
    assert tuple(coded(row[0])[0] for row in told) == pictures.CACHED
    for name, per_token, whole in told:
        config = ModelConfig.preset(coded(name)[0])
        counted = analyze(config, context=config.context_length, precision="bf16").memory
        assert int(per_token.replace(",", "")) == counted.kv_cache_per_token, name
        assert pictures.cache_bytes(config, config.context_length) == counted.kv_cache_at_context, name
        size = pictures.cache_bytes(config, 32_768)
        number, unit = whole.split()
        scale = {"GB": 1e9, "MB": 1e6}[unit]
        assert abs(float(number) * scale - size) <= 0.005 * size, f"{name}: {size}"


def test_the_sources_are_papers_with_well_formed_numbers() -> None:
    for page in (COMPONENTS, REFERENCE):
        text = page.read_text(encoding="utf-8")
        found = re.findall(r"arXiv:(\d\d)(\d\d)\.\d{5}(?!\d)", text)
        assert found and len(found) == text.count("arXiv:")
        assert all(15 <= int(year) <= 26 and 1 <= int(month) <= 12 for year, month in found)


@pytest.mark.parametrize("kind", ["linear", "dynamic", "yarn", "llama3"])
def test_the_picture_of_scaling_is_the_models_own(kind: Any, pictures: ModuleType) -> None:
    given = pictures.ROPE
    scaling = RopeScaling(type=kind, factor=given["factor"], original_context=int(given["original"]))
    theirs = scaled_frequencies(given["size"], given["theta"], scaling, 65_536, 65_536)
    drawn = torch.tensor(pictures.frequencies(kind, 65_536), dtype=torch.float64)
    torch.testing.assert_close(drawn, theirs.double(), rtol=2e-5, atol=0)


def test_the_picture_of_plain_rotation_and_of_sinusoids_is_the_models_own(pictures: ModuleType) -> None:
    given = pictures.ROPE
    drawn = torch.tensor(pictures.frequencies("none"), dtype=torch.float64)
    torch.testing.assert_close(drawn, frequencies(given["size"], given["theta"]).double(), rtol=2e-5, atol=0)
    table = [[pictures.sinusoid(position, index, 32) for index in range(32)] for position in range(24)]
    torch.testing.assert_close(torch.tensor(table), sinusoids(24, 32), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["layernorm", "rmsnorm", "groupnorm"])
def test_the_picture_of_norms_is_the_models_own(kind: Any, pictures: ModuleType) -> None:
    vector = torch.tensor(pictures.VECTOR)
    config = ModelConfig(
        width=len(vector), heads=2, norm=kind, norm_eps=1e-12, norm_groups=1 + (kind == "groupnorm")
    )
    with torch.no_grad():
        theirs = make_norm(config)(vector[None, None])[0, 0]
    torch.testing.assert_close(torch.tensor(pictures.normalized(kind)), theirs, rtol=0, atol=1e-5)


def test_pictures_are_the_ones_that_the_script_draws_and_the_page_shows(pictures: ModuleType) -> None:
    shown = re.findall(r"images/components/([\w-]+)\.svg", COMPONENTS.read_text(encoding="utf-8"))
    assert sorted(shown) == sorted(pictures.PICTURES) == sorted(path.stem for path in PICTURES.glob("*.svg"))
    for name, draw in pictures.PICTURES.items():
        source = (PICTURES / f"{name}.svg").read_text(encoding="utf-8")
        assert source == draw().render(), f"{name}.svg is old: python tools/make_component_pictures.py"
        picture = ElementTree.fromstring(source)
        assert picture.get("aria-label") and picture.get("viewBox")
        assert "prefers-color-scheme:dark" in source


def test_the_example_of_the_page_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", COMPONENTS.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(example, str(COMPONENTS), "exec"), names)
    weights, ids = names["weights"], names["ids"]
    assert isinstance(names["model"], TransformerLM)
    assert weights.shape == (1, 4, ids.shape[1], ids.shape[1])
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
    assert not torch.equal(names["logits"], names["model"](ids))


def test_the_commands_of_both_pages_run(capsys: pytest.CaptureFixture[str]) -> None:
    for page in (COMPONENTS, REFERENCE):
        lines = re.findall(r"^ {4}llmp (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert len(lines) == 2
        for line in lines:
            main(line.split())
            shown = capsys.readouterr().out
            for name in re.findall(r"preset:(\S+)", line):
                total = analyze(ModelConfig.preset(name), context=16).parameters.total
                assert f"{total:,}" in shown, line
