"""What was obtained, counted: false alarms, misses, right names, with exact intervals."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from transformer_lens.utilities.statistics import success_rate_ci

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: The name of a result among a test's user properties.
RESULT = "constructed change"


@dataclass(frozen=True)
class Result:
    """What the gate said of one changed model.

    Attributes:
        subject: which model was changed.
        change: the row's name.
        kind: the row's kind.
        expected: verdicts that would be right.
        expected_exit: the exit status that would be right.
        draw: what was drawn; empty where nothing is.
        obtained: the worst verdict.
        exit: pytest's exit status for it.
        findings: of each finding its measure, its verdict, whether the gate let it pass, and
            its headline.
        right: whether everything is as expected.
        why: why this subject's expectation differs from the others'.
    """

    subject: str
    change: str
    kind: str
    expected: tuple[str, ...]
    expected_exit: int
    draw: str
    obtained: str
    exit: int
    findings: tuple[tuple[str, str, bool, str], ...]
    right: bool
    why: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Result:
        fields = json.loads(text)
        findings = tuple(tuple(finding) for finding in fields["findings"])
        return cls(**{**fields, "expected": tuple(fields["expected"]), "findings": findings})


def distinct(results: Iterable[Result]) -> list[Result]:
    """Each changed model once, however often it was tried."""
    return list({(r.subject, r.change, r.draw): r for r in results}.values())


def markdown(results: Sequence[Result]) -> list[str]:
    """A table and its counts for each subject, and the counts over all of them."""
    subjects = list(dict.fromkeys(r.subject for r in results))
    lines: list[str] = []
    for subject in subjects:
        own = [r for r in results if r.subject == subject]
        lines += [f"### {subject}", "", *_table(own), "", *_notes(own), *_counts(own), ""]
    if len(subjects) > 1:
        lines += ["### All of them", "", *_counts(results), ""]
    return lines


def _table(results: Sequence[Result]) -> list[str]:
    lines = [
        "| change | models | expected | obtained | exit | as expected |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for kind in dict.fromkeys(r.kind for r in results):
        lines.append(f"| **{kind}** | | | | | |")
        alike = [r for r in results if r.kind == kind]
        changes = dict.fromkeys(r.change for r in alike)
        lines += [_row([r for r in alike if r.change == change]) for change in changes]
    return lines


def _row(draws: Sequence[Result]) -> str:
    first, right = draws[0], sum(r.right for r in draws)
    cells = (
        f"{first.change}{' ¹' if first.why else ''}",
        str(len(draws)),
        f"{' or '.join(first.expected)}, exit {first.expected_exit}",
        _tally(r.obtained for r in draws),
        _tally(r.exit for r in draws),
        "yes" if right == len(draws) else f"**{right} of {len(draws)}**",
    )
    return f"| {' | '.join(cells)} |"


def _notes(results: Sequence[Result]) -> list[str]:
    """Why an expectation is this subject's own, and what was said where it was not met."""
    lines = [f"¹ {why}" for why in dict.fromkeys(r.why for r in results if r.why)]
    lines += [_surprise(result) for result in results if not result.right]
    return [*lines, ""] if lines else []


def _surprise(result: Result) -> str:
    change = f"{result.change}, {result.draw}" if result.draw else result.change
    said = [f"{measure} {verdict} ({why})" for measure, verdict, _, why in result.findings]
    return f"- not as expected: {change}: {'; '.join(said) or result.obtained}"


def _tally(values: Iterable[object]) -> str:
    counted = Counter(values).most_common()
    if len(counted) == 1:
        return str(counted[0][0])
    return ", ".join(f"{value} {count}" for value, count in counted)


def _counts(results: Sequence[Result]) -> list[str]:
    benign = [r for r in results if r.kind == "benign"]
    damage = [r for r in results if r.kind == "damage"]
    alarms = share([r.exit != 0 for r in benign])
    alarms_each = share([not passes for r in benign for _, _, passes, _ in r.findings])
    missed = share([r.exit == 0 for r in damage])
    told = share([not passes for r in damage for _, _, passes, _ in r.findings])
    named = share([r.obtained in r.expected for r in results])
    return [
        f"- false alarms on benign changes: {alarms} models, {alarms_each} findings",
        f"- damages missed: {missed} models (of their findings fail {told})",
        f"- right name for the kind of change: {named} models",
    ]


def share(hits: Sequence[bool]) -> str:
    """How many of how many, with the exact 95 % interval (Clopper–Pearson)."""
    if not hits:
        return "none of 0"
    exact = success_rate_ci(hits)
    return f"{sum(hits)} of {len(hits)} ({100 * exact.ci_low:.1f} … {100 * exact.ci_high:.1f} %)"
