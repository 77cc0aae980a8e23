"""Whether two findings are the same quantity at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.findings.quantity import differing
from pytest_circuits.verdicts.verdict import About, Change, Reason

if TYPE_CHECKING:
    from pytest_circuits.findings import Finding


def differences(found: Finding, approved: Finding) -> list[Reason]:
    """The fields that make the two different quantities; empty if they are the same.

    What makes a quantity is said at :func:`pytest_circuits.findings.quantity.differing`.
    """
    return [
        Reason(Change.DIFFERS, About.FIELD, field, "", _text(before), _text(after))
        for field, (before, after) in differing(found, approved).items()
    ]


def _text(value: object) -> str:
    return "none" if value is None else str(value)
