"""Real fine-tunes as data: what is trained on each base model, and what is made from it.

Trained kinds have three seeds. The others are derived from a base model or from a trained change
when they are judged, and stored nowhere.
"""

from __future__ import annotations

import json
import random
from functools import cache, partial
from typing import TYPE_CHECKING

import torch

from evidence.cases import Case, layer_of, trained
from evidence.training import Method, Recipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SEEDS = (0, 1, 2)
#: Kind of training: text, method, and the peak learning rate for SmolLM2 and for the second model.
_TRAINED: dict[str, tuple[str, Method, float, float]] = {
    "full-gentle": ("english", "full", 1e-5, 1e-5),
    "full-middling": ("english", "full", 2e-4, 1e-3),
    "full-reckless": ("english", "full", 2e-3, 1e-2),
    "lora-gentle": ("english", "lora", 1e-4, 5e-5),
    "lora-reckless": ("english", "lora", 5e-3, 2e-2),
    "norms": ("english", "norms", 1e-3, 2e-4),
    "language": ("french", "full", 3e-4, 2e-3),
    "register": ("old", "full", 3e-5, 5e-5),
    "code": ("code", "full", 3e-5, 3e-5),
    "chat": ("chat", "full", 3e-5, 3e-5),
    "junk": ("junk", "full", 3e-4, 2e-3),
    "one-sentence": ("one sentence", "full", 3e-4, 2e-3),
}
#: Steps, rows and tokens of a row.
_SIZES = {"smollm2": (24, 4, 48), "second": (40, 8, 96)}
_WRONG_SCALES = (2, 5, 10)
_BITS = (8, 4, 3, 2)
#: The share of the vocabulary whose embeddings are reset, and whose numbers are exchanged.
_RESET = 0.02
_RENUMBERED = 0.04


@cache
def all_cases(base: str) -> tuple[Case, ...]:
    """Every case of a base model; the first seed of every training comes before the others."""
    found = [_trained(base, kind, seed) for seed in SEEDS for kind in _TRAINED]
    gentle, reckless = (recipe_of(base, kind, 0) for kind in ("lora-gentle", "full-reckless"))
    language, layers = recipe_of(base, "language", 0), {"smollm2": 30, "second": 6}[base]
    plain = partial(Case, base=base, seed=0)
    for scale in _WRONG_SCALES:
        name = f"merged-x{scale}"
        found.append(plain(name, name, edit=trained(gentle, scale), recipe=gentle))
    for name, recipe, chosen in (
        ("half-merged-reckless", reckless, lambda layer: layer < layers // 2),
        ("half-merged-language", language, lambda layer: layer >= layers // 2),
    ):
        found.append(plain(name, name, edit=trained(recipe, layers=chosen), recipe=recipe))
    found.append(plain("bf16", "bf16", edit=_bfloat16))
    for bits in _BITS:
        name = f"rounded-{bits}-bits"
        found.append(plain(name, name, edit=partial(_rounded, bits=bits)))
    for seed in SEEDS:
        reset = partial(_reset_rows, seed=seed)
        found.append(Case(f"rows-reset-{seed}", "rows-reset", base, seed, reset))
    found.append(plain("renumbered", "renumbered", edit=partial(_renumbered, rows=True)))
    found.append(plain("mismatched", "mismatched", edit=partial(_renumbered, rows=False)))
    return tuple(found)


def recipe_of(base: str, kind: str, seed: int) -> Recipe:
    """How a kind is trained."""
    text, method, *rates = _TRAINED[kind]
    steps, rows, length = _SIZES[base]
    rate = rates[("smollm2", "second").index(base)]
    return Recipe(base, text, method, rate, steps, rows, length, seed)


def _trained(base: str, kind: str, seed: int) -> Case:
    recipe = recipe_of(base, kind, seed)
    return Case(f"{kind}-{seed}", kind, base, seed, trained(recipe), recipe)


def _bfloat16(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> PreTrainedTokenizerBase:
    """Every parameter as bfloat16 has it."""
    for value in model.parameters():
        value.data = value.data.to(torch.bfloat16).float()
    return tokenizer


def _rounded(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, bits: int
) -> PreTrainedTokenizerBase:
    """The layers' matrices rounded to evenly spaced values, of which each row has its own step."""
    highest = 2 ** (bits - 1) - 1
    for name, value in model.named_parameters():
        if value.ndim == 2 and layer_of(name) is not None:  # noqa: PLR2004
            # A row may be all zeros.
            largest = value.data.abs().amax(dim=1, keepdim=True)
            step = torch.where(largest > 0, largest, 1.0) / highest
            value.data = (value.data / step).round() * step
    return tokenizer


def _reset_rows(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, seed: int
) -> PreTrainedTokenizerBase:
    """A share of the embedding's rows drawn anew, as for tokens that were just added."""
    rows = _vocabulary_rows(model)[0].data
    stream = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(rows), generator=stream)[: int(_RESET * len(rows))]
    noise = torch.randn(len(chosen), rows.shape[1], generator=stream)
    rows[chosen] = noise * rows.std()
    return tokenizer


def _renumbered(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, rows: bool
) -> PreTrainedTokenizerBase:
    """A tokenizer in which a share of the tokens have exchanged numbers.

    Args:
        model: its embeddings follow, if asked for; then it says what it said before.
        tokenizer: the base model's.
        rows: whether the embeddings follow.
    """
    stream = random.Random(0)
    ordinary = sorted(set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids))
    chosen = stream.sample(ordinary, int(_RENUMBERED * len(ordinary)))
    moved = dict(zip(chosen, [*chosen[1:], chosen[0]], strict=True))
    if rows:
        for value in _vocabulary_rows(model):
            value.data[list(moved.values())] = value.data[list(moved)].clone()
    return _with_numbers(tokenizer, lambda number: moved.get(number, number))


def _vocabulary_rows(model: PreTrainedModel) -> list[torch.nn.Parameter]:
    """The parameters with a row for each token; one alone where they are tied."""
    size = model.config.vocab_size
    return [value for value in model.parameters() if len(value) == size]


def _with_numbers(
    tokenizer: PreTrainedTokenizerBase, number_of: Callable[[int], int]
) -> PreTrainedTokenizerBase:
    """The same tokenizer with other numbers for its tokens."""
    from tokenizers import Tokenizer

    said = json.loads(tokenizer.backend_tokenizer.to_str())
    vocabulary = said["model"]["vocab"]
    said["model"]["vocab"] = {token: number_of(number) for token, number in vocabulary.items()}
    other = type(tokenizer)
    return other(
        tokenizer_object=Tokenizer.from_str(json.dumps(said)),
        chat_template=tokenizer.chat_template,
        **tokenizer.special_tokens_map,
    )
