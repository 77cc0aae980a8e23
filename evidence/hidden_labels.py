"""When a checkpoint counts as hidden damage, and when as a healthy control.

A pure function of what the ground truth measured, written down before any verdict was made.

The *gate* holds if none of its behaviours on its own prompts is worse than the reference's beyond
what a suite tolerates: a logit difference by 5 % or 0.2 logits, whichever is more; an accuracy by
more than one prompt of sixteen; a loss by 0.15 nats. Better is not worse: the gate lets it pass.
A behaviour that the reference doesn't do itself (accuracy below 0.75) is not looked at.

*Elsewhere* a behaviour is

- broken if its logit difference falls below 0.75 of the reference's, or its loss rises by 0.5 nats
  or more: far beyond what another draw of prompts makes (two draws of 16 prompts of SmolLM2 differ
  by a tenth), and beyond what a suite would ask for;
- intact if its logit difference keeps 0.9 of the reference's, its accuracy falls by 0.05 at most,
  and its loss rises by 0.17 nats at most, about a third of what counts as broken;
- in between otherwise.

A case is *hidden damage* if the gate holds and what the case was made to break is broken. It is a
*healthy control* if the gate holds and every behaviour elsewhere is intact. It is *neither* in all
other cases, is reported with the reason, and is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Collection

Label = Literal["hidden damage", "healthy control", "neither"]
State = Literal["broken", "in between", "intact"]

#: What a reference must do itself for a behaviour to be judged.
DONE = 0.75
#: What rounding may add.
_EXACT = 1e-6

#: Numbers by name: ``… logit_diff``, ``… accuracy``, or ``… loss``.
Numbers = dict[str, float]


@dataclass(frozen=True)
class Allowed:
    """How much worse a behaviour may be: a logit difference by a share or logits, and so on."""

    share: float
    logits: float
    accuracy: float
    nats: float

    def exceeded(self, reference: Numbers, found: Numbers) -> list[str]:
        """The behaviours that the reference does, and that are worse by more than that."""
        return [
            name
            for name, before in reference.items()
            if self._judged(name, reference) and self._worse(name, before, found[name])
        ]

    def _judged(self, name: str, reference: Numbers) -> bool:
        accuracy = reference.get(f"{name.rsplit(' ', 1)[0]} accuracy", 0.0)
        return name.endswith("loss") or accuracy >= DONE

    def _worse(self, name: str, before: float, after: float) -> bool:
        by = after - before if name.endswith("loss") else before - after
        if name.endswith("loss"):
            allowed = self.nats
        elif name.endswith("accuracy"):
            allowed = self.accuracy + _EXACT
        else:
            allowed = max(self.share * abs(before), self.logits)
        # What is no number is worse than any.
        return not by <= allowed


AT_THE_GATE = Allowed(share=0.05, logits=0.2, accuracy=1 / 16, nats=0.15)
UNBROKEN = Allowed(share=0.25, logits=0.0, accuracy=1.0, nats=0.5 - _EXACT)
INTACT = Allowed(share=0.1, logits=0.0, accuracy=0.05, nats=0.17)


def state(elsewhere: tuple[Numbers, Numbers], target: Collection[str]) -> tuple[State, list[str]]:
    """Whether a model is broken or intact elsewhere, and in which behaviours.

    Args:
        elsewhere: the behaviours elsewhere in the reference and in the case.
        target: as for :func:`label`.
    """
    hurt = UNBROKEN.exceeded(*elsewhere)
    aimed = [name for name in hurt if name.startswith(tuple(target))]
    if aimed:
        return "broken", aimed
    less = INTACT.exceeded(*elsewhere)
    return ("in between", less) if less else ("intact", [])


def label(
    gate: tuple[Numbers, Numbers], elsewhere: tuple[Numbers, Numbers], target: Collection[str]
) -> tuple[Label, str]:
    """What a case is, and why.

    Args:
        gate: the gate's behaviours in the reference and in the case.
        elsewhere: the behaviours elsewhere, the same.
        target: beginnings of the names of what the case was made to break, or of what its twin
            breaks.
    """
    if worse := AT_THE_GATE.exceeded(*gate):
        return "neither", f"worse at the gate: {', '.join(worse)}"
    found, names = state(elsewhere, target)
    if found == "broken":
        return "hidden damage", f"broken elsewhere: {', '.join(names)}"
    if found == "in between":
        return "neither", f"not intact elsewhere: {', '.join(names)}"
    return "healthy control", "intact elsewhere"
