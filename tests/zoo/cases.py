"""A model as it was stored, plain and hooked, and prompts that move it."""

from __future__ import annotations

import random
import subprocess
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from unittest import mock

import torch
import transformers
from transformers.models.auto import tokenization_auto
from zoo.family import WINDOW, random_model, redraw
from zoo.plain import Plain

from pytest_circuits.forward import Runs
from pytest_circuits.models import load, parse_source
from pytest_circuits.prompts import PromptPairs
from pytest_circuits.testing import WORDS, tiny_checkpoint, word_tokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn
    from transformer_lens.model_bridge import TransformerBridge
    from zoo.family import Family

    from pytest_circuits.prompts import TokenizedPairs

#: Words of a prompt (and <bos> before them), more than a window; pairs.
LENGTH, PAIRS = 6, 4
#: Parameters are drawn until the clean logit difference exceeds the corrupted one by so much, at
#: so many standard errors (four pairs tell no smaller gap from none), …
GAP, CLEAR = 0.1, 4.0
#: … and until some token but the first gets so much attention.
SHARP = 0.3
#: So many draws are tried.
_DRAWS = 60


@dataclass(frozen=True)
class Seen:
    """Pairs of one length, and the plain model's activations on them."""

    pairs: PromptPairs
    tokens: TokenizedPairs
    clean: dict[str, Any]
    corrupted: dict[str, Any]

    def difference(self, logits: Tensor) -> Tensor:
        """logit(answer) − logit(wrong answer); logits ``[row, …, vocabulary]``."""
        rows = range(len(self.tokens))
        return logits[rows, ..., self.tokens.answers] - logits[rows, ..., self.tokens.wrong_answers]

    @property
    def gaps(self) -> NDArray[np.float64]:
        """Clean − corrupted, ``[row]``."""
        clean, corrupted = (
            self.difference(seen["logits"][:, -1]) for seen in (self.clean, self.corrupted)
        )
        return (clean - corrupted).double().numpy()

    @property
    def sharpest(self) -> float:
        """The most attention that a token but the first gets on the clean prompts."""
        patterns = [one for one in self.clean.get("head_pattern", ()) if one is not None]
        return max((float(one[..., 1:].max()) for one in patterns), default=1.0)


def see(plain: Plain, seed: int, length: int = LENGTH) -> Seen:
    """Random words, one of them changed; answers are what that moves most, up and down.

    The changed word can be seen from the last one through a window, and others can't. The last
    word stands before the changed one too: something to look back for.
    """
    stream = random.Random(f"{seed} {length}")
    tokenizer, changed = plain.tokenizer, length - WINDOW
    texts, others = [], []
    for _ in range(PAIRS):
        *text, new = stream.sample(WORDS, length)
        text.append(text[changed - 1])
        texts.append(" ".join(text))
        others.append(" ".join([*text[:changed], new, *text[changed + 1 :]]))
    clean, corrupted = (
        plain.see(torch.tensor([tokenizer.encode(text) for text in group]))
        for group in (texts, others)
    )
    moved = (clean["logits"] - corrupted["logits"])[:, -1]
    # Words only: no <bos>, and nothing that a padded vocabulary has besides.
    order = 1 + moved[:, 1 : len(tokenizer)].argsort()
    answers, wrong = (tokenizer.convert_ids_to_tokens(order[:, end]) for end in (-1, 0))
    pairs = PromptPairs(texts, others, answers, wrong)
    return Seen(pairs, pairs.check(tokenizer), clean, corrupted)


def load_alone(folder: Path, dtype: str = "auto") -> TransformerBridge:
    """A stored model as the product loads it, which is to start no program.

    Transformer-lens installs what a model of images lacks, and swallows the error when it can't:
    it can't here, and is found out.

    Raises:
        ModelError: if the product refuses the model.
        RuntimeError: if something tries to start a program.
    """
    started: list[object] = []

    def refuse(_: object, arguments: object = None, *__: object, **___: object) -> None:
        started.append(arguments)
        raise OSError("no program is started while a model is loaded")

    with mock.patch.object(subprocess.Popen, "__init__", refuse):
        bridge = load(parse_source(str(folder)), device="cpu", dtype=dtype).bridge
    if started:
        raise RuntimeError(f"loading tries to start {started[0]}")
    return bridge


def telling(seen: Seen, gap: float = GAP, sharp: float = SHARP) -> bool:
    """Whether the prompts move the model, and some head looks somewhere."""
    if not bool(seen.clean["logits"].isfinite().all()):
        return False
    error = seen.gaps.std(ddof=1) / len(seen.gaps) ** 0.5
    return bool(seen.gaps.mean() >= max(gap, CLEAR * error)) and seen.sharpest > sharp


class Case:
    """A plain model, and pairs on which it does something.

    Attributes:
        seen: pairs of each length, and what the plain model does on them.
        even: those of one length, which the seed chooses.
    """

    def __init__(
        self, family: Family, model: nn.Module, seed: int = 0, lengths: Sequence[int] = (LENGTH,)
    ) -> None:
        self.family, self.seed = family, seed
        self.plain = Plain(family, model)
        self.seen = [see(self.plain, seed, length) for length in lengths]
        self.even = self.seen[seed % len(lengths)]
        self.pairs = PromptPairs(
            *(
                [entry for seen in self.seen for entry in getattr(seen.pairs, column)]
                for column in ("clean", "corrupted", "answers", "wrong_answers")
            )
        )

    def gradients(self, seen: Seen) -> dict[str, Any]:
        """∂(logit difference)/∂(activation) on the corrupted prompts; found once."""
        if id(seen) not in self._gradients:
            tokens = torch.tensor(seen.tokens.corrupted)
            found = self.plain.gradients(tokens, seen.corrupted, seen.difference)
            self._gradients[id(seen)] = found
        return self._gradients[id(seen)]

    @cached_property
    def _gradients(self) -> dict[int, dict[str, Any]]:
        return {}


class Stored(Case):
    """A model that was stored.

    Attributes:
        other: another model, from which a divergence is measured.
    """

    def __init__(self, family: Family, folder: Path, other: Other | None = None) -> None:
        model = getattr(transformers, family.model).from_pretrained(
            folder, attn_implementation="eager", dtype=getattr(torch, family.dtype)
        )
        model.eval().requires_grad_(requires_grad=False)
        super().__init__(family, model, family.draw)
        self.folder, self.other = folder, other

    @cached_property
    def runs(self) -> Runs:
        """The model as the product loads it.

        Raises:
            ModelError: if the product refuses it.
        """
        # Transformers has classes of models whose tokenizer is not what its file says.
        with mock.patch.object(tokenization_auto, "MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS", ()):
            return Runs(load_alone(self.folder, self.family.dtype))


def store(family: Family, folder: Path) -> Path:
    """Save a model that the prompts move, with the tokenizer of the words."""
    model: Any = random_model(family, family.draw)
    for again in range(1, _DRAWS):
        if all(map(telling, Case(family, model, family.draw).seen)):
            break
        redraw(model, family.draw + 1000 * again)
    else:
        raise ValueError(f"no draw of {family.model} moves the answers of random words")
    model.save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    return folder


class Other:
    """Another model with the same words."""

    def __init__(self, folder: Path) -> None:
        tiny_checkpoint(folder, "llama", seed=1)
        self.plain = transformers.LlamaForCausalLM.from_pretrained(folder).eval()
        self.runs = Runs(load_alone(folder))
