"""The table: what was said of each case, beside what is true, and how often who was wrong.

``results.json`` beside this module holds it as data and is committed; the tables of the
documentation are written from it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_circuits.findings.statistics import share_bound

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

RESULTS = Path(__file__).parent / "results.json"
#: Half of what a 95 % interval leaves out.
_TAIL = 0.025
#: What is compared: the gate, its parts, and what stands in their place.
COLUMNS = (
    "gate",
    "gate: behaviour",
    "gate: change",
    "gate: no new prompts",
    "gate: new prompts always",
    "behaviours",
    "circuits",
    "losses",
    "divergence on text",
    "divergence on prompts",
    "new prompts",
)


@dataclass(frozen=True)
class Entry:
    """A case.

    Attributes:
        model: the base model's name.
        case: its own.
        kind: what its seeds have in common.
        truth: ``harmful``, ``benign`` or ``ambiguous``; of hidden damage also ``not as built``.
        why: what the truth rests on, in a few words.
        red: who says red, by column; a column that doesn't apply is left out.
        divergences: from the base model, in nats a token: on text, and at the suite's prompts.
        verdicts: each finding's kind of verdict, by its test.
        settled: what new prompts said of findings that asked for them, by outcome.
        lines: the first lines of the terminal's section.
        seconds: of CPU, by who took them.
    """

    model: str
    case: str
    kind: str
    truth: str
    why: str
    red: dict[str, bool]
    divergences: dict[str, float]
    verdicts: dict[str, str]
    settled: dict[str, int]
    lines: list[str]
    seconds: dict[str, float]


def write(entries: Iterable[Entry]) -> None:
    """Write what is committed."""
    every = [asdict(entry) for entry in sorted(entries, key=lambda e: (e.model, e.kind, e.case))]
    RESULTS.write_text(json.dumps(every, indent=1, ensure_ascii=False) + "\n", "utf-8")


def read() -> list[Entry]:
    """What is committed."""
    return [Entry(**fields) for fields in json.loads(RESULTS.read_text("utf-8"))]


@dataclass(frozen=True)
class Errors:
    """How often a column was wrong.

    Attributes:
        missed: how many harmful cases it calls green, of how many.
        alarms: how many benign cases it calls red, of how many.
    """

    missed: tuple[int, int]
    alarms: tuple[int, int]


def errors(entries: Sequence[Entry], column: str) -> Errors:
    """The errors of a column over these cases."""

    def wrong(truth: str, red: bool) -> tuple[int, int]:  # noqa: FBT001 — what would be wrong
        said = [
            entry.red[column] for entry in entries if entry.truth == truth and column in entry.red
        ]
        return said.count(red), len(said)

    return Errors(missed=wrong("harmful", red=False), alarms=wrong("benign", red=True))


def in_words(counted: tuple[int, int]) -> str:
    """A share with its exact 95 % interval (Clopper–Pearson): ``2 of 31 (0.8 … 21.4 %)``."""
    hits, trials = counted
    if not trials:
        return "–"
    low, high = (
        100 * share_bound(hits, trials, upper=upper, tail=_TAIL) for upper in (False, True)
    )
    return f"{hits} of {trials} ({low:.1f} … {high:.1f} %)"


def counts(entries: Sequence[Entry]) -> list[str]:
    """A markdown table: each column's misses and false alarms."""
    lines = ["| who | harmful called green | benign called red |", "|---|---|---|"]
    for column in COLUMNS:
        found = errors(entries, column)
        if found.missed[1] or found.alarms[1]:
            lines.append(f"| {column} | {in_words(found.missed)} | {in_words(found.alarms)} |")
    return lines


def by_kind(entries: Sequence[Entry]) -> list[str]:
    """A markdown table: a row for each kind of case, with how many of its cases each calls red."""
    lines = [f"| case | truth | {' | '.join(COLUMNS)} |", f"|---|---|{'---|' * len(COLUMNS)}"]
    for kind in dict.fromkeys(entry.kind for entry in entries):
        alike = [entry for entry in entries if entry.kind == kind]
        for truth in dict.fromkeys(entry.truth for entry in alike):
            same = [entry for entry in alike if entry.truth == truth]
            cells = [_red(same, column) for column in COLUMNS]
            lines.append(f"| {kind} | {truth} | {' | '.join(cells)} |")
    return lines


def _red(entries: Sequence[Entry], column: str) -> str:
    told = [entry.red[column] for entry in entries if column in entry.red]
    return f"{sum(told)} of {len(told)}" if told else "–"
