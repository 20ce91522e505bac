"""``llmp model show`` and ``llmp model compare``: what they print, and one sentence for whatever is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny_workspace import Tiny

from llm_playground.cli.architectures import duration, find_architecture, read_count
from llm_playground.cli.main import main
from llm_playground.core.errors import InputError
from llm_playground.core.workspace import Workspace
from llm_playground.transformer import ModelConfig, analyze
from llm_playground.transformer.analysis import compare_architectures

Capture = pytest.CaptureFixture[str]


def run(*words: str) -> int:
    try:
        return main(["model", *words])
    except SystemExit as exit:
        return int(exit.code or 0)


def printed(capsys: Capture, *words: str) -> str:
    assert run(*words) == 0, capsys.readouterr()
    return capsys.readouterr().out


def told(capsys: Capture, *words: str) -> Any:
    return json.loads(printed(capsys, *words, "--json"))


def refused(capsys: Capture, *words: str) -> str:
    assert run(*words) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("llmp: ") and err.count("\n") == 1, (out, err)
    return err.removeprefix("llmp: ").rstrip("\n")


def test_a_preset_is_shown(capsys: Capture, workspace: Workspace) -> None:
    words = ("gpt2", "--context", "512", "--batch", "8", "--precision", "bf16", "--device", "h100-sxm")
    more = ("--tokens", "1B", "--checkpointing", "selective", "--optimizer", "lion", "--shards", "2")
    config = ModelConfig.preset("gpt2-small")
    expected = analyze(
        config,
        context=512,
        batch=8,
        precision="bf16",
        device="h100-sxm",
        tokens=10**9,
        checkpointing="selective",
        optimizer="lion",
        shards=2,
    )
    answer = told(capsys, "show", *words, *more)
    assert answer == json.loads(json.dumps({"name": "gpt2-small", **expected.to_dict()}))
    out = printed(capsys, "show", *words, *more)
    for part in ("gpt2-small", "124,439,808 parameters", "85,056,000", "1,000,000,000", "h100-sxm", "USD"):
        assert part in out
    assert f"{expected.memory.total_training:,}" in out and f"{expected.memory.inference:,}" in out
    assert "Kaplan" not in out and "Kaplan" in printed(capsys, "show", "gpt2", "--formulas")


@pytest.mark.parametrize("name", ["gemma-3-270m", "mixtral-8x7b", "bert-base", "transformer-base"])
def test_every_kind_can_be_shown(name: str, capsys: Capture, workspace: Workspace) -> None:
    out = printed(capsys, "show", name, "--context", "64")
    assert f"{analyze(ModelConfig.preset(name), context=64).parameters.total:,} parameters" in out


def test_a_model_of_the_workspace_a_folder_and_files_are_shown(
    capsys: Capture, own_tiny: Tiny, tmp_path: Path
) -> None:
    artifact = own_tiny.workspace.get(own_tiny.base, "model")
    config = ModelConfig.from_hf(json.loads((artifact.path / "config.json").read_text()))
    expected = json.loads(json.dumps(config.model_dump(mode="json")))
    by_id = told(capsys, "show", own_tiny.base)
    assert by_id["name"] == "Tiny base" and by_id["config"] == expected
    assert told(capsys, "show", str(artifact.path))["config"] == expected
    assert told(capsys, "show", str(artifact.path / "config.json"))["config"] == expected
    (tmp_path / "mine.yaml").write_text("preset: tiny-llama\nlayers: 5\n")
    mine = told(capsys, "show", str(tmp_path / "mine.yaml"))
    assert mine["name"] == "mine" and mine["config"]["layers"] == 5 and mine["config"]["kv_heads"] == 2
    (tmp_path / "plain.json").write_text(json.dumps({"width": 64}))
    assert told(capsys, "show", str(tmp_path / "plain.json"))["config"]["width"] == 64
    assert find_architecture("preset:GPT2")[0] == "gpt2-small"


def test_architectures_are_compared(capsys: Capture, workspace: Workspace) -> None:
    names = ("gpt2-small", "qwen3-0.6b", "tiny-mixture")
    pairs = [(name, ModelConfig.preset(name)) for name in names]
    expected = compare_architectures(pairs, context=256, precision="bf16").to_dict()
    words = ("compare", *names, "--context", "256", "--precision", "bf16")
    assert told(capsys, *words) == json.loads(json.dumps(expected))
    out = printed(capsys, *words)
    assert "124,439,808" in out and "596,049,920 (x 4.79)" in out and "qk_norm" in out
    assert "rope_share" not in out and "rope_share" in printed(capsys, *words, "--all")
    assert "tiny-mixture is measured at its own context of 64 tokens." in out


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("show nobody", "There is no preset, model or folder 'nobody'."),
        ("show preset:nobody", "There is no model preset 'nobody'."),
        ("show hub:org/name", "hub:org/name is on the Hub."),
        ("show ./nothing", "The file nothing does not exist."),
        ("show nothing.yaml", "The file nothing.yaml does not exist."),
        ("show gpt2 --batch 0", "batch: 0 is not 1 or more."),
        ("show gpt2 --context 2000", "context: 2000 is not between 1 and the model's 1024."),
        ("show gpt2 --precision int3", "precision: 'int3' is unknown."),
        ("show gpt2 --device abacus", "The device table has no device 'abacus'."),
        ("show gpt2 --tokens many", "--tokens: 'many' is not a number."),
        ("show gpt2 --tokens 0.5", "--tokens: 0.5 is not a whole number from 1."),
        ("show gpt2 --colour red", "Unrecognized options"),
        ("compare gpt2", "2 to 6 architectures can be compared; 1 were given."),
        ("compare gpt2 nobody", "There is no preset, model or folder 'nobody'."),
    ],
)
def test_wrong_command_lines_get_one_sentence(
    line: str,
    words: str,
    capsys: Capture,
    workspace: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused(capsys, *line.split()).startswith(words)


def test_wrong_files_get_one_sentence(capsys: Capture, workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    for content, words in (
        ("heads: 3\nwidth: 64\n", "heads (3) must divide the width (64)"),
        ("deepth: 3\n", "deepth: is not a known setting"),
        ("preset: nobody\n", "There is no model preset 'nobody'."),
        ("- 1\n", "must hold a mapping of settings"),
    ):
        file.write_text(content)
        assert words in refused(capsys, "show", str(file))
    folder = tmp_path / "folder"
    folder.mkdir()
    assert "has no config.json" in refused(capsys, "show", str(folder))
    (folder / "config.json").write_text("[]")
    assert "must hold a mapping of settings" in refused(capsys, "show", str(folder))
    (folder / "config.json").write_text('{"model_type": "falcon"}')
    assert "falcon" in refused(capsys, "show", str(folder))


def test_numbers_and_times_are_read_and_written() -> None:
    read = {"1000": 1000, "1_000": 1000, "1,000": 1000, "2e9": 2 * 10**9, "1.5B": 1_500_000_000, "3k": 3000}
    for text, number in read.items():
        assert read_count(text, "tokens") == number
    for text in ("", "B", "-1", "inf", "nan", "1.5", "1e400"):
        with pytest.raises(InputError, match="--tokens"):
            read_count(text, "tokens")
    assert [duration(seconds) for seconds in (5, 150, 7200, 864_000, 1e9)] == [
        "5.0 seconds",
        "2.5 minutes",
        "2.0 hours",
        "10.0 days",
        "31.7 years",
    ]


def test_help_needs_no_torch() -> None:
    code = (
        "import sys; from llm_playground.cli.main import main\n"
        "main(['--help']); main(['model', '--help'])\n"
        "import llm_playground.cli.architectures\n"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
