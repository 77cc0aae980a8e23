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
    from collections.abc import Iterable, Mapping, Sequence

RESULTS = Path(__file__).parent / "results.json"
#: Half of what a 95 % interval leaves out.
_TAIL = 0.025
#: The columns: the suite, its parts, and the alternatives to it, each with its heading.
COLUMNS = {
    "suite": "suite",
    "behaviours": "behaviours",
    "circuits": "circuits",
    "losses": "losses",
    "divergence on text": "KL, text",
    "divergence on prompts": "KL, prompts",
    "new prompts": "new prompts",
    "lm-eval": "lm-eval",
}
#: The base models, with what they are called on the page.
MODELS = {"smollm2": "SmolLM2", "second": "the second model"}
#: Headings of cases, by the beginning of their kinds' names.
ORIGINS = {"real": "fine-tuned, merged, rounded", "hidden": "hidden damage and controls"}
#: The same suite with other settings.
SETTINGS = {
    "suite, behaviour": "`circuits_gate = behaviour`",
    "suite": "`circuits_gate = regression` (the default)",
    "suite, change": "`circuits_gate = change`",
    "suite, no new prompts": "`circuits_new_prompts = never`",
    "suite, new prompts always": "`circuits_new_prompts = always`",
}


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
        failing: the tests whose findings the gate refuses.
        settled: what new prompts said of findings that asked for them, by outcome.
        lines: the first lines of the terminal's section.
        seconds: of CPU, by who took them; of the suite None where it remembered findings.
        further: of hidden damage and its controls, what they are elsewhere beside the base model,
            when both are fine-tuned further alike: ``broken``, ``in between`` or ``intact``.
    """

    model: str
    case: str
    kind: str
    truth: str
    why: str
    red: dict[str, bool]
    divergences: dict[str, float]
    verdicts: dict[str, str]
    failing: list[str]
    settled: dict[str, int]
    lines: list[str]
    seconds: dict[str, float | None]
    further: str = ""


def write(entries: Iterable[Entry]) -> None:
    """Write what is committed."""
    every = [asdict(entry) for entry in sorted(entries, key=lambda e: (e.model, e.kind, e.case))]
    RESULTS.write_text(json.dumps(every, indent=1, ensure_ascii=False) + "\n", "utf-8")


def read() -> list[Entry]:
    """What is committed."""
    return [Entry(**fields) for fields in json.loads(RESULTS.read_text("utf-8"))]


def differing(committed: Iterable[Entry], found: Iterable[Entry]) -> list[str]:
    """Where two tables differ in what is true of a case or in who fails it: a line for each.

    lm-evaluation-harness is compared where both have it: it isn't installed with the tests.
    """
    one, other = ({(e.model, e.case): e for e in entries} for entries in (committed, found))
    lines = []
    for key in sorted({*one, *other}):
        if key not in one or key not in other:
            lines.append(f"{' '.join(key)}: {'not committed' if key in other else 'not found'}")
            continue
        before, after = one[key], other[key]
        said = {
            "truth": (before.truth, after.truth),
            "further": (before.further, after.further),
        } | {
            column: (before.red.get(column), after.red.get(column))
            for column in {**before.red, **after.red}
            if column != "lm-eval" or column in before.red.keys() & after.red.keys()
        }
        lines += [
            f"{' '.join(key)}: {name} was {was!r}, and is {now!r}"
            for name, (was, now) in said.items()
            if was != now
        ]
    return lines


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


def counts(entries: Sequence[Entry], columns: Mapping[str, str]) -> list[str]:
    """A markdown table: each column's misses and false alarms."""
    lines = ["| | harmful, and passed | benign, and failed |", "|---|---|---|"]
    for column, head in columns.items():
        found = errors(entries, column)
        if found.missed[1] or found.alarms[1]:
            lines.append(f"| {head} | {in_words(found.missed)} | {in_words(found.alarms)} |")
    return lines


def settlements(entries: Sequence[Entry]) -> list[str]:
    """A markdown table: what new prompts said of cases that asked for them, by what is true."""
    lines = [
        "| | cases | asked for new prompts | of these: fails | not settled | holds |",
        "|---|---|---|---|---|---|",
    ]
    for origin, words in ORIGINS.items():
        for truth in ("harmful", "benign"):
            some = [e for e in entries if e.kind.startswith(origin) and e.truth == truth]
            said = [_settled(entry) for entry in some if entry.settled]
            cells = [f"{said.count(outcome)}" for outcome in ("fails", "not settled", "holds")]
            lines.append(f"| {words}, {truth} | {len(some)} | {len(said)} | {' | '.join(cells)} |")
    return lines


def _settled(entry: Entry) -> str:
    """What new prompts said of a case: the worst of what they said of its findings."""
    return next(said for said in ("fails", "not settled", "holds") if entry.settled.get(said))


def further(entries: Sequence[Entry]) -> list[str]:
    """A markdown table: what cases are after the same further fine-tune as their base model."""
    states = ("broken", "in between", "intact")
    lines = ["| | cases | broken | in between | intact |", "|---|---|---|---|---|"]
    for truth, words in (("harmful", "hidden damage"), ("benign", "healthy controls")):
        some = [entry.further for entry in entries if entry.truth == truth and entry.further]
        cells = " | ".join(f"{some.count(state)}" for state in states)
        lines.append(f"| {words} | {len(some)} | {cells} |")
    return lines


def by_kind(entries: Sequence[Entry]) -> list[str]:
    """A markdown table: a row for each kind of case, with how many of its cases each fails."""
    heads = " | ".join(COLUMNS.values())
    lines = [f"| case | truth | cases | {heads} |", f"|---|---|---|{'---|' * len(COLUMNS)}"]
    for kind in dict.fromkeys(entry.kind for entry in entries):
        alike = [entry for entry in entries if entry.kind == kind]
        for truth in dict.fromkeys(entry.truth for entry in alike):
            same = [entry for entry in alike if entry.truth == truth]
            cells = [_red(same, column) for column in COLUMNS]
            lines.append(f"| {kind} | {truth} | {len(same)} | {' | '.join(cells)} |")
    return lines


def _red(entries: Sequence[Entry], column: str) -> str:
    red = [entry.red[column] for entry in entries if column in entry.red]
    return f"{sum(red)}" if red else "–"
