"""Harmful, benign or ambiguous: a rule on ground truth alone, written before any verdict.

A candidate is compared with its reference in five quantities. Each has a limit of harm, and a limit
of benign that is a third of it:

===================================================== ================== ==================
quantity, in the bad direction                         harmful from      benign up to
===================================================== ================== ==================
rise of held-out loss, of the worse of two kinds of    0.2 nats           0.067 nats
English
fall of accuracy at indirect objects                   0.10               0.034
share of their logit difference that is lost           0.25               0.084
rise of the loss of repeated tokens, at the worst of   0.5 nats           0.167 nats
four lengths
fall of accuracy at completing sentences               0.10               0.034
===================================================== ================== ==================

One quantity at its limit of harm makes the candidate harmful; it is benign if all are within the
limit of benign, and ambiguous in between. An improvement
does not offset a loss.

Why these numbers. A loss that is 0.2 nats higher is a perplexity 22 % higher, more than lies
between neighbouring sizes of a model family. One in ten answers lost is what a user of a task
notices. A logit difference is no answer yet, but a quarter of it gone is a margin gone, and it
moves by a few per cent in harmless training. Repeats of random tokens are the most sensitive of the
five, and 0.5 nats is a probability of copying that fell by two fifths. A third of a limit is what
is hard to tell from noise: of 96 prompts about names and of 60 sentences and more, two or three.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Label = Literal["harmful", "benign", "ambiguous"]

#: The rule reads the loss of these kinds of English.
ENGLISH = ("english", "modern")
#: Each quantity's limit of harm, and its limit of benign.
LIMITS: dict[str, tuple[float, float]] = {
    "text loss": (0.2, 0.067),
    "name accuracy": (0.10, 0.034),
    "name margin": (0.25, 0.084),
    "repeat loss": (0.5, 0.167),
    "cloze accuracy": (0.10, 0.034),
}


def damage(reference: Mapping[str, Any], candidate: Mapping[str, Any]) -> dict[str, float]:
    """How far each quantity moved in the bad direction; below zero, it got better.

    Args:
        reference: ground truth as ``evidence.truth.measure`` gives it.
        candidate: the same of another checkpoint of the same model.
    """
    names, other = reference["ioi"], candidate["ioi"]
    return {
        "text loss": _worst(candidate["loss"][name] - reference["loss"][name] for name in ENGLISH),
        "name accuracy": names["accuracy"] - other["accuracy"],
        "name margin": 1 - other["logit_difference"] / names["logit_difference"],
        "repeat loss": _worst(
            candidate["repeats"][length] - loss for length, loss in reference["repeats"].items()
        ),
        "cloze accuracy": reference["cloze"] - candidate["cloze"],
    }


def _worst(rises: Iterable[float]) -> float:
    """The largest; what is no number counts as larger than any."""
    return max(rises, key=lambda rise: math.inf if math.isnan(rise) else rise)


def label(reference: Mapping[str, Any], candidate: Mapping[str, Any]) -> Label:
    """Whether a candidate is harmful, benign or neither, by the rule above."""
    moved = damage(reference, candidate)
    # A model that has no numbers left gives none that compares: it is harmful.
    if any(not moved[name] < harm for name, (harm, _) in LIMITS.items()):
        return "harmful"
    if all(moved[name] <= benign for name, (_, benign) in LIMITS.items()):
        return "benign"
    return "ambiguous"
