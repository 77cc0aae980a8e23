"""The second base model: of another family than SmolLM2, trained here from scratch.

A GPT-NeoX (attention and MLP in parallel, LayerNorm, biases, rotary positions) of six layers with
six heads each, with a tokenizer of its own. Trained until it has induction heads, identifies
indirect objects, makes verbs agree and knows capitals: what suites ask. Each step sees repeated
tokens and, after the first stage, text and sentences of a grammar, of which the answers alone are
learned. A step depends on its number alone, so training that was interrupted goes on where it last
saved, to the same weights.

Two things about the weights at the beginning save hours. One head of the first layer looks at the
previous token from the start, and the unembedding begins as the embedding. Induction heads then
form in 250 steps of a third of a second; without them none had formed after 700 of 0.9 seconds.
"""

from __future__ import annotations

import json
import math
import random
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

from evidence.sentences import CAPITALS, NAMES, NOUNS, giving, parts, sentence
from evidence.storage import cache_folder, write_whole
from evidence.texts import documents

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Raised when something here or in the sentences changes, so that no older model is taken for this.
VERSION = 2
_VOCABULARY = 4096
#: The token before every text; there is no other special one.
_BOS = "<|endoftext|>"
_STEPS = 1300
#: From this step on the optimizer begins anew, and the sentences are of people giving: who gets
#: the thing takes longest to be learned.
_AGAIN = 1100
_WARM_UP = 40
#: The peaks before that step and after it.
_LEARNING_RATES = 3e-3, 1e-3
#: The usual 0.02 leaves attention so even at first that heads find nothing for hundreds of steps.
_INITIAL = 0.06
_HEADS, _HEAD_SIZE, _ROTARY_BASE = 6, 32, 10000.0
#: The head that begins by looking back: how many of its rotary frequencies, and how strong a bias.
_LOOKING = 8, 3.0
_SAVE_EVERY = 50
_SEED = 0
#: Rows and tokens of a batch of text.
_TEXT = (4, 192)
#: Tokens of a batch of repeats.
_REPEATED = 1536
#: Repeats alone are learned until this step.
_ALONE = 280
#: Until a step: the length of rows of repeats, and the longest period.
_STAGES = ((_ALONE, 64, 31), (400, 160, 79), (_STEPS, 320, 159))
#: The shortest period.
_SHORTEST = 4
#: The share of repeats that are of random tokens; the others are of text.
_RANDOM = 0.8
#: Rows of a batch of sentences.
_SENTENCES = 80
_IGNORED = -100


def train(folder: Path) -> None:
    """Write the model and its tokenizer into a folder, which appears whole or not at all."""
    tokenizer = _tokenizer()
    text = _encoded(tokenizer)
    torch.manual_seed(_SEED)
    model = GPTNeoXForCausalLM(
        GPTNeoXConfig(
            vocab_size=_VOCABULARY, hidden_size=_HEADS * _HEAD_SIZE, num_hidden_layers=6,
            num_attention_heads=_HEADS, intermediate_size=768, max_position_embeddings=512,
            use_parallel_residual=True, initializer_range=_INITIAL,
            rope_parameters={
                "rope_type": "default", "rope_theta": _ROTARY_BASE, "partial_rotary_factor": 1.0,
            },
            tie_word_embeddings=False, bos_token_id=0, eos_token_id=0,
        )
    )  # fmt: skip
    _begin(model)
    optimizer = _optimizer(model)
    state = cache_folder("unfinished") / f"second-{VERSION}.safetensors"
    begun, seconds = _go_on(state, model, optimizer) if state.exists() else (0, 0.0)
    started = time.monotonic() - seconds
    for step in range(begun, _STEPS):
        if step == _AGAIN:
            optimizer = _optimizer(model)
        losses = _step(model, optimizer, tokenizer, text, step)
        if step % 20 == 0:
            shown = " ".join(f"{name} {loss:.3f}" for name, loss in losses.items())
            print(f"step {step} {time.monotonic() - started:.0f} s {shown}", flush=True)
        if (step + 1) % _SAVE_EVERY == 0:
            seconds = time.monotonic() - started
            write_whole(state, partial(_save, model, optimizer, step + 1, seconds))

    def write(place: Path) -> None:
        model.save_pretrained(place)
        tokenizer.save_pretrained(place)
        record = {"seconds": round(time.monotonic() - started), "steps": _STEPS}
        (place / "training.json").write_text(json.dumps(record))

    write_whole(folder, write)
    state.unlink(missing_ok=True)


@torch.no_grad()
def _begin(model: Any) -> None:  # noqa: ANN401 — torch types a model's modules as tensors too
    """Let the first head look at the previous token, and the unembedding be the embedding.

    The head's query and key are constant, so its attention depends on the distance of two
    positions alone. The key of each rotary frequency is the query turned by one position.
    """
    first = model.gpt_neox.layers[0].attention.query_key_value
    # Of each head its query, key and value; of query and key the first half of their numbers are
    # cosines and the second half sines of the rotary frequencies.
    weight = first.weight.view(_HEADS, 3 * _HEAD_SIZE, -1)[0]
    query, key, _ = first.bias.view(_HEADS, 3, 2, _HEAD_SIZE // 2)[0]
    some, strength = _LOOKING
    turned = _ROTARY_BASE ** (-torch.arange(0, 2 * some, 2) / _HEAD_SIZE)
    weight[: 2 * _HEAD_SIZE] = 0
    query[0, :some], query[1, :some] = strength * turned.cos(), -strength * turned.sin()
    key[0, :some] = strength
    model.get_output_embeddings().weight.copy_(model.get_input_embeddings().weight)


def _optimizer(model: GPTNeoXForCausalLM) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95), weight_decay=0.1)


def _rate(step: int) -> float:
    """The learning rate: it rises for some steps, and falls like a cosine to a twentieth."""
    again = step >= _AGAIN
    begin, end = (_AGAIN, _STEPS) if again else (0, _AGAIN)
    done = (step - begin) / (end - begin)
    risen = min(1.0, (step - begin + 1) / _WARM_UP)
    return _LEARNING_RATES[again] * risen * (0.05 + 0.95 * (1 + math.cos(math.pi * done)) / 2)


def _save(
    model: GPTNeoXForCausalLM,
    optimizer: torch.optim.Optimizer,
    step: int,
    seconds: float,
    path: Path,
) -> None:
    """Write down how far training is: the weights, and what the optimizer knows of each."""
    held = {f"weight.{name}": value.detach() for name, value in model.named_parameters()}
    for name, value in model.named_parameters():
        held |= {f"{part}.{name}": known for part, known in optimizer.state[value].items()}
    save_file(held, path, {"step": str(step), "seconds": str(seconds)})


def _go_on(
    path: Path, model: GPTNeoXForCausalLM, optimizer: torch.optim.Optimizer
) -> tuple[int, float]:
    """Go on from what was written down; the step, and the seconds so far."""
    with safe_open(path, framework="pt") as file:
        said = file.metadata()
        names = list(file.keys())
        for name, value in model.named_parameters():
            value.data = file.get_tensor(f"weight.{name}")
            optimizer.state[value] = {
                part: file.get_tensor(f"{part}.{name}")
                for part in {each.partition(".")[0] for each in names} - {"weight"}
            }
    return int(said["step"]), float(said["seconds"])


def _step(
    model: GPTNeoXForCausalLM,
    optimizer: torch.optim.Optimizer,
    tokenizer: PreTrainedTokenizerFast,
    text: torch.Tensor,
    step: int,
) -> dict[str, float]:
    """One update; the loss of each kind of batch."""
    stream = random.Random(f"{_SEED} {step}")
    for group in optimizer.param_groups:
        group["lr"] = _rate(step)
    batches = {"repeats": _repeats(text, stream, step)}
    if step >= _ALONE:
        of = parts if step < _AGAIN else giving
        batches |= {"text": _texts(text, stream), "sentences": _sentences(tokenizer, stream, of)}
    losses = {}
    for name, (tokens, labels) in batches.items():
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model(input_ids=tokens, labels=labels).loss
        loss.backward()
        losses[name] = loss.item()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return losses


def _texts(text: torch.Tensor, stream: random.Random) -> tuple[torch.Tensor, torch.Tensor]:
    rows, length = _TEXT
    starts = [stream.randrange(len(text) - length) for _ in range(rows)]
    tokens = torch.stack([text[start : start + length] for start in starts])
    tokens[:, 0] = 0
    return tokens, tokens


def _repeats(
    text: torch.Tensor, stream: random.Random, step: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows that repeat with a period of 4 tokens to about half their length.

    What comes for the first time isn't learnt. Rows are short at first, where heads that look for
    what followed the same token form sooner.
    """
    length, longest = next(stage[1:] for stage in _STAGES if step < stage[0])
    found = []
    for _ in range(_REPEATED // length):
        period = stream.randint(_SHORTEST, longest)
        if stream.random() < _RANDOM:
            block = torch.tensor(stream.sample(range(1, _VOCABULARY), period))
        else:
            start = stream.randrange(len(text) - period)
            block = text[start : start + period]
        row = block.repeat(length // period + 1)[: length - 1]
        labels = torch.cat([torch.full((period,), _IGNORED), row[period:]])
        found.append(
            (torch.cat([torch.tensor([0]), row]), torch.cat([torch.tensor([_IGNORED]), labels]))
        )
    return torch.stack([row for row, _ in found]), torch.stack([labels for _, labels in found])


def _sentences(
    tokenizer: PreTrainedTokenizerFast,
    stream: random.Random,
    of: Callable[[random.Random], tuple[str, str, str]],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows that end with an answer, which alone is learned: 150 steps are enough for names then."""
    rows, labels = [], []
    for _ in range(_SENTENCES):
        begin, answer, _ = of(stream)
        asked, said = ([*tokenizer(text)["input_ids"]] for text in (begin, f" {answer}"))
        rows.append([0, *asked, *said])
        labels.append([_IGNORED] * (1 + len(asked)) + said)
    longest = max(map(len, rows))

    def filled(every: list[list[int]], by: int) -> torch.Tensor:
        return torch.tensor([row + [by] * (longest - len(row)) for row in every])

    return filled(rows, 0), filled(labels, _IGNORED)


def _tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE, trained so that names, nouns and capitals are single tokens after a space."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY, special_tokens=[_BOS], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    nouns = [word for couple in NOUNS for word in couple]
    words = [*NAMES, *nouns, *CAPITALS, *CAPITALS.values()]
    stream = random.Random(_SEED)
    often = [f" {word}" for word in words] * 2000
    grammar = [sentence(stream) for _ in range(5000)]
    raw.train_from_iterator([*_prose(), *grammar, *often], trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=raw, bos_token=_BOS, eos_token=_BOS, pad_token=_BOS
    )


def _prose() -> tuple[str, ...]:
    return documents("english") + documents("modern")


def _encoded(tokenizer: PreTrainedTokenizerFast) -> torch.Tensor:
    """All prose one after the other, the token of a beginning in front of each document."""
    every = [[0, *ids] for ids in tokenizer(list(_prose()))["input_ids"]]
    return torch.tensor([token for ids in every for token in ids])
