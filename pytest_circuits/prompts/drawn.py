"""Prompt pairs that are drawn, and drawn again without the words a tokenizer splits."""

from __future__ import annotations

import dataclasses
import random
import warnings
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_circuits.findings.choices import is_whole
from pytest_circuits.prompts.pairs import PromptPairs
from pytest_circuits.prompts.tokens import PromptError, PromptWarning, is_single_token

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from pytest_circuits.prompts.tokenized import TokenizedPairs

_T = TypeVar("_T")

#: A message shows this many words at most.
_SHOWN = 12


class DrawnPairs(PromptPairs):
    """Prompt pairs from a builder.

    As text they are what is drawn from all of the builder's words. When they meet a tokenizer
    that does not have some of these words as the prompts need them (usually as single tokens),
    the same seed draws as many pairs from the other words; a :class:`PromptWarning` and
    :attr:`TokenizedPairs.dropped` say which words were left out.

    :meth:`anew` draws other pairs, with a text as their seed, and with templates, names, orders or
    lengths that these don't have.
    """

    def __init__(
        self,
        draw: Callable[[Collection[str]], PromptPairs],
        words: Sequence[str],
        *,
        what: str = "words that are not single tokens here",
        fits: Callable[[Any, str], bool] = is_single_token,
        again: Callable[[str, int], PromptPairs] | None = None,
    ) -> None:
        """Draw the pairs.

        Args:
            draw: given words to leave out, the pairs without them; raises PromptError if too few
                words remain.
            words: every word that may be drawn.
            what: what a dropped word is, in the plural.
            fits: given a tokenizer and a word, whether the prompts can have it.
            again: given a seed and how many at most, other pairs for the same behaviour.
        """
        pairs = draw(())
        super().__init__(
            pairs.clean,
            pairs.corrupted,
            pairs.answers,
            pairs.wrong_answers,
            clusters=pairs.clusters,
            templates=pairs.templates,
            positions=pairs.positions,
            name=pairs.name,
        )
        self._draw = draw
        self._words = words
        self._what = what
        self._fits = fits
        self._again = again

    def anew(self, seed: str, n: int | None = None) -> PromptPairs:
        """Other pairs for the same behaviour, from the same builder; see the base class."""
        from pytest_circuits.prompts.held_out import PAIRS

        if self._again is None:
            return super().anew(seed, n)
        return self._again(seed, PAIRS if n is None else n)

    def check(self, tokenizer: Any) -> TokenizedPairs:  # noqa: ANN401 — any Hugging Face tokenizer
        """Tokenize the pairs; those with words that don't fit here are replaced by others.

        Raises:
            PromptError: if too few words remain, or the pairs don't fit for another reason.
        """
        dropped = tuple(sorted(word for word in self._words if not self._fits(tokenizer, word)))
        if not dropped:
            return super().check(tokenizer)
        words = f"{len(dropped)} {self._what}: {_some(dropped)}"
        try:
            pairs = self._draw(frozenset(dropped))
        except PromptError as error:
            raise PromptError(
                f"{self.name} leaves out {words}\nToo few are left ({error})."
            ) from error
        tokenized = pairs.check(tokenizer)
        warnings.warn(f"{self.name}: dropped {words}", PromptWarning, stacklevel=2)
        return dataclasses.replace(tokenized, dropped=dropped)


class Stream:
    """Draws that are the same on every machine: those of ``random.Random(seed).random()``."""

    def __init__(self, seed: int | str) -> None:
        self._random = random.Random(seed).random  # noqa: S311 — a reproducible draw is the point

    def below(self, count: int) -> int:
        """A whole number from 0 to ``count − 1``."""
        return int(self._random() * count)

    def coin(self) -> bool:
        """True in half of the draws."""
        return self._random() < 0.5  # noqa: PLR2004

    def choose(self, items: Sequence[_T]) -> _T:
        """One of the items."""
        return items[self.below(len(items))]

    def take(self, items: list[_T]) -> _T:
        """One of the items, which is removed from them."""
        return items.pop(self.below(len(items)))


def check_count(builder: str, n: int, most: int, *, even: bool = False, anew: bool = False) -> int:
    """The number of pairs, if a builder can give it.

    Args:
        builder: its name.
        n: how many pairs are asked for.
        most: how many there are.
        even: whether they come in twos.
        anew: whether they are drawn anew: then as many as there are will do.

    Raises:
        PromptError: if ``n`` is none of the numbers there are.
    """
    least = 2 if even else 1
    if anew:
        n = min(n - n % least, most)
    if most < least:
        raise PromptError(f"{builder} has no pairs of these words")
    if not is_whole(n) or not least <= n <= most or (even and n % 2):
        number = "an even number of pairs" if even else "a number of pairs"
        raise PromptError(f"{builder} gives {number} from {least} to {most}")
    return n


def _some(words: Sequence[str]) -> str:
    more = len(words) - _SHOWN
    return ", ".join(words[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
