"""A small Phi, trained here: another family than the bundled model and than Llama.

Parallel attention and MLP, LayerNorm with biases, rotary positions on half of each head, GELU,
biases throughout, the unembedding's too. It learns the bundled model's task from another seed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers

from pytest_circuits.testing import word_tokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence

_SCRIPT = Path(__file__).parents[2] / "scripts/train_recall.py"

_CONFIG: dict[str, Any] = {
    "bos_token_id": 0,
    "eos_token_id": 0,
    "hidden_act": "gelu_new",
    "hidden_size": 96,
    # Large enough for heads to tell positions apart from the first step on.
    "initializer_range": 0.12,
    "intermediate_size": 96,
    "max_position_embeddings": 49,
    "num_attention_heads": 6,
    "num_hidden_layers": 2,
    "rope_parameters": {
        "partial_rotary_factor": 0.5,
        "rope_theta": 10000.0,
        "rope_type": "default",
    },
}
# Half as long as the bundled model is trained, so that it is less sure of itself.
_TRAINING = {"steps": 300, "lr": 3e-3, "seed": 1}


def script() -> Any:
    """``scripts/train_recall.py`` as a module."""
    spec = importlib.util.spec_from_file_location("train_recall", _SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def recipe() -> str:
    """A hash of all that the weights depend on."""
    parts = (_CONFIG, _TRAINING, _SCRIPT.read_text(encoding="utf-8"), torch.__version__)
    return hashlib.sha256(repr((*parts, transformers.__version__)).encode()).hexdigest()[:16]


def untrained(words: Sequence[str]) -> transformers.PhiForCausalLM:
    """The model before its first step."""
    torch.manual_seed(_TRAINING["seed"])
    return transformers.PhiForCausalLM(transformers.PhiConfig(vocab_size=1 + len(words), **_CONFIG))


def write(model: transformers.PhiForCausalLM, words: Sequence[str], folder: Path) -> None:
    """Write a checkpoint, which appears whole or not at all."""
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    model.save_pretrained(unfinished)
    word_tokenizer(words).save_pretrained(unfinished)
    unfinished.rename(folder)


def train(folder: Path) -> None:
    """Train the model and write its checkpoint."""
    recall = script()
    start = _Logits(untrained(recall.WORDS))
    write(recall.trained(start, recall.repeated, **_TRAINING).model, recall.WORDS, folder)


class _Logits(torch.nn.Module):
    """A transformers model that returns its logits alone."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.model(tokens).logits
