"""Ground truth about a checkpoint, by code that shares nothing with what is under test.

It uses torch and transformers alone. No suite and no prompt builder has what it asks:
held-out texts, other templates and names, repeats of other tokens and lengths, sentences to
complete. A reference and a candidate are asked exactly the same, so their difference is paired.
"""

from __future__ import annotations

import hashlib
import random
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from evidence.cloze import CLOZE
from evidence.models import BASES
from evidence.storage import cache_folder, measured_once
from evidence.texts import documents

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from evidence.cases import Case

#: Raised when a question is asked in another way.
_VERSION = 1
#: Texts whose loss is measured, all held out; the first two are the English that labels go by.
REGISTERS = ("english", "modern", "code")
_WINDOWS = 10
_WINDOW = 128
#: Lengths of the blocks of tokens that are repeated, and how many of each.
PERIODS = (20, 60, 110, 150)
_BLOCKS = 4
_TEMPLATES = (
    "In the harbour {A} and {B} repaired a boat, and later {S} rented the boat to",
    "{A} and {B} shared a table at the wedding, where {S} poured some wine for",
    "All winter {A} and {B} worked on the roof, and in spring {S} paid the wages to",
    "Nobody saw that {A} and {B} were in the tower, when {S} whispered a secret to",
    "Since {A} and {B} both liked music, {S} played an old song for",
    "The letters from {A} and {B} were lost, so {S} repeated the news to",
)
_NAMES = (
    "Henry", "Susan", "George", "Helen", "William", "Ruth", "Charles", "Linda", "Edward", "Karen",
    "Frank", "Nancy", "Arthur", "Clara", "Walter", "Julia",
)  # fmt: skip
_PAIRS_OF_A_TEMPLATE = 8


def of(case: Case) -> dict[str, Any]:
    """The ground truth of a case, measured once and kept in the cache."""

    def measured() -> dict[str, Any]:
        with case.checkpoint() as folder:
            return measure(folder, case.base)

    return dict(measured_once(place(case), measured))


@cache
def reference(base: str) -> dict[str, Any]:
    """The ground truth of a base model."""
    where = cache_folder("truth", base) / f"reference-{_version(base)}.json"
    return dict(measured_once(where, lambda: measure(BASES[base].folder(), base)))


def place(case: Case) -> Path:
    """Where the ground truth of a case lies once it was measured."""
    name = f"{case.name}-{case.key()}-{_version(case.base)}.json"
    return cache_folder("truth", case.base) / name


@cache
def _version(base: str) -> str:
    """What is asked, as a hash: with other questions all ground truth is measured again."""
    asked = (
        _VERSION, REGISTERS, _WINDOWS, _WINDOW, PERIODS, _BLOCKS, _TEMPLATES, _NAMES,
        _PAIRS_OF_A_TEMPLATE, CLOZE[base], BASES[base].digest(),
    )  # fmt: skip
    return hashlib.sha256(repr(asked).encode()).hexdigest()[:8]


def measure(folder: Path, base: str) -> dict[str, Any]:
    """The ground truth of a checkpoint, as JSON holds it.

    ``loss``: mean loss per token in nats of each register. ``ioi``: accuracy and mean logit
    difference between the receiver and the giver. ``repeats``: mean loss per token in nats of the
    second of two equal blocks of random tokens, by the length of the block. ``cloze``: the share
    of sentences whose right end is likelier than the wrong one. Matrices are multiplied in
    bfloat16, those of reference and candidate alike, which moves none of these by a tenth of what
    labels go by and takes half the time.

    Args:
        folder: a Hugging Face checkpoint.
        base: the name of the model it comes from, which chooses the sentences to complete.
    """
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        return {
            "loss": {name: text_loss(model, tokenizer, name) for name in REGISTERS},
            "ioi": indirect_objects(model, tokenizer, ioi_prompts()),
            "repeats": {
                str(length): repeat_loss(model, tokenizer, length, _BLOCKS) for length in PERIODS
            },
            "cloze": cloze(model, tokenizer, CLOZE[base]),
        }


def text_loss(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str) -> float:
    """Mean loss per token, in nats, of windows of a held-out text."""
    rows = []
    for text in _chosen(name):
        ids = tokenizer(text[: 12 * _WINDOW], add_special_tokens=False)["input_ids"]
        rows.append(_begun(tokenizer, ids)[:_WINDOW])
    losses = [loss for row in _losses(model, rows) for loss in row]
    return sum(losses) / len(losses)


def _chosen(name: str) -> list[str]:
    return random.Random(f"truth {name}").sample(documents(name, "held out"), _WINDOWS)


def set_aside(name: str) -> list[str]:
    """The held-out texts that ground truth does not take."""
    chosen = set(_chosen(name))
    return [text for text in documents(name, "held out") if text not in chosen]


def repeat_loss(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, length: int, blocks: int
) -> float:
    """Mean loss per token, in nats, of the second of two equal blocks of random tokens.

    Tokens are drawn by what they say, not by number: a tokenizer that numbers the same tokens
    otherwise is asked the same.
    """
    special = set(tokenizer.all_special_tokens)
    numbers = tokenizer.get_vocab()
    words = sorted(token for token in numbers if token not in special)
    stream = random.Random(f"truth {length}")
    rows = []
    for _ in range(blocks):
        ids = [numbers[stream.choice(words)] for _ in range(length)]
        rows.append(_begun(tokenizer, ids + ids))
    # A loss stands before the token it is of, and the second block is the last ``length`` tokens.
    losses = [loss for row in _losses(model, rows) for loss in row[-length:]]
    return sum(losses) / len(losses)


def ioi_prompts() -> list[tuple[str, str, str]]:
    """Prompt, receiver and giver; each couple of names in both orders of giving."""
    stream = random.Random("truth names")
    found = []
    for template in _TEMPLATES:
        for _ in range(_PAIRS_OF_A_TEMPLATE):
            couple = stream.sample(_NAMES, 2)
            for giver in (0, 1):
                prompt = template.format(A=couple[0], B=couple[1], S=couple[giver])
                found.append((prompt, couple[1 - giver], couple[giver]))
    return found


def indirect_objects(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[tuple[str, str, str]],
) -> dict[str, float]:
    """How often the receiver is likelier than the giver, and by how many logits.

    A name that is several tokens is judged by the first of them.
    """
    rows, answers = [], []
    for prompt, receiver, giver in prompts:
        rows.append(_begun(tokenizer, _ids(tokenizer, prompt)))
        answers.append([_ids(tokenizer, f" {name}")[0] for name in (receiver, giver)])
    differences = []
    for logits, (right, wrong) in zip(_last_logits(model, rows), answers, strict=True):
        differences.append((logits[right] - logits[wrong]).item())
    return {
        "accuracy": sum(value > 0 for value in differences) / len(differences),
        "logit_difference": sum(differences) / len(differences),
    }


def cloze(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    sentences: Sequence[tuple[str, str, str]],
) -> float:
    """The share of sentences whose right end has the greater log-probability (its tokens' sum)."""
    rows, lengths = [], []
    for (begin, *ends), number in product(sentences, (0, 1)):
        end = _ids(tokenizer, f" {ends[number]}")
        rows.append(_begun(tokenizer, _ids(tokenizer, begin)) + end)
        lengths.append(len(end))
    scores = [
        -sum(row[-length:]) for row, length in zip(_losses(model, rows), lengths, strict=True)
    ]
    right = [one > other for one, other in zip(scores[::2], scores[1::2], strict=True)]
    return sum(right) / len(right)


def _ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _begun(tokenizer: PreTrainedTokenizerBase, ids: list[int]) -> list[int]:
    begin = tokenizer.bos_token_id
    return list(ids) if begin is None else [begin, *ids]


def _batches(rows: Sequence[list[int]]) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Rows of similar length together, padded at the end: causal models don't look there."""
    order = sorted(range(len(rows)), key=lambda number: len(rows[number]))
    for first in range(0, len(order), 8):
        chosen = order[first : first + 8]
        longest = len(rows[chosen[-1]])
        yield chosen, torch.tensor([rows[n] + [0] * (longest - len(rows[n])) for n in chosen])


def _losses(model: PreTrainedModel, rows: Sequence[list[int]]) -> list[list[float]]:
    """The loss of each token but the first, of each row."""
    found: list[list[float]] = [[] for _ in rows]
    for chosen, tokens in _batches(rows):
        logits = model(input_ids=tokens).logits[:, :-1].float()
        losses = logits.logsumexp(-1) - logits.gather(-1, tokens[:, 1:, None])[..., 0]
        for number, values in zip(chosen, losses, strict=True):
            found[number] = values[: len(rows[number]) - 1].tolist()
    return found


def _last_logits(model: PreTrainedModel, rows: Sequence[list[int]]) -> list[torch.Tensor]:
    found: list[torch.Tensor] = [torch.empty(0)] * len(rows)
    for chosen, tokens in _batches(rows):
        logits = model(input_ids=tokens).logits
        for number, values in zip(chosen, logits, strict=True):
            found[number] = values[len(rows[number]) - 1].float()
    return found
