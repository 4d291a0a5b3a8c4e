"""Releases: a folder that Hugging Face transformers loads as Dots1ForCausalLM, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from pipeline.errors import UserError
from trainer.checkpoint import whole_folder
from trainer.config import ModelConfig
from trainer.model import Transformer

WEIGHT_FILE_BYTES = 4 << 30
ROUTER = ".mlp.gate."  # stays in float32, as in training


def write_release(
    folder: Path, model: Transformer, tokenizer: bytes, eos: tuple[str, int], card: str, dtype: torch.dtype
) -> None:
    """`tokenizer` is a tokenizer.json; `eos` its end-of-text token and that one's id; `card` becomes README.md."""
    with whole_folder(folder) as temporary:
        write_weights(temporary, release_tensors(model, dtype))
        write_json(temporary / "config.json", release_config(model.config, eos[1], dtype))
        (temporary / "tokenizer.json").write_bytes(tokenizer)
        write_json(temporary / "tokenizer_config.json", tokenizer_config(eos[0], model.config.context))
        (temporary / "README.md").write_text(card, encoding="utf-8")


def release_tensors(model: Transformer, dtype: torch.dtype) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors of the release. Experts are split: transformers 4 loads stacked ones as random weights."""
    for key, tensor in model.state_dict().items():
        name = key if key.startswith("lm_head.") else f"model.{key}"
        value = tensor.detach().cpu().to(torch.float32 if ROUTER in name else dtype)
        if name.endswith(".experts.gate_up_proj"):
            for expert, gate_up in enumerate(value):
                gate, up = gate_up.chunk(2)
                prefix = name.removesuffix("gate_up_proj")
                yield f"{prefix}{expert}.gate_proj.weight", gate.contiguous()
                yield f"{prefix}{expert}.up_proj.weight", up.contiguous()
        elif name.endswith(".experts.down_proj"):
            for expert, down in enumerate(value):
                yield f"{name.removesuffix('down_proj')}{expert}.down_proj.weight", down.contiguous()
        else:
            yield name, value.contiguous()


def write_weights(folder: Path, tensors: Iterable[tuple[str, Tensor]], file_bytes: int = WEIGHT_FILE_BYTES) -> None:
    """safetensors files of about `file_bytes` each, with an index where there is more than one."""
    parts: list[list[str]] = []
    waiting: dict[str, Tensor] = {}
    total = 0

    def flush() -> None:
        save_file(waiting, folder / f"part-{len(parts)}", metadata={"format": "pt"})
        parts.append(list(waiting))
        waiting.clear()

    for name, tensor in tensors:
        if waiting and sum(value.nbytes for value in waiting.values()) + tensor.nbytes > file_bytes:
            flush()
        waiting[name] = tensor
        total += tensor.nbytes
    flush()
    if len(parts) == 1:
        (folder / "part-0").rename(folder / "model.safetensors")
        return
    files = [f"model-{number + 1:05d}-of-{len(parts):05d}.safetensors" for number in range(len(parts))]
    for number, file in enumerate(files):
        (folder / f"part-{number}").rename(folder / file)
    places = {name: file for file, names in zip(files, parts, strict=True) for name in names}
    write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": places})


def release_config(config: ModelConfig, eos_id: int, dtype: torch.dtype) -> dict[str, Any]:
    """config.json with every field: the defaults of transformers are not the model's. `rope_theta` is there for
    version 4, which ignores `rope_parameters`; `n_group` must be a number."""
    return {
        "architectures": ["Dots1ForCausalLM"],
        "model_type": "dots1",
        "vocab_size": config.vocabulary,
        "hidden_size": config.width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.heads,
        "head_dim": config.head_width,
        "first_k_dense_replace": config.dense_layers,
        "intermediate_size": config.dense_width,
        "n_routed_experts": config.experts,
        "num_experts_per_tok": config.experts_per_token,
        "n_shared_experts": config.shared_experts,
        "moe_intermediate_size": config.expert_width,
        "moe_layer_freq": 1,
        "n_group": 1,
        "topk_group": 1,
        "topk_method": "noaux_tc",
        "scoring_func": "sigmoid",
        "norm_topk_prob": True,
        "routed_scaling_factor": config.routed_scaling,
        "aux_loss_alpha": config.balance_loss,
        "hidden_act": "silu",
        "rms_norm_eps": config.norm_eps,
        "rope_theta": config.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "max_position_embeddings": config.context,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "sliding_window": None,
        "max_window_layers": config.layers,
        "layer_types": ["full_attention"] * config.layers,
        "initializer_range": config.init_std,
        "tie_word_embeddings": False,
        "use_cache": True,
        "bos_token_id": None,
        "eos_token_id": eos_id,
        "pad_token_id": None,
        "torch_dtype": str(dtype).removeprefix("torch."),
    }


def tokenizer_config(eos: str, context: int) -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": eos,
        "model_max_length": context,
        "model_input_names": ["input_ids", "attention_mask"],  # the default adds one that generate() refuses
        "clean_up_tokenization_spaces": False,
    }


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def load_release(folder: Path) -> tuple[Transformer, int]:
    """The model of a release that this trainer wrote, in float32, and its end-of-text id.

    Raises UserError where there is none.
    """
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder} holds no release: give a folder with config.json and model.safetensors")
    release = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    model = Transformer(model_config(release, folder))
    tensors = {
        name.removeprefix("model."): tensor.float()
        for file in sorted(folder.glob("*.safetensors"))
        for name, tensor in load_file(file).items()
    }
    for key in model.state_dict():
        if ".experts." in key:
            prefix, projection = key.rsplit(".", 1)
            sources = ["gate_proj", "up_proj"] if projection == "gate_up_proj" else ["down_proj"]
            tensors[key] = torch.stack(
                [
                    torch.cat([tensors.pop(f"{prefix}.{expert}.{source}.weight") for source in sources])
                    for expert in range(model.config.experts)
                ]
            )
    model.load_state_dict(tensors)
    return model.eval(), release["eos_token_id"]


def model_config(release: dict[str, Any], folder: Path) -> ModelConfig:
    if release.get("model_type") != "dots1":
        raise UserError(f"{folder} is a release of a {release.get('model_type')} model; only dots1 can be loaded")
    return ModelConfig(
        vocabulary=release["vocab_size"],
        layers=release["num_hidden_layers"],
        width=release["hidden_size"],
        heads=release["num_attention_heads"],
        head_width=release["head_dim"],
        dense_layers=release["first_k_dense_replace"],
        dense_width=release["intermediate_size"],
        experts=release["n_routed_experts"],
        experts_per_token=release["num_experts_per_tok"],
        shared_experts=release["n_shared_experts"],
        expert_width=release["moe_intermediate_size"],
        routed_scaling=release["routed_scaling_factor"],
        balance_loss=release["aux_loss_alpha"],
        rope_theta=release["rope_theta"],
        norm_eps=release["rms_norm_eps"],
        context=release["max_position_embeddings"],
        init_std=release["initializer_range"],
    )
