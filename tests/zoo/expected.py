"""Which measures are refused on which architecture, and whether what comes out is that."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.specimens import SPECIMENS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.outcomes import Outcome


@dataclass(frozen=True)
class Refusal:
    """A reason for which measures are refused.

    Attributes:
        name: what it is called in a table.
        says: what the refusal says, in part.
        measures: the measures' names, or patterns of them; ``load`` for the model itself.
        specimens: on which architectures.
    """

    name: str
    says: str
    measures: tuple[str, ...]
    specimens: tuple[str, ...]

    def of(self, specimen: str, measure: str) -> bool:
        """Whether a measure is refused for this reason."""
        matched = any(fnmatchcase(measure, pattern) for pattern in self.measures)
        return specimen in self.specimens and matched


def read_refusals() -> list[Refusal]:
    """All of them."""
    read = tomllib.loads((Path(__file__).parent / "refusals.toml").read_text(encoding="utf-8"))
    return [
        Refusal(one["name"], one["says"], tuple(one["measures"]), tuple(one["specimens"]))
        for one in read.get("refusal", [])
    ]


REFUSALS = read_refusals()


def refusal_of(specimen: str, measure: str) -> Refusal | None:
    """For what reason a measure is refused on an architecture; None if it isn't."""
    return next((one for one in REFUSALS if one.of(specimen, measure)), None)


def surprises(specimen: str, outcomes: dict[str, Outcome]) -> list[str]:
    """What does not come out as it should, a line each."""
    found = [
        f"{measure}: {odd}"
        for measure, outcome in outcomes.items()
        for odd in _odd(outcome, refusal_of(specimen, measure))
    ]
    model = SPECIMENS[specimen].model
    # Of a multimodal model its text model is measured.
    names = (model, model.replace("ForConditionalGeneration", "ForCausalLM"))
    found += [
        f"{measure}: {outcome.message!r} does not name {model}"
        for measure, outcome in outcomes.items()
        if outcome.kind == "refused" and not any(name in outcome.message for name in names)
    ]
    return found


def _odd(outcome: Outcome, refusal: Refusal | None) -> Iterator[str]:
    if outcome.kind not in ("equal", "refused"):
        yield str(outcome)
    elif refusal is None:
        if outcome.kind == "refused" and outcome.has:
            yield str(outcome)
    elif outcome.kind == "equal":
        yield f"is right, and is expected to be refused as {refusal.name!r}"
    elif not outcome.has:
        yield f"is no exception, the model has none; expected as {refusal.name!r}"
    elif refusal.says not in outcome.message:
        yield f"refused, but does not say {refusal.says!r}: {outcome.message}"
