"""How far a number may move before that counts as a change."""

from __future__ import annotations

from dataclasses import dataclass

#: What a floor may be at most, as a share of the number that it is for: of a small number not an
#: amount is judged, but the ratio.
CAP = 0.2


@dataclass(frozen=True)
class Allowance:
    """How far a number may move: a floor, or a share of a strength, whichever is larger.

    The floor is never more than a fifth of the strength, and what is allowed never less than
    ``least``: allowed(s) = max(share · s, least, min(floor, s / 5)).

    Attributes:
        floor: what is allowed of numbers that are not small, as an amount.
        share: what is allowed of large ones, as a share.
        least: what is allowed however small a number is: what harmless changes do to it by
            themselves. It is 0 where they move a small number less.
    """

    floor: float
    share: float
    least: float = 0.0

    def of(self, strength: float) -> float:
        """The allowed deviation of something as strong as that."""
        size = abs(strength)
        return max(self.share * size, self.least, min(self.floor, CAP * size))

    @classmethod
    def neat(cls, floor: float, share: float, least: float = 0.0) -> Allowance:
        """With its amounts rounded to three digits, as a baseline's file shows them."""
        return cls(float(f"{floor:.3g}"), share, float(f"{least:.3g}"))

    @classmethod
    def of_scale(cls, whole: float) -> Allowance:
        """Of numbers whose scale is the caller's own: a tenth, or half of that of the whole."""
        return cls.neat(0.05 * abs(whole), 0.1, 0.025 * abs(whole))
