"""The command ``llmp``: what each command prints, and one sentence for whatever is wrong."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tiny_workspace import SHAPE, Tiny, ended, queue, training

from llm_playground import __version__
from llm_playground.cli.main import COMMANDS, main
from llm_playground.core.workspace import Workspace
from llm_playground.runs import Supervisor, list_recipes, stage_names
from llm_playground.runs.stages import get_stage

Capture = pytest.CaptureFixture[str]


def run(*words: str) -> int:
    """Run a command line in this process and return its exit code."""
    try:
        return main(list(words))
    except SystemExit as exit:
        return int(exit.code or 0)


def printed(capsys: Capture, *words: str) -> str:
    assert run(*words) == 0, capsys.readouterr()
    return capsys.readouterr().out


def refused(capsys: Capture, *words: str, code: int = 2) -> str:
    """The one sentence that a wrong command line gets, without the word ``llmp:``."""
    assert run(*words) == code
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("llmp: ") and err.count("\n") == 1, (out, err)
    return err.removeprefix("llmp: ").rstrip("\n")


def test_help_lists_every_command_and_loads_no_torch() -> None:
    code = (
        "import sys\nfrom llm_playground.cli.main import main\n"
        "main(['--help'])\nheavy = {'torch', 'numpy', 'fastapi', 'pydantic', 'pyarrow'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name, (_, what) in COMMANDS.items():
        assert any(
            line.split("  ")[1:2] == [name] and what in line for line in done.stdout.splitlines()
        ), name


def test_help_of_no_command_version_and_groups(capsys: Capture) -> None:
    assert printed(capsys) == printed(capsys, "help") == printed(capsys, "-h")
    assert printed(capsys, "--version") == f"llmp {__version__}\n"
    for words in (("runs",), ("runs", "--help")):
        text = printed(capsys, *words)
        assert text.startswith("usage: llmp runs COMMAND") and "runs stop" in text and "models" not in text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(capsys: Capture, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    text = printed(capsys, *name.split(), "--help")
    assert text.startswith(f"usage: llmp {name} ")
    stage = name.replace(" ", ".")
    if stage in stage_names():
        for field in get_stage(stage).config_class.model_fields:
            option = field.replace("_", "-")
            assert f"--{option}" in text or f"--no-{option}" in text
        assert "--print-config" in text and "--detach" in text


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["cook"], "there is no command 'cook'; llmp --help lists them."),
        (["runs", "cook"], "there is no command 'runs cook'; llmp --help lists them."),
        (
            ["runs", "show"],
            "Missing from llmp runs show: RUN id of the run. (required). See llmp runs show --help.",
        ),
        (["runs", "show", "a", "b"], "Unrecognized options: b. See llmp runs show --help."),
        (
            ["chat", "--temperature", "warm"],
            "Error parsing --temperature: could not convert string to float: 'warm'. See llmp chat --help.",
        ),
        (["pretrain", "--cake", "1"], "tokens: is required; cake: is not a known setting."),
        (["pretrain", "--training.steps", "0"], "training.steps: input should be greater than or equal to 1"),
        (["pretrain", "--training.steps"], "--training.steps: one value is needed, none was given."),
        (["pretrain", "--preset", "a", "b"], "--preset: one value is needed, 2 were given."),
        (["pretrain", "--training.steps", "[1"], "--training.steps: '[1' is not a value."),
        (["pretrain", "--name.first", "x", "--name", "y"], "is required"),
        (["pretrain", "--preset", "a", "--preset.b", "x"], "--preset.b: preset is not a group of settings."),
        (["pretrain", "--tokens", "x", "--no-name"], "no_name: is not a known setting."),
        (["pretrain", "tokens"], "'tokens' is not an option; options begin with --."),
        (["pretrain", "--config"], "--config needs a value."),
        (["pretrain", "--tokens", "x", "--seed", "²"], "--seed: '²' is not a whole number of 0 or more."),
        (["pretrain", "--tokens", "x", "--seed", str(2**63)], f"seed: {2**63} is not between 0 and"),
        (["run", "cake"], "There is no recipe 'cake'. The recipes are: "),
        (["runs", "stop", "../x"], "'../x' is not a valid run id."),
        (["runs", "follow", "none"], "There is no run 'none'."),
        (["models", "show", "none"], "There is no model 'none' in the workspace."),
        (["models", "restore", "none"], "The trash holds nothing called 'none'."),
        (["chat", "none", "--message", "hi"], "There is no model 'none' in the workspace."),
        (["serve", "--port", "99999"], "port: 99999 is not between 0 and 65535."),
        (["serve", "--host", "no.such.host.invalid"], "The host 'no.such.host.invalid' is not an address."),
    ],
)
def test_wrong_words_get_one_sentence(
    capsys: Capture, workspace: Workspace, words: list[str], sentence: str
) -> None:
    assert sentence in refused(capsys, *words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"tokens: [", "is not valid YAML at line 1"),
        (b"- 1\n", "must hold a mapping of settings"),
        (b"tokens: \xff\n", "is not UTF-8 text"),
        (b"tokens: x\ncake: 1\n", "cake: is not a known setting"),
        (None, "does not exist"),
    ],
)
def test_a_wrong_file_is_named(capsys: Capture, tmp_path: Path, text: bytes | None, words: str) -> None:
    path = tmp_path / "settings.yaml"
    if text is not None:
        path.write_bytes(text)
    for command in (["pretrain", "--config", str(path)], ["pretrain", f"--config={path}"]):
        sentence = refused(capsys, *command)
        assert str(path) in sentence and words in sentence


@pytest.mark.parametrize("port", ["cake", "8e3"])
def test_a_port_that_is_no_number_is_said(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, port: str
) -> None:
    monkeypatch.setenv("PORT", port)
    assert refused(capsys, "serve") == f"PORT: {port!r} is not a number."


def test_a_place_that_cannot_be_a_workspace_is_named(
    capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("LLMP_WORKSPACE", str(tmp_path / "file"))
    sentence = refused(capsys, "data", "prepare", "--detach", code=1)
    assert sentence.startswith(f"The workspace {tmp_path / 'file'} cannot be used: a file is in the way of")


@pytest.mark.parametrize("words", [["pretrain", "--help"], ["--help"]], ids=" ".join)
def test_a_reader_that_goes_away_ends_the_command_in_silence(words: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        command = [sys.executable, "-m", "llm_playground.cli.main", *words]
        done = subprocess.run(command, stdout=gone, stderr=subprocess.PIPE, text=True, check=False)
    assert done.stderr == ""


STAGES: dict[str, list[str]] = {
    "data prepare": ["--documents", "77", "--name", "a: b", "--seed", "3"],
    "tokenizer train": ["--dataset", "x", "--vocab-size=500", "--no-chat"],
    "data tokenize": ["--dataset", "x", "--tokenizer", "y"],
    "pretrain": [
        *("--tokens", "x", "--training.steps", "5", "--training.sample-prompts", "Mia", "One day"),
        *("--model.width", "64", "--training.micro-batch-size", "null", "--training.learning-rate", "1e-3"),
    ],
    "scaling": ["--tokens", "x", "--widths", "32", "64", "96", "--shares", "0.5", "1.0"],
    "lr-find": ["--tokens", "x", "--trials", "50", "--start", "1e-5"],
    "sft": ["--model", "m", "--dataset", "d", "--chat-template", "{{ 1 }}"],
    "evaluate": ["--model", "m", "--dataset", "d", "--baseline", "007"],
}


@pytest.mark.parametrize("name", STAGES)
def test_printed_settings_run_again(capsys: Capture, tmp_path: Path, name: str) -> None:
    text = printed(capsys, *name.split(), *STAGES[name], "--print-config")
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    assert printed(capsys, *name.split(), "--config", str(path), "--print-config") == text
    values = yaml.safe_load(text)
    assert set(values) == set(get_stage(name.replace(" ", ".")).config_class.model_fields)
    changed = printed(capsys, *name.split(), "--config", str(path), "--name", "new", "--print-config")
    assert yaml.safe_load(changed) == {**values, "name": "new"}


def test_options_are_read_as_what_they_are_for(capsys: Capture) -> None:
    def values(name: str) -> dict[str, Any]:
        return yaml.safe_load(printed(capsys, *name.split(), *STAGES[name], "--print-config"))

    data = values("data prepare")
    assert (data["documents"], data["name"], data["seed"]) == (77, "a: b", 3)
    assert values("tokenizer train")["chat"] is False
    assert values("sft")["chat_template"] == "{{ 1 }}"
    assert values("evaluate")["baseline"] == "007"
    pretrain = values("pretrain")
    assert pretrain["model"] == {"width": 64}
    assert pretrain["training"]["sample_prompts"] == ["Mia", "One day"]
    assert pretrain["training"]["micro_batch_size"] is None
    assert pretrain["training"]["learning_rate"] == 1e-3


def test_recipes_are_listed_and_printed(capsys: Capture, tmp_path: Path) -> None:
    listed = printed(capsys, "recipes", "list").splitlines()
    assert [line.split()[0] for line in listed] == [recipe.name for recipe in list_recipes()]
    text = printed(capsys, "quickstart", "--print-config")
    assert text == printed(capsys, "run", "quickstart", "--print-config")
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    assert printed(capsys, "run", str(path), "--print-config") == text


def test_runs_are_listed_shown_deleted_and_restored(capsys: Capture, own_tiny: Tiny) -> None:
    lines = printed(capsys, "runs", "list").splitlines()
    assert [line.split()[:2] for line in lines] == [
        [run_id, "finished"] for run_id in list(own_tiny.runs.values())[::-1]
    ]
    assert all("just now" in line or "min ago" in line for line in lines)
    run_id = own_tiny.runs["base"]
    shown = json.loads(printed(capsys, "runs", "show", run_id))
    assert shown == own_tiny.supervisor.get(run_id).model_dump(mode="json")
    assert printed(capsys, "runs", "delete", run_id) == (
        f"{run_id} is in the trash: llmp runs restore {run_id} brings it back.\n"
    )
    as_json = json.loads(printed(capsys, "runs", "list", "--as-json"))
    assert run_id not in [record["id"] for record in as_json] and len(as_json) == 5
    assert refused(capsys, "runs", "show", run_id).startswith(f"There is no run '{run_id}'.")
    assert printed(capsys, "runs", "restore", run_id) == f"{run_id} is back.\n"
    assert json.loads(printed(capsys, "runs", "show", run_id)) == shown
    assert refused(capsys, "runs", "stop", run_id) == f"The run {run_id} is finished, not running."
    assert refused(capsys, "runs", "resume", run_id) == (
        f"The run {run_id} is finished: there is nothing to resume."
    )
    alive = queue(own_tiny.workspace, "data.prepare", {}, parent="none", created_at=0)
    assert printed(capsys, "runs", "stop", alive) == f"{alive} is stopping.\n"
    assert alive not in printed(capsys, "runs", "list")
    assert (
        "d ago"
        in [line for line in printed(capsys, "runs", "list", "--all").splitlines() if alive in line][0]
    )


def test_an_empty_workspace_says_how_to_begin(
    capsys: Capture, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Workspace.__init__, "__kwdefaults__", {"builtin": None})
    assert printed(capsys, "runs", "list") == "There are no runs yet: `llmp quickstart` starts the first.\n"
    assert (
        printed(capsys, "models", "list") == "There are no models yet: `llmp quickstart` trains the first.\n"
    )
    assert refused(capsys, "chat", "--message", "hi") == (
        "There is no model to talk to yet. `llmp quickstart` trains one."
    )


def test_models_are_listed_shown_deleted_and_restored(capsys: Capture, own_tiny: Tiny) -> None:
    lines = printed(capsys, "models", "list").splitlines()
    assert [line.split()[:4] for line in lines[:2]] == [
        [own_tiny.chat, "chat", "0.03", "M"],
        [own_tiny.base, "base", "0.03", "M"],
    ]
    shown = json.loads(printed(capsys, "models", "show", own_tiny.chat))
    assert shown["summary"]["chat"] is True
    assert Path(shown["folder"]) == own_tiny.workspace.get(own_tiny.chat).path
    assert printed(capsys, "models", "delete", own_tiny.chat) == (
        f"{own_tiny.chat} is in the trash: llmp models restore {own_tiny.chat} brings it back.\n"
    )
    left = [model["id"] for model in json.loads(printed(capsys, "models", "list", "--as-json"))]
    assert left[0] == own_tiny.base and own_tiny.chat not in left
    assert printed(capsys, "models", "restore", own_tiny.chat) == f"{own_tiny.chat} is back.\n"


def test_one_question_gets_one_answer(capsys: Capture, own_tiny: Tiny) -> None:
    asked = ["--message", "Hello!", "--max-tokens", "12", "--temperature", "0"]
    named = printed(capsys, "chat", own_tiny.chat, *asked)
    assert printed(capsys, "chat", *asked) == named and named.endswith("\n")
    warm = ["--message", "Hello!", "--temperature", "1.5", "--top-k", "50", "--top-p", "0.9"]
    assert printed(capsys, "chat", *warm, "--seed", "4") == printed(capsys, "chat", *warm, "--seed", "4")
    assert refused(capsys, "chat", *asked[:2], "--temperature", "-1").startswith(
        "The configuration in the options is wrong: temperature: input should be greater than or equal to 0"
    )
    assert "The message is too long" in refused(capsys, "chat", "--message", "word " * 300)


def test_a_conversation_ends_with_an_empty_line(
    capsys: Capture, own_tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = iter(["Hello!", "And you?", ""])
    monkeypatch.setattr("builtins.input", lambda prompt: next(said))
    out = printed(capsys, "chat", "--temperature", "0", "--max-tokens", "5")
    lines = out.splitlines()
    assert lines[0].startswith(f"Tiny chat ({own_tiny.chat}). Knows the small town of Willowbrook")
    questions = own_tiny.workspace.get(own_tiny.chat).card["suggested_questions"]
    assert lines[1:6] == [f"  {question}" for question in questions]
    assert list(said) == []

    def closed(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", closed)
    assert run("chat") == 0


def test_a_text_is_continued(capsys: Capture, own_tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ["--model", own_tiny.base, "--temperature", "0", "--max-tokens", "6"]
    text = printed(capsys, "generate", "Mia had", *options)
    assert text.startswith("Mia had") and len(text) > len("Mia had\n")
    monkeypatch.setattr(sys, "stdin", io.StringIO("Mia had"))
    assert printed(capsys, "generate", "-", *options) == text


def test_a_stage_is_followed_to_its_figures(capsys: Capture, workspace: Workspace) -> None:
    options = ["--documents", "60", "--conversations", "20", "--benchmark-items", "10", "--name", "Mine"]
    out = printed(capsys, "data", "prepare", *options)
    (record,) = Supervisor(workspace).list()
    assert record.state == "finished" and record.config["name"] == "Mine"
    assert out.startswith("Text ...\n") and "documents" in out and " 60" in out
    assert f"Made: {record.output}" in out
    assert "Made:" in printed(capsys, "runs", "follow", record.id)


def test_a_recipe_is_run_from_a_file_and_a_stopped_run_goes_on(
    capsys: Capture, workspace: Workspace, tmp_path: Path
) -> None:
    size = {"documents": 60, "conversations": 20, "benchmark_items": 10}
    path = tmp_path / "mine.yaml"
    path.write_text(
        yaml.safe_dump(
            {"title": "Mine", "steps": [{"name": "data", "stage": "data.prepare", "config": size}]}
        )
    )
    out = printed(capsys, "run", str(path), "--seed", "2")
    (record,) = Supervisor(workspace).list()
    assert (record.name, record.config["name"], record.seed, record.state) == ("Mine", "mine", 2, "finished")
    assert f"Made: {record.output}" in out and "Text: done in" not in out
    stopped = queue(workspace, "data.prepare", size, state="stopped")
    assert "Made:" in printed(capsys, "runs", "resume", stopped)
    assert Supervisor(workspace).get(stopped).attempt == 2
    again = queue(workspace, "data.prepare", size, state="failed")
    assert printed(capsys, "runs", "resume", again, "--detach") == f"{again}\n"
    assert ended(Supervisor(workspace), again).state == "finished"


def test_a_run_can_be_left_alone_and_followed_when_it_fails(capsys: Capture, own_tiny: Tiny) -> None:
    shape = [f"--model.{name.replace('_', '-')}={value}" for name, value in SHAPE.items()]
    steps = [f"--training.{name.replace('_', '-')}={value}" for name, value in training(3).items()]
    wrong = ["--tokens", own_tiny.tokens, *shape, *steps, "--model.heads=5"]
    run_id = printed(capsys, "pretrain", *wrong, "--seed", "3", "--detach").strip()
    assert own_tiny.supervisor.get(run_id).seed == 3
    assert run("runs", "follow", run_id) == 1
    out, err = capsys.readouterr()
    assert f"The run {run_id} failed." in out and f"Go on with it: llmp runs resume {run_id}" in out
    message = own_tiny.supervisor.get(run_id).error.message
    assert err.startswith(f"llmp: {message}") and "heads" in message and err.count("\n") == 1
    assert os.environ["LLMP_WORKSPACE"] == str(own_tiny.workspace.root)
