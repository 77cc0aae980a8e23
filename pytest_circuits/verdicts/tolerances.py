"""How far a finding may lie from its baseline before it counts as a change.

How far one value may move is declared by its measure (``Finding.allowance``); all other defaults
are here. A tolerance is a floor or a share of the strength of what is judged (a head's own value, a
role's sum), whichever is larger: benign changes move large values further than small ones. A head's
share is not of the role's sum, which grows with the number of heads until whole heads fit into
it. The floor is at most a fifth of what is judged: a small probability, divergence or loss is
judged by its ratio. What is allowed is never less than harmless changes move such a number by
themselves, however small it is.

The evidence is SmolLM2-135M-Instruct, largest change of any head:

================  =================  ============  ===============  ============  ===========
change            induction score    attribution   logit difference  repeat loss   repeat gain
================  =================  ============  ===============  ============  ===========
bf16              0.004              0.011         0.03              0.01          0.001
int8              0.016              0.027         0.10              0.09          0.06
1 % noise         0.026              0.034         0.03              0.16          0.18
5 % noise         0.14               0.27          0.47              0.52          0.19
top head zeroed   0.17               2.57          0.09 … 2.98       2.38          2.39
five zeroed       0.42                                               8.94          8.94
================  =================  ============  ===============  ============  ===========

(Of eight draws of 1 % noise; two block lengths, repeat loss 2.76, repeat gain 11.26.)

The first three are benign and stay inside the defaults; the others are damage and do not, but for
the gain under noise: it is a difference, and both losses grow.

What is near 0 (SmolLM2's unless it is said; noise on the bundled model):

==================================  =========  ========================================
number                              before     bf16, int8, computed in bf16, noise
==================================  =========  ========================================
answer's probability                0.4425     0.4431, 0.4452
answer's probability                1.54e-5    1.53e-5, 1.66e-5
the same, bundled model             4.64e-5    4.64e-5, 4.69e-5, 5.01e-5
KL divergence from itself           0          4.2e-5, 0.0022
the same, bundled model             0          4e-7, 4e-6, 1.4e-5; 5 %: 0.0004
repeat loss, bundled model          0.0017     0.0017; 5 %: 0.0022; 20 %: 0.021
repeat accuracy, of 150 tokens      0.4        0.407, 0.387
harm to a repeat loss               -0.073     int8: -0.061
harm to a divergence                0.129      int8: 0.126
attention, fractions near 0         below 5 %  0.0016 … 0.004 (of the strongest, int8)
==================================  =========  ========================================

A probability moves by 8 % at most, whatever its size, which is why a fifth of it is a change.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pytest_circuits.findings import Allowance as Allowance  # noqa: PLC0414 — Tolerance shows it
from pytest_circuits.findings.allowance import CAP

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_circuits.findings import Behaviour, Finding, Json

#: Behaviour below this share of the reference's is gone.
DEAD_SHARE = 0.2

#: By the canary's kind. The text on SmolLM2, 252 tokens, loss 3.94: benign changes move it by 0.02
#: at most, heads of one role that are silenced by 0.03, and 5 % noise, a zeroed first layer or
#: unembedding by 0.07 and more. Drawn tokens on the bundled model, where one head is a quarter of a
#: layer: any one head 0.10 at most, the previous-token head that all induction hangs on 0.28.
_TEXT = Allowance(floor=0.05, share=0.0125, least=0.01)
_CANARIES = {"text": _TEXT, "drawn tokens": Allowance(floor=0.11, share=0.025, least=0.02)}


@dataclass(frozen=True)
class Tolerance:
    """What a baseline allows.

    Attributes:
        value: for one head's value, one cell of a matrix, or one number.
        top: as a share of the strongest head's value, what any head's value may move. Benign
            noise does not care how strong a head is, and the strongest sets the scale.
        role: for the summed strength of a role, or for a matrix as a whole.
        behaviours: for each companion behaviour.
        canary: for the loss on a fixed text, which fails nothing: beyond it, the whole model
            moved.
        origin: where it came from; ``default`` unless somebody set it.
    """

    value: Allowance
    role: Allowance
    behaviours: Mapping[str, Allowance] = field(default_factory=dict)
    canary: Allowance = _TEXT
    top: float = 0.0
    origin: str = "default"

    def beside(self, strongest: float, threshold: float | None = None) -> Tolerance:
        """The tolerance of values of which the strongest is as strong as that.

        It sets the scale for all of them: of a value near 0 its own size says nothing.

        Args:
            strongest: its value.
            threshold: of the role, if there is one. However strong the strongest is, a head that
                has just the role and loses half of what that takes has changed.
        """
        floor = max(min(self.value.floor, CAP * abs(strongest)), self.top * abs(strongest))
        if threshold is not None:
            floor = min(floor, threshold / 2)
        floor = max(floor, self.value.least)
        return replace(self, value=Allowance(floor, self.value.share, least=floor), top=0.0)

    def among(self, finding: Finding) -> Tolerance:
        """The tolerance of a finding's values, beside the strongest of them.

        That is the strongest of a role's members, or of all values where there is no role; one
        number stands beside none.
        """
        if not finding.axes:
            return self
        if finding.role is None:
            return self.beside(float(abs(finding.values[finding.present]).max()))
        strongest = max(map(abs, finding.members().values()), default=0.0)
        return self.beside(strongest, finding.role.threshold)


_ROLE = Allowance(floor=0.1, share=0.1)
_TOP = 0.05
#: For measures that declare nothing: attention (also between named tokens, or over a mask), and
#: recovered fractions of any site and position.
_ANY_VALUE = Allowance(floor=0.05, share=0.1, least=0.005)
#: A rank may go one up or down, or a tenth: near the top neighbours swap, far from it many do.
_RANK = Allowance(floor=1.0, share=0.1, least=1.0)

#: A difference of logits is near 0 on a scale that goes on below it, and has no ratio there.
_LOGITS = Allowance(floor=0.2, share=0.05, least=0.1)
_REPEAT = Allowance(floor=0.15, share=0.075, least=0.01)
#: A share of few prompts moves in steps, however small it is.
_COUNTED = Allowance(floor=0.1, share=0.0, least=0.1)
#: A share of many tokens moves in small steps.
_TOKENS = Allowance(floor=0.05, share=0.0, least=0.02)
#: A mean of probabilities has no steps.
_PROBABILITY = Allowance(floor=0.05, share=0.0, least=1e-8)
#: Means over a whole vocabulary: what harmless changes do to them is a few hundredths of a nat.
_DIVERGENCE = Allowance(floor=0.05, share=0.1, least=0.01)

#: The loss on the first block is in it too, which a model that was tuned moves without any harm.
_GAIN = Allowance(floor=0.15, share=0.15, least=0.01)

#: Behaviours whose name says more than their unit.
_BEHAVIOURS = {
    "repeat_loss": _REPEAT,
    "repeat_loss_second_seed": _REPEAT,
    "repeat_gain": _GAIN,
}
#: All others, by their unit.
_UNITS = {
    "logits": _LOGITS,
    "nats": _DIVERGENCE,
    "probability": _PROBABILITY,
    "share of prompts": _COUNTED,
}


def default_tolerance(finding: Finding) -> Tolerance:
    """The default tolerance of a finding.

    Its values have what the measure declares, companion behaviours what their name or unit has.
    """
    ranks = finding.unit == "rank"
    value = finding.allowance or (_RANK if ranks else _ANY_VALUE)
    matrix = finding.axes and finding.role is None
    return Tolerance(
        value=value,
        # All values of a matrix together may move as far as any one of them.
        role=Allowance(
            max(_ROLE.floor, value.floor) if matrix else _ROLE.floor, _ROLE.share, value.least
        ),
        behaviours={b.name: _of_behaviour(b, finding) for b in finding.companion},
        canary=_TEXT if finding.canary is None else _CANARIES.get(finding.canary.kind, _TEXT),
        # The last rank of a large vocabulary sets no scale for the first.
        top=_TOP if finding.axes and not ranks else 0.0,
    )


def _of_behaviour(behaviour: Behaviour, finding: Finding) -> Allowance:
    """A behaviour's tolerance by its name, or else by its unit."""
    known = _BEHAVIOURS.get(behaviour.name) or _UNITS.get(behaviour.unit)
    if known is not None:
        return known
    if behaviour.unit.startswith("share"):
        return _TOKENS
    whole = [b.value for b in finding.companion if b.name == finding.relative_to]
    return Allowance.of_scale(whole[0] if whole else 0.0)


def encode_tolerance(tolerance: Tolerance) -> dict[str, Json]:
    """The tolerance as a JSON document."""
    return {
        "value": list(astuple(tolerance.value)),
        "role": list(astuple(tolerance.role)),
        "behaviours": {name: list(astuple(a)) for name, a in tolerance.behaviours.items()},
        "canary": list(astuple(tolerance.canary)),
        "top": tolerance.top,
        "origin": tolerance.origin,
    }


def decode_tolerance(document: Mapping[str, Any]) -> Tolerance:
    """The tolerance in a document that :func:`encode_tolerance` made."""
    return Tolerance(
        value=Allowance(*map(float, document["value"])),
        role=Allowance(*map(float, document["role"])),
        behaviours={
            name: Allowance(*map(float, parts)) for name, parts in document["behaviours"].items()
        },
        canary=Allowance(*map(float, document["canary"])),
        top=float(document["top"]),
        origin=document["origin"],
    )
