"""How far a finding may lie from its baseline before it counts as a change.

The one place that holds the defaults. A tolerance is a floor or a share of the strength of what
is judged (a head's own value, a role's sum), whichever is larger: benign changes move large
values further than small ones. A head's share is not of the role's sum, which grows with the
number of heads until whole heads fit into it.

The evidence is SmolLM2-135M-Instruct, largest change of any head:

================  =================  ============  ===============  ============
change            induction score    attribution   logit difference  repeat loss
================  =================  ============  ===============  ============
bf16              0.004              0.011         0.03              0.01
int8              0.014              0.027         0.10              0.08
1 % noise         0.018              0.034         0.03              0.02
5 % noise         0.14               0.27          0.47              0.48
top head zeroed   0.17               2.57          0.09 … 2.98       2.17
================  =================  ============  ===============  ============

The first three are benign and stay inside the defaults; the last two are damage and do not.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_circuits.findings import Finding, Json

#: Behaviour below this share of the reference's is gone.
DEAD_SHARE = 0.2
#: How often the default tolerances were wrong about the benign rows of the constructed changes:
#: findings that the gate failed, of how many.
BENIGN_ALARMS: tuple[int, int] = (2, 1408)


@dataclass(frozen=True)
class Allowance:
    """A floor, or a share of a strength, whichever is larger."""

    floor: float
    share: float

    def of(self, strength: float) -> float:
        """The allowed deviation of something as strong as that."""
        return max(self.floor, self.share * abs(strength))


#: By the canary's kind. The text on SmolLM2, 252 tokens, loss 3.94: benign changes move it by 0.02
#: at most, heads of one role that are silenced by 0.03, and 5 % noise, a zeroed first layer or
#: unembedding by 0.07 and more. Drawn tokens on the bundled model, where one head is a quarter of a
#: layer: any one head 0.10 at most, the previous-token head that all induction hangs on 0.28.
_TEXT = Allowance(floor=0.05, share=0.0125)
_CANARIES = {"text": _TEXT, "drawn tokens": Allowance(floor=0.11, share=0.025)}


@dataclass(frozen=True)
class Tolerance:
    """What a baseline allows.

    Attributes:
        value: for one head's value, or for the number of a finding without heads.
        top: as a share of the strongest head's value, what any head's value may move. Benign
            noise does not care how strong a head is, and the strongest sets the scale.
        role: for the summed strength of a role.
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

        Args:
            strongest: its value.
            threshold: of the role, if there is one. However strong the strongest is, a head that
                has just the role and loses half of what that takes has changed.
        """
        share = self.top * abs(strongest)
        if threshold is not None:
            share = min(share, threshold / 2)
        floor = max(self.value.floor, share)
        return replace(self, value=replace(self.value, floor=floor), top=0.0)


_ROLE = Allowance(floor=0.1, share=0.1)
_TOP = 0.05
_ANY_VALUE = Allowance(floor=0.05, share=0.1)
_ANY_BEHAVIOUR = Allowance(floor=0.1, share=0.05)

_VALUES = {
    "logit_diff": Allowance(floor=0.2, share=0.05),
    "repeat_loss": Allowance(floor=0.15, share=0.05),
}
_BEHAVIOURS = {
    "repeat_loss": Allowance(floor=0.15, share=0.05),
    "repeat_gain": Allowance(floor=0.15, share=0.05),
    "repeat_accuracy": Allowance(floor=0.05, share=0.0),
    "logit_diff": Allowance(floor=0.2, share=0.05),
    "clean_logit_diff": Allowance(floor=0.2, share=0.05),
    "corrupted_logit_diff": Allowance(floor=0.2, share=0.05),
    "logit_diff_gap": Allowance(floor=0.2, share=0.05),
    "accuracy": Allowance(floor=0.1, share=0.0),
}


def default_tolerance(finding: Finding) -> Tolerance:
    """The default tolerance of a finding, by its measure, its companion's names and its canary."""
    return Tolerance(
        value=_VALUES.get(finding.measure, _ANY_VALUE),
        role=_ROLE,
        behaviours={b.name: _BEHAVIOURS.get(b.name, _ANY_BEHAVIOUR) for b in finding.companion},
        canary=_TEXT if finding.canary is None else _CANARIES.get(finding.canary.kind, _TEXT),
        top=_TOP if finding.axes else 0.0,
    )


def encode_tolerance(tolerance: Tolerance) -> dict[str, Json]:
    """The tolerance as a JSON document."""
    return {
        "value": _pair(tolerance.value),
        "role": _pair(tolerance.role),
        "behaviours": {name: _pair(a) for name, a in tolerance.behaviours.items()},
        "canary": _pair(tolerance.canary),
        "top": tolerance.top,
        "origin": tolerance.origin,
    }


def decode_tolerance(document: Mapping[str, Any]) -> Tolerance:
    """The tolerance in a document that :func:`encode_tolerance` made."""
    return Tolerance(
        value=Allowance(*map(float, document["value"])),
        role=Allowance(*map(float, document["role"])),
        behaviours={
            name: Allowance(*map(float, pair)) for name, pair in document["behaviours"].items()
        },
        canary=Allowance(*map(float, document["canary"])),
        top=float(document["top"]),
        origin=document["origin"],
    )


def _pair(allowance: Allowance) -> list[Json]:
    return [allowance.floor, allowance.share]
