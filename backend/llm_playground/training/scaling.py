"""The stage ``scaling``: a ladder of small models on the same data, and what the next one would reach.

Every rung is a pre-training by the one engine with the same settings; only the width changes, and the depth
with it. A power law is fitted to their validation losses (:mod:`.power_law`) and extended to the next width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, model_validator

from llm_playground.core.config import parse_config
from llm_playground.core.errors import ConfigError
from llm_playground.core.files import read_json, write_json_atomic
from llm_playground.core.workspace import Artifact
from llm_playground.training.pretrain import PretrainConfig

if TYPE_CHECKING:
    from llm_playground.core.protocols import Context, MetricLog, Progress, StepHook
    from llm_playground.core.workspace import Workspace
    from llm_playground.training.power_law import Fit, Point
    from llm_playground.transformer import ModelConfig

TITLE = "Scaling ladder"
LADDER_FILE = "ladder.json"
RUNG_FILE = "rung.json"  # in the folder of a rung that is done


class ScalingConfig(PretrainConfig):
    """Train a ladder of small models on the same data, fit a power law, and predict the next size."""

    widths: tuple[int, ...] = Field(
        (48, 64, 96, 128), min_length=3, max_length=20, description="Widths of the models to train."
    )
    next_width: int = Field(192, ge=1, description="Width of the model whose loss is predicted.")
    shares: tuple[float, ...] = Field(
        (1.0,),
        min_length=1,
        max_length=10,
        description="Shares of the steps that each width is trained for; three or more add the data's term.",
    )
    verify: bool = Field(False, description="Also train the next model, and compare.")
    name: str = Field("scaling ladder", description="Name of the measurement.")

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if len(set(self.widths)) < 3 or min(self.widths) < 1:
            raise ValueError("widths needs three different widths or more, each 1 or more")
        if self.next_width <= max(self.widths):
            raise ValueError(f"next_width ({self.next_width}) must exceed all widths ({max(self.widths)})")
        if not all(0 < share <= 1 for share in self.shares):
            raise ValueError("shares must be above 0 and at most 1")
        return self


CONFIG = ScalingConfig


class _Rung:
    """The context of one training of the ladder: a folder of its own, and metrics under its own names."""

    def __init__(self, context: Context, name: str, done: int, total: int) -> None:
        self.context, self.name, self.done, self.total = context, name, done, total
        self.run_id: str = context.run_id
        self.run_dir: Path = context.run_dir / "rungs" / name
        self.workspace: Workspace = context.workspace
        self.seed: int = context.seed
        self.hooks: Sequence[StepHook] = ()
        self.metrics: MetricLog = _RungMetrics(context.metrics, name)
        self.progress: Progress = self

    def should_stop(self) -> bool:
        return self.context.should_stop()

    def log(self, message: str, level: str = "info") -> None:
        self.context.log(f"{self.name}: {message}", level)

    def event(self, kind: str, data: Mapping[str, Any]) -> None:
        """Keep a rung's checkpoints to itself: the ladder as a whole goes on from its last finished rung."""

    def set_summary(self, **figures: Any) -> None:
        """Keep a rung's figures out of the ladder's."""

    def update(
        self, done: float, total: float | None, *, unit: str = "", message: str = "", **details: Any
    ) -> None:
        details.pop("eta_s", None)
        part = done / total if total else 0.0
        self.context.progress.update(
            self.done + part, self.total, unit="models", message=f"training {self.name}", **details
        )


class _RungMetrics:
    """Metrics whose names begin with the rung's."""

    def __init__(self, metrics: MetricLog, name: str) -> None:
        self.metrics, self.name = metrics, name

    def log(
        self, step: int, values: Mapping[str, float], *, tokens: int | None = None, flops: float | None = None
    ) -> None:
        named = {f"{key}/{self.name}": value for key, value in values.items() if not key.startswith("perf/")}
        self.metrics.log(step, named, tokens=tokens, flops=flops)

    def histograms(self, step: int, counts: Mapping[str, Sequence[int]]) -> None:
        self.metrics.histograms(step, {f"{key}/{self.name}": value for key, value in counts.items()})

    def flush(self) -> None:
        self.metrics.flush()


def rung_shape(base: ModelConfig, width: int) -> ModelConfig:
    """Return the shape of a width: heads of the same size, and as many layers for each unit of width.

    Raises:
        ConfigError: the width is no multiple of the head size.
    """
    size = base.head_size
    if width % size:
        raise ConfigError(
            f"widths: {width} is not a multiple of the head size of {size}.",
            hint=f"Use multiples of {size}, or set model.head_size.",
            field="widths",
        )
    heads = width // size
    grouped = max(1, round(heads * base.key_value_heads / base.heads))
    while heads % grouped:
        grouped -= 1
    values = base.model_dump() | {
        "width": width,
        "heads": heads,
        "kv_heads": grouped,
        "layers": max(1, round(base.layers * width / base.width)),
        "ffn_width": None if base.ffn_width is None else round(base.ffn_width * width / base.width),
    }
    return parse_config(type(base), values, "model")


def train_rung(
    config: ScalingConfig, shape: ModelConfig, steps: int, tokens_folder: Path, context: Context
) -> Point:
    """Train one model and return what it reached; a training that has been finished is not done again.

    Raises:
        StopRequested: the user asked to stop.
        TrainingError: it diverged, or its loss is no number.
    """
    from llm_playground.core.seeds import seed_everything
    from llm_playground.data.loader import TokenLoader
    from llm_playground.training.balance import balance_weight
    from llm_playground.training.engine import train
    from llm_playground.training.planner import check_memory
    from llm_playground.training.power_law import Point
    from llm_playground.training.pretrain import NextToken
    from llm_playground.transformer import TransformerLM
    from llm_playground.transformer.analysis.parameters import count_parameters

    finished = context.run_dir / RUNG_FILE
    if finished.is_file():
        return Point(**read_json(finished))
    context.run_dir.mkdir(parents=True, exist_ok=True)
    warmup = min(config.training.warmup_steps, steps // 4)
    settings = config.training.model_copy(update={"steps": steps, "warmup_steps": warmup})
    length = shape.context_length
    objective = NextToken(
        TokenLoader(tokens_folder, "train", length, context.seed),
        TokenLoader(tokens_folder, "val", length, shuffle=False),
        settings.eval_batches,
        settings.batch_size,
        balance_weight(shape),
        settings.micro_batch_size,
    )
    check_memory(shape, settings, length, context)
    seed_everything(context.seed)
    result = train(TransformerLM(shape), objective, settings, context, tokens_per_row=length, stage="scaling")
    loss = result.metrics.get("val/loss", math.nan)
    if not math.isfinite(loss):
        raise ConfigError(
            "training: the validation loss of a model of the ladder is no number.",
            hint="Lower the learning rate.",
            field="training.learning_rate",
        )
    point = Point(count_parameters(shape).without_embeddings, result.tokens, loss)
    write_json_atomic(finished, asdict(point))
    return point


def run(config: ScalingConfig, context: Context) -> Artifact:
    """Train the ladder, fit the law, predict the next width, and publish it all.

    Raises:
        NotFoundError, ConfigError, InputError: ids, shapes or data are wrong.
        StopRequested: the user asked to stop.
    """
    from llm_playground.data.loader import TokenLoader
    from llm_playground.tokenization import load_tokenizer
    from llm_playground.training.power_law import fit_power_law
    from llm_playground.training.pretrain import resolve_model
    from llm_playground.transformer.analysis.parameters import count_parameters

    tokens = context.workspace.get(config.tokens, "tokens")
    base = resolve_model(config, load_tokenizer(tokens.path))
    TokenLoader(tokens.path, "train", base.context_length, context.seed).verify()
    shapes = {width: rung_shape(base, width) for width in (*sorted(set(config.widths)), config.next_width)}
    every = [max(1, round(config.training.steps * share)) for share in sorted(set(config.shares))]
    todo = [(width, steps) for width in sorted(set(config.widths)) for steps in every]
    total = len(todo) + config.verify
    points = []
    for place, (width, steps) in enumerate(todo):
        name = f"width {width}" if len(every) == 1 else f"width {width}, {steps} steps"
        rung = _Rung(context, name, place, total)
        points.append(train_rung(config, shapes[width], steps, tokens.path, rung))
    fit = fit_power_law(points, seed=context.seed)
    parameters = count_parameters(shapes[config.next_width]).without_embeddings
    read = max(point.tokens for point in points)
    measured = None
    if config.verify:
        rung = _Rung(context, f"width {config.next_width}", len(todo), total)
        measured = train_rung(config, shapes[config.next_width], every[-1], tokens.path, rung)
    ladder = _ladder(fit, [width for width, _ in todo], config.next_width, parameters, read, measured)
    context.log(_sentence(ladder))
    summary = {name: ladder[name] for name in ("law", "prediction", "measured", "error")}
    context.set_summary(**summary)
    with context.workspace.new_artifact(
        "measurement",
        name=config.name,
        parents=[tokens.id],
        config=config.model_dump(mode="json"),
        summary=summary,
        run_id=context.run_id,
    ) as draft:
        write_json_atomic(draft.path / LADDER_FILE, ladder)
    assert draft.artifact is not None
    return draft.artifact


def _ladder(
    fit: Fit, widths: Sequence[int], next_width: int, parameters: int, tokens: int, measured: Point | None
) -> dict[str, Any]:
    """Return JSON data: the law, its points, the line of a picture, and the prediction."""
    loss, interval = fit.predict(parameters, tokens)
    found = fit.to_dict()
    first, last = min(point.parameters for point in fit.points), 2 * parameters
    sizes = [first * (last / first) ** (place / 39) for place in range(40)]
    line = []
    for size in sizes:
        value, around = fit.predict(size, tokens)
        line.append(
            {
                "parameters": size,
                "loss": value,
                "low": None if around is None else around.low,
                "high": None if around is None else around.high,
            }
        )
    found["points"] = [
        {"width": width, **point} for width, point in zip(widths, found["points"], strict=True)
    ]
    prediction = {"width": next_width, "parameters": parameters, "tokens": tokens, "loss": loss}
    bounds = {} if interval is None else {"low": interval.low, "high": interval.high, "level": interval.level}
    return {
        **found,
        "prediction": {**prediction, **bounds},
        "measured": None if measured is None else asdict(measured),
        "error": None if measured is None else loss / measured.loss - 1,
        "line": line,
    }


def _sentence(ladder: Mapping[str, Any]) -> str:
    ahead = ladder["prediction"]
    said = f"Width {ahead['width']} ({ahead['parameters']:,} parameters) should reach {ahead['loss']:.3f}"
    if "low" in ahead:
        said += f", with {ahead['level']:.0%} between {ahead['low']:.3f} and {ahead['high']:.3f}"
    if ladder["measured"] is not None:
        said += f"; it reached {ladder['measured']['loss']:.3f}, {ladder['error']:+.1%} from the prediction"
    return said + "."
