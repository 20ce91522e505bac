"""Runs of other programs: what an event file says is what the run's curves are; broken files make none."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import pytest
from wandb_files import log, message, row

from llm_playground.cli.main import main
from llm_playground.core.errors import InputError
from llm_playground.core.workspace import Workspace
from llm_playground.monitoring import MetricReader
from llm_playground.monitoring.event_files import EventFile, masked_crc
from llm_playground.monitoring.event_reader import Scalar, read_scalars
from llm_playground.monitoring.histograms import edges
from llm_playground.runs import Supervisor
from llm_playground.runs.context import METRICS_FILE
from llm_playground.runs.imports import import_run


def record_of(event: bytes) -> bytes:
    head = struct.pack("<Q", len(event))
    return head + masked_crc(head) + event + masked_crc(event)


# Laid out by hand after tensorflow/core/util/event.proto: wall_time 2.0, step 3, and a summary with the tag
# "loss" whose tensor has dtype DT_FLOAT (1) and tensor_content 0.5, as TensorFlow 2 writes scalars.
TENSOR = bytes.fromhex("0801 2204 0000003f")
VALUE = b"\x0a\x04loss\x42" + bytes([len(TENSOR)]) + TENSOR
EVENT = b"\x09" + struct.pack("<d", 2.0) + b"\x10\x03\x2a" + bytes([len(VALUE) + 2, 0x0A, len(VALUE)]) + VALUE


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A file of 40 steps with two scalars, a histogram, and values that are no numbers."""
    with EventFile(tmp_path / "his run") as file:
        for step in range(40):
            file.scalars(step, 100.0 + step, {"Loss/train": 1 / (step + 1), "lr": 0.5})
        file.histogram(40, 140.0, "weights", [3] + [0] * (len(edges()) - 2))
        file.scalars(41, 141.0, {"Loss/train": math.nan, "lr": math.inf})
    return file.path


def test_scalars_come_back_from_an_event_file(written: Path) -> None:
    found = list(read_scalars(written))
    assert len(found) == 82 and found[3] == Scalar("lr", 1, 101.0, 0.5)
    assert [point.value for point in found if point.name == "Loss/train"][:40] == pytest.approx(
        [1 / (step + 1) for step in range(40)], rel=1e-7
    )
    assert math.isnan(found[-2].value) and found[-1].value == math.inf


def test_scalars_are_read_as_tensors_too(tmp_path: Path) -> None:
    file = tmp_path / "events.out.tfevents.1"
    file.write_bytes(record_of(EVENT))
    assert list(read_scalars(file)) == [Scalar("loss", 3, 2.0, 0.5)]


def test_a_file_that_is_cut_off_is_read_so_far_and_a_broken_one_refused(written: Path) -> None:
    data = written.read_bytes()
    written.write_bytes(data[:-7])
    assert len(list(read_scalars(written))) == 80
    for place in (70, len(data) // 2, len(data) - 6):
        broken = bytearray(data)
        broken[place] ^= 4
        written.write_bytes(broken)
        with pytest.raises(InputError, match=r"is damaged: the record at byte \d+ has a wrong checksum"):
            list(read_scalars(written))
    for event in (b"\x2a\x7f", EVENT.replace(struct.pack("<d", 2.0), struct.pack("<d", math.nan))):
        written.write_bytes(record_of(event))
        with pytest.raises(InputError, match="the record at byte 0 holds no event"):
            list(read_scalars(written))


def test_an_import_is_a_finished_run_with_its_curves(written: Path, workspace: Workspace) -> None:
    with EventFile(written.parent, 1) as more:
        more.scalars(50, 150.0, {"Loss/train": 0.25})
    made = import_run(workspace, written.parent)
    (listed,) = Supervisor(workspace).list()
    assert listed == made and (made.name, made.stage, made.state) == ("his run", "imported", "finished")
    assert made.summary == {"points": 83, "series": 2, "steps": 50} and not made.resumable
    assert (made.started_at, made.finished_at) == (100.0, 150.0)
    reader = MetricReader(Supervisor(workspace).folder(made.id) / METRICS_FILE)
    assert reader.names() == ["Loss/train", "lr"]
    line, _ = reader.series("Loss/train", 500)
    assert line.step == [*range(40), 41, 50]
    assert line.value[0] == 1.0 and line.value[-1] == 0.25


def test_a_run_file_of_wandb_brings_its_name_and_settings(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "offline-run-1"
    folder.mkdir()
    config = message((1, message((1, "lr"), (16, "0.5"))))
    described = message((17, message((4, config), (8, "Theirs"))))
    rows = [row(step, 10.0 + step, loss=1 / (step + 1)) for step in range(20)]
    (folder / "run-1.wandb").write_bytes(log(described, *rows))
    (folder / "run-1.wandb.synced").write_text("")
    made = import_run(workspace, folder)
    assert (made.name, made.stage, made.state) == ("Theirs", "imported", "finished")
    assert made.summary == {"points": 20, "series": 1, "steps": 19}
    assert made.config["format"] == "wandb" and made.config["settings"] == {"lr": 0.5}
    line, _ = MetricReader(Supervisor(workspace).folder(made.id) / METRICS_FILE).series("loss", 500)
    assert line.value == pytest.approx([1 / (step + 1) for step in range(20)])
    assert import_run(workspace, folder / "run-1.wandb", "Mine").name == "Mine"


def test_the_command_and_what_it_refuses(
    written: Path, workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("LLMP_WORKSPACE", str(workspace.root))
    assert main(["runs", "import", str(written), "--name", "Theirs"]) == 0
    assert "82 points of 2 series." in capsys.readouterr().out
    assert [run.name for run in Supervisor(workspace).list()] == ["Theirs"]
    (tmp_path / "empty").mkdir()
    (tmp_path / "none.tfevents.1").write_bytes(record_of(b"\x1a\x0dbrain.Event:2"))
    for path, words in [
        (tmp_path / "empty", "holds no event file and no run file of W&B"),
        (tmp_path / "nothing", "does not exist"),
        (tmp_path / "none.tfevents.1", "holds no scalars"),
    ]:
        assert main(["runs", "import", str(path)]) == 2
        assert words in capsys.readouterr().err
    assert len(list(workspace.runs_dir.glob("*import*"))) == 1


def test_tensorboards_own_writer_is_understood(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tmp_path)) as writer:
        for step in range(5):
            writer.add_scalar("loss", step / 2, step)
    (file,) = tmp_path.iterdir()
    assert [(point.name, point.step, point.value) for point in read_scalars(file)] == [
        ("loss", step, step / 2) for step in range(5)
    ]
