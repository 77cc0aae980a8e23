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

Figures at the default seed, measured as the package does, on 256 sequences of ``<bos>``, 24
distinct words, and the same 24 again (loss in nats over the second copy, without its first word,
which can't be known):

================ ===== ======== ===================== =====================
                 loss  accuracy induction L1H0-3      previous token L0H0-3
================ ===== ======== ===================== =====================
recall           0.002 1.000    1.00 0.97 0.96 0.97   0.15 0.16 0.32 0.62
recall-finetuned 0.001 1.000    1.00 0.96 0.96 0.97   0.14 0.16 0.32 0.61
recall-regressed 4.164 0.017    0.00 0.03 0.00 0.00   0.04 0.15 0.38 0.53
================ ===== ======== ===================== =====================

One CPU thread takes half a minute. The same seed and library versions write the same bytes;
another processor or torch build may round differently.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import cross_entropy, pad
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge.sources.native import NativeModel, initialize_native_model

from pytest_circuits import measures, prompts
from pytest_circuits.forward import Runs
from pytest_circuits.models import load, parse_source
from pytest_circuits.models.sources.native import write_native
from pytest_circuits.testing import word_tokenizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Sampler = Callable[[int, torch.Generator], torch.Tensor]

_WORD_LIST = """
    a apple bear bell bird boat book bread bridge cake candle cat chair cloud coat coin corn cow cup
    deer desk dog door drum duck egg farm fish flag fork fox frog garden gate goat gold hat horse
    house key lake lamp leaf lion map milk moon nest owl pear pen pig rain ring river road rose salt
    ship shoe snow star stone tree
"""
WORDS = _WORD_LIST.split()
N_WORDS = 48  # in every sequence, after BOS
PERIODS = (6, 24)  # shortest and longest repeated block, both included
SEQUENCES = prompts.repeated_tokens(batch=256, block=24)  # what the figures are measured on

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


def table(out: Path, names: Iterable[str]) -> str:
    """Measure the checkpoints in a folder: a line each, head scores from head 0 to head 3."""
    bars = " ".join("=" * width for width in (16, 5, 8, 21, 21))
    top = "                 loss  accuracy induction L1H0-3      previous token L0H0-3"
    rows = []
    for name in names:
        runs = Runs(load(parse_source(str(out / name)), device="cpu").bridge)
        induction = measures.induction_scores(runs, SEQUENCES)
        previous = measures.previous_token_scores(runs, SEQUENCES)
        loss, accuracy = (induction.behaviour(b).value for b in ("repeat_loss", "repeat_accuracy"))
        scores = [f"{score:.2f}" for score in (*induction.values[1], *previous.values[0])]
        row = f"{name:16} {loss:<5.3f} {accuracy:<8.3f}"
        rows.append(f"{row} {' '.join(scores[:4]):21} {' '.join(scores[4:])}")
    return "\n".join([bars, top, bars, *rows, bars])


def write(model: NativeModel, directory: Path) -> None:
    """Write one checkpoint: weights, config and tokenizer."""
    tokenizer = word_tokenizer(WORDS)
    tokenizer.model_max_length = CONFIG["n_ctx"]
    write_native(directory, model.state_dict(), CONFIG, tokenizer)


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
    print(table(args.out, checkpoints))


if __name__ == "__main__":
    main()
