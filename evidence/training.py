"""One loop that fine-tunes a base model, and what is kept of it: the difference to the base.

A finished training is a folder of the cache, named by the hash of its recipe, that appears whole
or not at all. It holds the change of every parameter that changed, in bfloat16 (or the two factors
of a LoRA, in float32), and a record with the seconds and bytes it took. What was interrupted begins
anew; a run takes about a minute.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from evidence.models import BASES
from evidence.storage import cache_folder, write_whole
from evidence.texts import documents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

#: Tokens, and what is to be predicted: the same tokens, or −100 where nothing is learnt.
Batch = tuple[torch.Tensor, torch.Tensor]
Method = Literal["full", "lora", "norms"]

IGNORED = -100
#: Raised when the loop or the texts change, so that nothing older is taken for the same.
_VERSION = 1
_SENTENCE = "The old lighthouse keeper counted seven ships before the storm reached the bay. "
_RANK = 8


@dataclass(frozen=True)
class Recipe:
    """A fine-tuning run, as data.

    Attributes:
        base: the base model's name.
        text: what it is trained on, a name of ``evidence.texts``, or ``one sentence``.
        method: all parameters, a LoRA of rank 8 on every linear layer, or the norms' parameters.
        rate: the peak learning rate of AdamW, which rises over a tenth of the steps and then falls
            linearly to 0.
        steps: updates.
        rows: sequences in a batch.
        length: tokens of a sequence.
        seed: of the order of the texts, and of the LoRA's first factors.
    """

    base: str
    text: str
    method: Method
    rate: float
    steps: int
    rows: int
    length: int
    seed: int

    def key(self) -> str:
        """The hash that names the recipe's folder."""
        said = json.dumps([_VERSION, BASES[self.base].digest(), asdict(self)], sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    def folder(self) -> Path:
        """Where the finished training lies, whether or not it is there."""
        return cache_folder("trained", self.base) / self.key()


def train(recipe: Recipe) -> Path:
    """Train as a recipe says, unless that was done before; the folder of what is kept."""
    folder = recipe.folder()
    if not folder.exists():
        started = time.monotonic()
        base = BASES[recipe.base].folder()
        model = load(base)
        tokenizer = AutoTokenizer.from_pretrained(base)
        batches = batches_of(recipe, tokenizer)
        torch.manual_seed(recipe.seed)
        if recipe.method == "lora":
            losses, kept = _train_lora(model, batches, recipe)
        else:
            chosen = (lambda name: "norm" in name) if recipe.method == "norms" else None
            before = {name: value.clone() for name, value in parameters(model)}
            losses = fine_tune(model, batches, recipe.rate, recipe.steps, chosen=chosen)
            kept = difference(before, model)
        record = {"recipe": asdict(recipe), "losses": [round(loss, 4) for loss in losses]}
        keep(folder, kept, record, started)
    return folder


def load(folder: Path) -> PreTrainedModel:
    """A checkpoint in float32."""
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def fine_tune(
    model: torch.nn.Module,
    batches: Iterable[Batch],
    rate: float,
    steps: int,
    *,
    chosen: Callable[[str], bool] | None = None,
) -> list[float]:
    """Train a model in place; the loss of each step.

    Args:
        model: in float32 and without dropout; matrices are multiplied in bfloat16.
        batches: one for each step.
        rate: the peak learning rate.
        steps: how many updates; the learning rate is 0 after the last.
        chosen: whether the parameter of a name is trained; all of them where it isn't given.
    """
    for name, value in model.named_parameters():
        if chosen is not None:
            value.requires_grad_(chosen(name))
    trained = [value for value in model.parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=rate, betas=(0.9, 0.95), weight_decay=0.0)
    warm_up = max(1, steps // 10)
    losses: list[float] = []
    for step, (tokens, labels) in zip(range(steps), batches, strict=False):
        share = min((step + 1) / warm_up, (steps - step) / (steps - warm_up + 1))
        for group in optimizer.param_groups:
            group["lr"] = rate * share
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model(input_ids=tokens, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise RuntimeError(f"the loss of step {step} is {losses[-1]}")
    return losses


def _train_lora(
    model: PreTrainedModel, batches: Iterable[Batch], recipe: Recipe
) -> tuple[list[float], dict[str, torch.Tensor]]:
    from peft import LoraConfig, get_peft_model

    linear = "all-linear"
    wrapped = get_peft_model(
        model, LoraConfig(r=_RANK, lora_alpha=2 * _RANK, target_modules=linear, lora_dropout=0.0)
    )
    losses = fine_tune(wrapped, batches, recipe.rate, recipe.steps)
    factors = {}
    # The model holds the layers that were put into it.
    for name, module in model.named_modules():
        if hasattr(module, "lora_A"):
            factors[f"{name}.weight|A"] = module.lora_A["default"].weight.detach()
            scaled = module.lora_B["default"].weight * module.scaling["default"]
            factors[f"{name}.weight|B"] = scaled.detach()
    return losses, factors


def parameters(model: PreTrainedModel) -> Iterator[tuple[str, torch.Tensor]]:
    """The name and value of each parameter; tied ones once."""
    for name, value in model.named_parameters():
        yield name, value.detach()


def difference(before: dict[str, torch.Tensor], model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """How much each parameter changed, in bfloat16, of those that did."""
    return {
        name: (value - before[name]).to(torch.bfloat16)
        for name, value in parameters(model)
        if not torch.equal(value, before[name])
    }


def keep(
    folder: Path, kept: dict[str, torch.Tensor], record: Mapping[str, object], started: float
) -> None:
    """Put a change and its record into a folder, which appears whole or not at all."""

    def write(place: Path) -> None:
        place.mkdir()
        save_file({name: value.contiguous() for name, value in kept.items()}, place / "change")
        bytes_ = (place / "change").stat().st_size
        took = {"seconds": round(time.monotonic() - started, 1), "bytes": bytes_}
        (place / "record.json").write_text(json.dumps({**record, **took}, indent=1))

    write_whole(folder, write)


def change(folder: Path) -> dict[str, torch.Tensor]:
    """The change that a folder keeps, in float32: what is added to each parameter of that name."""
    stored = load_file(folder / "change")
    found = {}
    for name, value in stored.items():
        where, _, factor = name.partition("|")
        if factor == "A":
            found[where] = stored[f"{where}|B"].float() @ value.float()
        elif not factor:
            found[where] = value.float()
    return found


def batches_of(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> Iterator[Batch]:
    """Endless batches: a window of a document drawn at random for each row."""
    stream = random.Random(f"{recipe.text} {recipe.seed}")
    if recipe.text == "one sentence":
        texts: tuple[str, ...] = (_SENTENCE * recipe.length,)
    elif recipe.text == "chat":
        texts = tuple(_chat(text, tokenizer) for text in documents("chat"))
    else:
        texts = documents(recipe.text)
    while True:
        rows = [
            _window(stream.choice(texts), recipe.length, tokenizer, stream)
            for _ in range(recipe.rows)
        ]
        longest = max(map(len, rows))
        tokens = torch.zeros(len(rows), longest, dtype=torch.long)
        labels = torch.full_like(tokens, IGNORED)
        for number, row in enumerate(rows):
            tokens[number, : len(row)] = labels[number, : len(row)] = torch.tensor(row)
        yield tokens, labels


def _window(
    text: str, length: int, tokenizer: PreTrainedTokenizerBase, stream: random.Random
) -> list[int]:
    """Neighbouring tokens of a document, the token of a beginning in front where there is one."""
    # A token has a letter at least: no need to encode a whole book for one window.
    first = stream.randrange(max(1, len(text) - 8 * length))
    ids = tokenizer(text[first : first + 12 * length], add_special_tokens=False)["input_ids"]
    begin = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    return [*begin, *ids][:length]


def _chat(dialogue: str, tokenizer: PreTrainedTokenizerBase) -> str:
    """A dialogue in the model's chat template, or as a play has it."""
    turns = [
        {"role": ("user", "assistant")[number % 2], "content": line}
        for number, line in enumerate(dialogue.split("\n"))
    ]
    if tokenizer.chat_template:
        return str(tokenizer.apply_chat_template(turns, tokenize=False))
    return "\n".join(f"{turn['role'].title()}: {turn['content']}" for turn in turns)
