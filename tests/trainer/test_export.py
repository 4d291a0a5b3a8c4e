"""Releases against Hugging Face transformers, and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from synthetic_run import EOS

from pipeline.errors import UserError
from trainer.config import ModelConfig, TrainConfig
from trainer.export import load_release, release_tensors, write_release, write_weights
from trainer.loop import train
from trainer.model import Transformer

transformers = pytest.importorskip("transformers", reason="transformers is a development dependency")


@pytest.fixture
def model(model_config: ModelConfig) -> Transformer:
    """Weights and biases far from their initial values, so that a swapped or missing one shows in the logits."""
    model = Transformer(model_config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.normal_(1.0 if tensor.ndim == 1 else 0.0, 0.1, generator=generator)
    return model.eval()


@pytest.fixture
def release(model: Transformer, run_folder: Path, tmp_path: Path) -> Path:
    tokenizer = (run_folder / "tokenizer.json").read_bytes()
    write_release(tmp_path / "release", model, tokenizer, (EOS, 0), "# Card\n", torch.float32)
    return tmp_path / "release"


def logits(model: Transformer, tokens: torch.Tensor, positions: torch.Tensor, documents: torch.Tensor | None):
    with torch.no_grad():
        return model.lm_head(model(tokens, positions, documents)[0])


def load_in_transformers(release: Path):
    found, info = transformers.AutoModelForCausalLM.from_pretrained(
        release, dtype=torch.float32, output_loading_info=True
    )
    return found.eval(), info


def test_transformers_computes_the_same_logits(release: Path, model: Transformer) -> None:
    found, info = load_in_transformers(release)
    assert type(found).__name__ == "Dots1ForCausalLM"
    assert not info["missing_keys"] and not info["unexpected_keys"] and not info["mismatched_keys"]
    tokens = torch.randint(384, (2, 40), generator=torch.Generator().manual_seed(1))
    positions = torch.arange(40).expand(2, 40)
    with torch.no_grad():
        theirs = found(input_ids=tokens).logits
    assert (theirs - logits(model, tokens, positions, None)).abs().max() <= 1e-5
    assert theirs.std() > 0.1  # not equal because nothing happens


def test_transformers_agrees_on_packed_documents(release: Path, model: Transformer) -> None:
    """It takes positions that restart as borders of documents."""
    found, _ = load_in_transformers(release)
    tokens = torch.randint(384, (1, 30), generator=torch.Generator().manual_seed(1))
    positions = torch.cat([torch.arange(11), torch.arange(19)])[None]
    documents = (torch.arange(30) >= 11).long()[None]
    with torch.no_grad():
        theirs = found(input_ids=tokens, position_ids=positions, use_cache=False).logits
    assert (theirs - logits(model, tokens, positions, documents)).abs().max() <= 1e-5


def test_tokenizer_loads_in_transformers(release: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(release)
    text = "the cook cuts salt."
    assert tokenizer.eos_token == EOS and tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert set(tokenizer(text)) == {"input_ids", "attention_mask"}  # what the model's generate() takes


def test_release_loads_back_bit_for_bit(release: Path, model: Transformer) -> None:
    loaded, eos_id = load_release(release)
    assert loaded.config == model.config and eos_id == 0
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


def test_several_weight_files_with_an_index_load_as_one(release: Path, model: Transformer) -> None:
    """What a model above four gigabytes is written as."""
    (release / "model.safetensors").unlink()
    write_weights(release, release_tensors(model, torch.float32), file_bytes=200_000)
    assert len(list(release.glob("model-*-of-*.safetensors"))) > 2
    _, info = load_in_transformers(release)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert torch.equal(load_release(release)[0].lm_head.weight, model.lm_head.weight)


def test_bfloat16_release_keeps_the_router_in_float32(model: Transformer) -> None:
    """In bfloat16 other experts would be chosen than in training."""
    dtypes = {name: tensor.dtype for name, tensor in release_tensors(model, torch.bfloat16)}
    router = {name for name, dtype in dtypes.items() if dtype == torch.float32}
    assert router == {f"model.layers.{n}.mlp.gate.{p}" for n in (1, 2) for p in ("weight", "e_score_correction_bias")}


def test_config_names_every_field_that_versions_of_transformers_stumble_over(release: Path) -> None:
    config = json.loads((release / "config.json").read_text())
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"] == 1e7
    wanted = {"n_group": 1, "topk_group": 1, "topk_method": "noaux_tc", "scoring_func": "sigmoid", "moe_layer_freq": 1}
    assert wanted.items() <= config.items()


def test_trained_release_has_a_card_with_its_data(run_folder: Path, train_config: TrainConfig, tmp_path: Path) -> None:
    outcome = train(str(run_folder), train_config, tmp_path, steps=2)
    card = (outcome.release / "README.md").read_text()
    state = json.loads((outcome.checkpoint / "state.json").read_text())
    assert state["data"]["shards/manifest.json"] in card and state["data"]["mix.json"] in card
    for category, tokens in outcome.progress.tokens_by_category.items():
        assert f"| {category} | {tokens:,} |" in card


def test_a_folder_without_a_dots1_release_is_refused(release: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no release"):
        load_release(tmp_path)
    (release / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(UserError, match="llama"):
        load_release(release)
