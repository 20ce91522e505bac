"""The Hugging Face folder: names and layouts of gpt2 and llama checkpoints, both ways."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from llm_playground.core.errors import InputError, StorageError
from llm_playground.core.files import read_json, write_json_atomic, write_tensors
from llm_playground.transformer.config import ModelConfig

if TYPE_CHECKING:
    from llm_playground.transformer.model import TransformerLM

Model = TypeVar("Model", bound="TransformerLM")
CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"

_GPT2_TOP = {
    "embedding.weight": "transformer.wte.weight",
    "position_embedding.weight": "transformer.wpe.weight",
    "final_norm.weight": "transformer.ln_f.weight",
    "final_norm.bias": "transformer.ln_f.bias",
}
_GPT2_BLOCK = {
    "attention_norm": "ln_1",
    "attention.qkv": "attn.c_attn",
    "attention.output": "attn.c_proj",
    "ffn_norm": "ln_2",
    "ffn.up": "mlp.c_fc",
    "ffn.down": "mlp.c_proj",
}
_LLAMA_TOP = {
    "embedding.weight": "model.embed_tokens.weight",
    "final_norm.weight": "model.norm.weight",
    "head.weight": "lm_head.weight",
}
_LLAMA_BLOCK = {
    "attention_norm": "input_layernorm",
    "attention.output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn.down": "mlp.down_proj",
}


def to_hf_weights(state: dict[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    """Rename (and for GPT-2 transpose, for Llama split) our weights to the family's names."""
    if config.family == "gpt2":
        return dict(_to_gpt2(name, value) for name, value in state.items())
    if config.family == "llama":
        return {key: part for name, value in state.items() for key, part in _to_llama(name, value, config)}
    return dict(state)


def from_hf_weights(weights: dict[str, Tensor], config: ModelConfig, family: str) -> dict[str, Tensor]:
    """Return our weights from a family's names.

    Raises:
        StorageError: a weight is missing (named).
    """
    names = _names(config)
    result: dict[str, Tensor] = {}
    for name in names:
        if family == "gpt2":
            key, _ = _to_gpt2(name, None)
            value = _take(weights, key, key.removeprefix("transformer."))
            block_linear = name.startswith("blocks.") and name.endswith("weight") and "norm" not in name
            result[name] = value.t() if block_linear else value
        elif family == "llama":
            keys = [key for key, _ in _to_llama(name, None, config)]
            parts = [_take(weights, key) for key in keys]
            result[name] = parts[0] if len(parts) == 1 else torch.cat(parts)
        else:
            result[name] = _take(weights, name)
    return result


def _names(config: ModelConfig) -> list[str]:
    from llm_playground.transformer.model import TransformerLM

    with torch.device("meta"):
        return list(TransformerLM(config).state_dict())


def _take(weights: dict[str, Tensor], *names: str) -> Tensor:
    for name in names:
        if name in weights:
            return weights[name]
    raise StorageError(f"{WEIGHTS_FILE} lacks the weight {names[0]}.")


def _to_gpt2(name: str, value: Any) -> tuple[str, Any]:
    if name in _GPT2_TOP:
        return _GPT2_TOP[name], value
    _, index, rest = name.split(".", 2)
    part, kind = rest.rsplit(".", 1)
    # GPT-2 stores linear weights as [in, out] (its Conv1D), PyTorch as [out, in].
    if value is not None and kind == "weight" and "norm" not in part:
        value = value.t()
    return f"transformer.h.{index}.{_GPT2_BLOCK[part]}.{kind}", value


def _to_llama(name: str, value: Any, config: ModelConfig) -> list[tuple[str, Any]]:
    if name in _LLAMA_TOP:
        return [(_LLAMA_TOP[name], value)]
    _, index, rest = name.split(".", 2)
    part, kind = rest.rsplit(".", 1)
    prefix = f"model.layers.{index}"
    if part == "attention.qkv":
        sizes = [count * config.head_size for count in (config.heads, *[config.key_value_heads] * 2)]
        pieces = value.split(sizes) if value is not None else (None, None, None)
        return [
            (f"{prefix}.self_attn.{letter}_proj.{kind}", piece)
            for letter, piece in zip("qkv", pieces, strict=True)
        ]
    if part == "ffn.up":
        pieces = value.chunk(2) if value is not None else (None, None)
        return [
            (f"{prefix}.mlp.{which}_proj.{kind}", piece)
            for which, piece in zip(("gate", "up"), pieces, strict=True)
        ]
    return [(f"{prefix}.{_LLAMA_BLOCK[part]}.{kind}", value)]


def save_model(model: TransformerLM, folder: Path, dtype: torch.dtype | None = None) -> None:
    """Write ``config.json`` and ``model.safetensors`` below ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        name: value.detach().to("cpu", dtype or value.dtype).contiguous()
        for name, value in to_hf_weights(model.state_dict(), model.config).items()
    }
    config = model.config.to_hf()
    stored = str(next(iter(weights.values())).dtype).removeprefix("torch.")
    config["dtype"] = stored
    config.pop("torch_dtype", None)
    write_tensors(folder / WEIGHTS_FILE, weights, {"format": "pt"})
    write_json_atomic(folder / CONFIG_FILE, config)


def load_model(cls: type[Model], folder: Path, *, device: str, dtype: torch.dtype) -> Model:
    """Build a model of the folder's shape and fill it from its safetensors."""
    if not folder.is_dir():
        raise InputError(f"The model folder {folder} does not exist.")
    if not (folder / CONFIG_FILE).is_file():
        raise InputError(f"{folder} is not a model folder: it has no {CONFIG_FILE}.")
    raw = read_json(folder / CONFIG_FILE)
    if not isinstance(raw, dict):
        raise StorageError(f"{folder / CONFIG_FILE} is damaged: it must hold a mapping.")
    config = ModelConfig.from_hf(raw)
    family = raw["model_type"]
    state = from_hf_weights(read_weights(folder), config, family)
    with torch.device("meta"):
        model = cls(config)
    expected = model.state_dict()
    for name, value in state.items():
        if value.shape != expected[name].shape:
            raise StorageError(
                f"{WEIGHTS_FILE}: {name} has shape {tuple(value.shape)}, "
                f"but config.json says {tuple(expected[name].shape)}."
            )
    model.to_empty(device=device)
    if model.rotary is not None:  # not stored: computed from the configuration
        from llm_playground.transformer.layers import Rotary

        model.rotary = Rotary(config).to(device)
    model.to(dtype)
    model.load_state_dict({name: value.to(dtype) for name, value in state.items()})
    return model.eval()


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Read all tensors of a folder, sharded or not; only safetensors, never pickle.

    Raises:
        InputError: the folder holds no safetensors.
        StorageError: a file is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if (folder / INDEX_FILE).is_file():
        index = read_json(folder / INDEX_FILE)
        if not isinstance(index, dict) or not isinstance(index.get("weight_map"), dict):
            raise StorageError(f"{folder / INDEX_FILE} is damaged: it has no weight_map.")
        files = sorted(set(index["weight_map"].values()))
    elif (folder / WEIGHTS_FILE).is_file():
        files = [WEIGHTS_FILE]
    else:
        raise InputError(
            f"{folder} has no {WEIGHTS_FILE}.", hint="Only safetensors are read; pickle files are not opened."
        )
    weights: dict[str, Tensor] = {}
    for name in files:
        if Path(name).name != name:
            raise StorageError(f"{INDEX_FILE} names a file outside its folder: {name}.")
        try:
            weights |= load_file(folder / name)
        except (SafetensorError, OSError) as error:
            raise StorageError(f"{folder / name} is damaged: {error}.") from None
    return weights
