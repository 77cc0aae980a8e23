"""The rows of ``expected.toml``."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from constructed.gate import NO_VERDICT

FILE = Path(__file__).with_name("expected.toml")


@dataclass(frozen=True)
class Expectation:
    """What the gate must say of one change.

    Attributes:
        change: the change's name.
        kind: ``benign``, ``damage``, ``not comparable`` or ``broken``.
        seeds: number of random draws.
        verdicts: what the worst verdict of a run may be.
        exit: pytest's exit status.
        says: what every failure must say.
        unmet: how many draws are known not to be as expected; they count as what they are.
        why: why a subject differs from the others; empty where it doesn't.
    """

    change: str
    kind: str
    seeds: int
    verdicts: tuple[str, ...]
    exit: int
    says: str = ""
    unmet: int = 0
    why: str = ""


def expectations(subject: str) -> list[Expectation]:
    """The rows, as they hold for a subject."""
    rows = tomllib.loads(FILE.read_text(encoding="utf-8"))["row"]
    return [_expectation(row, subject) for row in rows]


def _expectation(row: dict[str, Any], subject: str) -> Expectation:
    exceptions = [e for e in row.get("except", []) if subject in e["models"]]
    for exception in exceptions:
        row = row | exception
    return Expectation(
        change=row["change"],
        kind=row["kind"],
        seeds=row.get("seeds", 1),
        verdicts=tuple(row["verdict"]) or (NO_VERDICT,),
        exit=row["exit"],
        says=row.get("says", ""),
        unmet=row.get("unmet", 0),
        why=row.get("why", ""),
    )
