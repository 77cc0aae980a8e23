"""Train and write the three bundled ``recall`` checkpoints.

``recall`` is a two-layer attention-only transformer (d_model 64, 4 heads of 16, rotary positions,
LayerNorm, 42k parameters) over 64 English words and ``<bos>``. It learns one thing, to repeat a
list of words it has seen, and does so with the textbook circuit: a previous-token head in layer 0
feeding induction heads in layer 1.

Recipe: each sequence is ``<bos>`` and 48 words that repeat a block of 6 to 24 distinct random
words. The period is drawn anew for each sequence; with a fixed one the model learns to look back
by that offset and grows no previous-token head. 600 steps of AdamW at 3e-3, batches of 32,
next-token loss on every position. Two further checkpoints start from it:

``recall-finetuned``
    150 steps at 1e-4 on fresh sequences of the same kind: new weights, same circuit.
``recall-regressed``
    100 steps at 2e-3 on independent random words: the induction heads dissolve, the previous-token
    head remains.

Figures at the default seed, over 256 sequences of ``<bos>``, 24 distinct words, and the same 24
again (loss is in nats; "with first" also counts the first word of the second copy, which induction
cannot know, and which the model guesses because no block in training is longer than 24):

================ ====== ========== ======== ===================== =====================
                 loss   with first accuracy induction L1H0-3      previous token L0H0-3
================ ====== ========== ======== ===================== =====================
recall           0.002  0.069      1.000    1.00 0.96 0.96 0.97   0.15 0.16 0.32 0.62
recall-finetuned 0.001  0.054      1.000    1.00 0.96 0.96 0.97   0.14 0.16 0.32 0.61
recall-regressed 4.166  4.165      0.015    0.00 0.03 0.00 0.00   0.04 0.15 0.38 0.53
================ ====== ========== ======== ===================== =====================

One CPU thread takes half a minute. The same seed and library versions write the same bytes;
another processor or torch build may round differently.
"""

from __future__ import annotations

import argparse
import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch.nn.functional import cross_entropy, pad
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge.sources.native import NativeModel, initialize_native_model
from transformers import PreTrainedTokenizerFast

if TYPE_CHECKING:
    from collections.abc import Callable

    Sampler = Callable[[int, torch.Generator], torch.Tensor]

BOS = "<bos>"
# There is no unknown token: a word that is not in this list makes the tokenizer raise. "a" is in it
# because transformer-lens encodes that string to find out whether a tokenizer prepends BOS.
_WORD_LIST = """
    a apple bear bell bird boat book bread bridge cake candle cat chair cloud coat coin corn cow cup
    deer desk dog door drum duck egg farm fish flag fork fox frog garden gate goat gold hat horse
    house key lake lamp leaf lion map milk moon nest owl pear pen pig rain ring river road rose salt
    ship shoe snow star stone tree
"""
WORDS = _WORD_LIST.split()
N_WORDS = 48  # in every sequence, after BOS
PERIODS = (6, 24)  # shortest and longest repeated block, both included

# The keyword arguments of TransformerBridgeConfig; what a checkpoint needs is spelled out even
# where it equals a default, so that a changed default cannot change the model.
CONFIG: dict[str, Any] = {
    "attention_dir": "causal",
    "attn_only": True,
    "d_head": 16,
    "d_model": 64,
    "d_vocab": 1 + len(WORDS),
    "dtype": "float32",
    "eps": 1e-5,
    "n_ctx": 1 + N_WORDS,
    "n_heads": 4,
    "n_layers": 2,
    "normalization_type": "LN",
    "positional_embedding_type": "rotary",
    "rotary_base": 10000,
    "rotary_dim": 16,
}


def distinct_words(batch: int, n: int, rng: torch.Generator) -> torch.Tensor:
    """Sample word ids ``[batch, n]``, no word twice in the same row."""
    return 1 + torch.rand(batch, len(WORDS), generator=rng).argsort(dim=1)[:, :n]


def with_bos(words: torch.Tensor) -> torch.Tensor:
    """Put BOS (id 0) before each row of ``words`` ``[batch, pos]``."""
    return pad(words, (1, 0))


def repeated(batch: int, rng: torch.Generator) -> torch.Tensor:
    """Sample sequences ``[batch, 49]`` that repeat a block, each with a period of its own."""
    shortest, longest = PERIODS
    period = torch.randint(shortest, longest + 1, (batch, 1), generator=rng)
    block = distinct_words(batch, longest, rng)
    return with_bos(block.gather(1, torch.arange(N_WORDS) % period))


def unrepeated(batch: int, rng: torch.Generator) -> torch.Tensor:
    """Sample sequences ``[batch, 49]`` of independent words: nothing to recall."""
    return with_bos(torch.randint(1, 1 + len(WORDS), (batch, N_WORDS), generator=rng))


def new_model(seed: int) -> NativeModel:
    """Build a freshly initialised model."""
    dtype = getattr(torch, CONFIG["dtype"])
    config = TransformerBridgeConfig(**{**CONFIG, "dtype": dtype}, seed=seed)
    model = NativeModel(config)
    initialize_native_model(model, config)
    return model


def trained(start: NativeModel, draw: Sampler, *, steps: int, lr: float, seed: int) -> NativeModel:
    """Return a copy of ``start`` trained on ``steps`` batches of 32 from ``draw``."""
    model = copy.deepcopy(start)
    rng = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    for _ in range(steps):
        tokens = draw(32, rng)
        loss = cross_entropy(model(tokens)[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return model


@dataclass(frozen=True)
class Figures:
    """What a checkpoint does, measured on blocks of T distinct words given twice.

    ``loss`` and ``accuracy`` are those of the second copy without its first word;
    ``loss_with_first`` counts that word too. ``induction`` and ``previous`` are ``[layer, head]``:
    mean attention from a word's second occurrence to the word after its first (T - 1 back), and
    from any position to the one before it.
    """

    loss: float
    loss_with_first: float
    accuracy: float
    induction: torch.Tensor
    previous: torch.Tensor


@torch.no_grad()
def measure(model: NativeModel, n: int = 256, seed: int = 1234) -> Figures:
    """Measure on ``n`` sequences, the same for every checkpoint as the seed is fixed."""
    t = N_WORDS // 2
    block = distinct_words(n, t, torch.Generator().manual_seed(seed))
    tokens = with_bos(block.repeat(1, 2))

    patterns: list[torch.Tensor] = []  # per layer: [head, query, key], mean over sequences
    hooks = [
        layer.attn.register_forward_hook(lambda _m, _args, out: patterns.append(out[1].mean(0)))
        for layer in model.layers
    ]
    logits = model(tokens)[:, :-1]
    for hook in hooks:
        hook.remove()

    def attention_back(offset: int, first: int) -> torch.Tensor:
        query = torch.arange(first, tokens.shape[1])
        return torch.stack(patterns)[:, :, query, query - offset].mean(-1)

    nll = cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none")
    right = (logits.argmax(-1) == tokens[:, 1:]).float()
    return Figures(
        loss=nll[:, t + 1 :].mean().item(),
        loss_with_first=nll[:, t:].mean().item(),
        accuracy=right[:, t + 1 :].mean().item(),
        induction=attention_back(t - 1, first=t + 1),
        previous=attention_back(1, first=1),
    )


def table(figures: dict[str, Figures]) -> str:
    """Lay out one line for every checkpoint, head scores from head 0 to head 3."""
    bars = " ".join("=" * width for width in (16, 6, 10, 8, 21, 21))
    top = "                 loss   with first accuracy induction L1H0-3      previous token L0H0-3"
    rows = []
    for name, f in figures.items():
        scalars = f"{f.loss:<6.3f} {f.loss_with_first:<10.3f} {f.accuracy:<8.3f}"
        heads = [*f.induction[1].tolist(), *f.previous[0].tolist()]
        scores = [f"{score:.2f}" for score in heads]
        rows.append(f"{name:16} {scalars} {' '.join(scores[:4]):21} {' '.join(scores[4:])}")
    return "\n".join([bars, top, bars, *rows, bars])


def tokenizer() -> PreTrainedTokenizerFast:
    """Build the tokenizer: a word is a token, BOS comes first unless special tokens are off."""
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate([BOS, *WORDS])}))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    template = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, 0)])
    core.post_processor = template
    # Without an end and a padding token of its own, transformer-lens would give the tokenizer one
    # whose id lies outside the model's vocabulary.
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=core,
        bos_token=BOS,
        eos_token=BOS,
        pad_token=BOS,
        clean_up_tokenization_spaces=False,
        model_max_length=CONFIG["n_ctx"],
    )


def write(model: NativeModel, directory: Path) -> None:
    """Write one checkpoint: weights, config and tokenizer."""
    directory.mkdir(parents=True, exist_ok=True)
    kind = {"architectures": ["TransformerLensNative"], "model_type": "transformer_lens_native"}
    text = json.dumps(kind | CONFIG, indent=2, sort_keys=True)
    (directory / "config.json").write_text(text + "\n", encoding="utf-8")
    # Not save_file(), which makes a file that only its owner can read.
    weights = save(model.state_dict(), metadata={"format": "pt"})
    (directory / "model.safetensors").write_bytes(weights)
    tokenizer().save_pretrained(directory)


def main() -> None:
    """Train, measure and write the checkpoints."""
    bundled = Path(__file__).resolve().parents[1] / "pytest_circuits" / "models" / "bundled"
    parser = argparse.ArgumentParser(description="Train and write the bundled recall checkpoints.")
    parser.add_argument("--out", type=Path, default=bundled, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    args = parser.parse_args()

    torch.set_num_threads(1)  # the order of summation, and so the weights, depend on it
    seed: int = args.seed
    recall = trained(new_model(seed), repeated, steps=600, lr=3e-3, seed=seed)
    checkpoints = {
        "recall": recall,
        "recall-finetuned": trained(recall, repeated, steps=150, lr=1e-4, seed=seed + 1),
        "recall-regressed": trained(recall, unrepeated, steps=100, lr=2e-3, seed=seed + 3),
    }
    for name, model in checkpoints.items():
        write(model, args.out / name)
    print(table({name: measure(model) for name, model in checkpoints.items()}))


if __name__ == "__main__":
    main()
