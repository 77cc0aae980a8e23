"""Which positions of prompts a measure takes apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from pytest_circuits.findings import ChoiceError
from pytest_circuits.prompts import PromptError
from pytest_circuits.prompts.pairs import digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_circuits.findings import Json
    from pytest_circuits.prompts import TokenizedPairs

#: Every position, all of them at once, or some by name or index.
PositionsLike: TypeAlias = "Literal['each', 'all'] | Sequence[str | int]"


@dataclass(frozen=True)
class Positions:
    """Positions that are told apart.

    Attributes:
        names: what they are called.
        indices: the index of each in every prompt.
    """

    names: tuple[str, ...]
    indices: tuple[tuple[int, ...], ...]

    @property
    def convention(self) -> dict[str, Json]:
        """The choice of them: a name may stand for another token in other prompts."""
        return {"positions": ", ".join(self.names), "indices": digest(self.indices)}


def make_positions(positions: PositionsLike, tokenized: TokenizedPairs) -> Positions | None:
    """The positions that were asked for; None for all at once.

    Args:
        positions: ``"each"`` position of prompts of one length, ``"all"`` at once, or a list of
            names (``END`` is the last one) and indices, which count from the end if negative.
        tokenized: the prompts.

    Raises:
        PromptError: if prompts of several lengths have no position in common, or a prompt has
            no such position.
        ChoiceError: if it is none of these.
    """
    if positions == "all":
        return None
    if positions == "each":
        if len(tokenized.lengths) > 1:
            raise PromptError(
                f"these prompts have {' or '.join(map(str, tokenized.lengths))} tokens, so that "
                f"a position is not the same in all of them.\n"
                f'Name positions (positions=["S2", "END"]), or count from the end '
                f"(positions=[-2, -1])."
            )
        wanted: Sequence[str | int] = range(tokenized.lengths[0])
    elif isinstance(positions, str | int) or not positions:
        raise ChoiceError(f"positions is 'each', 'all' or a list of names, not {positions!r}")
    else:
        wanted = positions
    for one in wanted:
        if isinstance(one, bool) or not isinstance(one, str | int):
            raise ChoiceError(f"a position is a name or an index, not {one!r}")
    found = Positions(tuple(map(str, wanted)), tuple(tokenized.at(one) for one in wanted))
    if len(set(found.indices)) < len(wanted):
        raise ChoiceError(f"positions names one twice: {', '.join(found.names)}")
    return found
