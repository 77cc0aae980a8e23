"""What became of baselines, as the rows that reports are made of.

What a row says of a finding beside its verdict: what it is held to, drift, what else differs, where
it was.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytest_circuits.baselines.locations import nodeid_of
from pytest_circuits.findings.absent import indices
from pytest_circuits.findings.digits import decimals
from pytest_circuits.history.changes import same
from pytest_circuits.history.terms import own_terms, terms, terms_words
from pytest_circuits.report import Details, Model, Row, Run
from pytest_circuits.report.run import LOOSENED, RENAMED, TIGHTENED, UNREADABLE, nodeid
from pytest_circuits.verdicts import Gate, Kind, passes, readable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_circuits.baselines import Baseline
    from pytest_circuits.findings import Finding
    from pytest_circuits.history.changes import Changes, FindingChange, Place
    from pytest_circuits.history.files import File
    from pytest_circuits.verdicts import Verdict


#: Decimals that numbers have at least, and how many more it takes at most to tell any two of a
#: file apart.
_DIGITS, _MORE_DIGITS = 2, 4
#: What no verdict rests on: it says how sure the numbers are, or what they are called. That
#: something can be told from nothing is told as terms are.
_NOT_JUDGED = ("quantity", "samples", "clusters", "errors")
_NOT_JUDGED_OF_BEHAVIOURS = ("error", "clusters", "interval", "profile")


def run_of(changes: Changes, top: Path, compared: tuple[str, str]) -> Run:
    """What became of baselines as a run: a row a finding, and one for a file that can't be read.

    Args:
        changes: what became of them.
        top: the repository's topmost folder, from which tests are named.
        compared: what the two states are called.
    """
    rows = [
        *(_unreadable(file, top, compared) for file in changes.unreadable),
        *(_row(each, top) for each in changes.findings),
    ]
    aliases = sorted({row.alias for row in rows})
    models = tuple(Model(alias, _source(alias, rows), (alias,)) for alias in aliases)
    return Run(models, tuple(rows), gate=Gate.REGRESSION, compared=compared)


def _source(alias: str, rows: list[Row]) -> str:
    """What the baselines of a model were last recorded with; empty where several were used."""
    details = [row.details for row in rows if row.alias == alias and row.details is not None]
    sources = {str(each.found.finding.provenance.get("source", "")) for each in details}
    return sources.pop() if len(sources) == 1 else ""


def _row(each: FindingChange, top: Path) -> Row:
    alias, owner = _text(each.place.location.alias), _text(each.beside or each.place.location.alias)
    test = nodeid(_text(nodeid_of(each.place.location, top)), alias)
    if each.comparison is None:
        return Row(
            each.kind, test, alias, each.shown.finding.measure, each.words,
            name=each.place.name, owner=owner, passes=False,
        )  # fmt: skip
    row = Row.judged(
        test,
        alias,
        each.comparison,
        passes=passes(each.comparison.verdict, Gate.REGRESSION, in_ci=False),
        written=False,
        details=Details(each.shown, each.old),
    )
    kind, words = _told(each, each.comparison.verdict, top)
    return replace(row, verdict=kind, headline=words, owner=owner)


def _told(each: FindingChange, verdict: Verdict, top: Path) -> tuple[str, str]:
    """The word for what became of a finding, and what there is to say of it."""
    old, new, kind = each.old, each.shown, each.kind
    was = [] if each.was is None else [was_words(each.place, each.was, top)]
    if kind == RENAMED:
        return kind, "; ".join(was)
    if old is None:
        own = own_terms(new)
        origin = new.tolerance.origin
        said = [terms_words(own, origin, origin)] if own else []
        return kind, "; ".join([each.words, *said])
    changed = terms(old, new)
    origins = old.tolerance.origin, new.tolerance.origin
    held = []
    if changed:
        held = [terms_words(changed, *origins)]
    elif origins[0] != origins[1]:
        held = [f"tolerance's origin {origins[0]} → {origins[1]}"]
    if kind == Kind.PRESERVED:
        said = [*held, *_drifted(old, new, verdict, told=bool(changed))]
        if changed:
            kind = {True: LOOSENED, False: TIGHTENED, None: kind}[changed[0].looser]
    else:
        said = [each.words, *held]
    if each.beside:
        return _beside(each.beside, kind, each.words, "; ".join(said))
    return kind, "; ".join([*said, *was])


def _beside(alias: str, kind: str, summary: str, said: str) -> tuple[str, str]:
    """The same of a new finding that is held against another model's baseline, which served."""
    beside = f"beside {_text(alias)}'s: {said or 'the same'}"
    if kind in (Kind.PRESERVED, TIGHTENED):
        return Kind.NEW, f"{summary}; {beside}"
    return kind, f"new {beside}"


def _drifted(old: Baseline, new: Baseline, verdict: Verdict, *, told: bool) -> Iterator[str]:
    """What there is to say of a preserved finding but its terms, of which some may be told."""
    if same(*(replace(each, tolerance=old.tolerance) for each in (old, new))):
        return
    moved = _furthest_drift(old, new, verdict)
    if moved:
        yield moved
    elif not told:
        yield _others(old, new)


def _unreadable(file: File, top: Path, compared: tuple[str, str]) -> Row:
    before, after = compared
    alias = _text(file.location.alias)
    first = str(file.error).splitlines()[0].removeprefix(str(file.location.path)).rstrip(".")
    problem = first.lstrip(": ") if first.startswith(": ") else f"line {first.lstrip(':')}"
    return Row(
        UNREADABLE,
        nodeid(_text(nodeid_of(file.location, top)), alias),
        alias,
        "",
        f"{after if file.after.error else before}: {problem}",
        owner=alias,
        passes=False,
    )


def _text(path: str) -> str:
    """Part of a path as text that can be written anywhere."""
    return path.encode(errors="replace").decode()


class _Drift(NamedTuple):
    """A number that moved: what it is called, from where to where, and what was allowed."""

    name: str
    before: float
    after: float
    allowed: float

    @property
    def share(self) -> float:
        """How much of its tolerance it took."""
        moved = abs(self.after - self.before)
        return moved / self.allowed if self.allowed > 0 else math.inf


def _furthest_drift(old: Baseline, new: Baseline, verdict: Verdict) -> str:
    """How far a preserved finding drifted: the number that took most of its tolerance.

    Drift that is approved again and again adds up, and no single verdict tells of it. Empty where
    no number moved that is judged.
    """
    moved = [each for each in _drifts(old, new, verdict) if each.after != each.before]
    moved = [each for each in moved if math.isfinite(each.after - each.before)]
    if not moved:
        return ""
    most = max(moved, key=lambda each: each.share)
    taken = max(1, round(100 * most.share)) if math.isfinite(most.share) else "more than 100"
    return f"{most.name} {_move(most.before, most.after)}, {taken} % of its tolerance"


def _drifts(old: Baseline, new: Baseline, verdict: Verdict) -> Iterator[_Drift]:
    approved, found = old.finding, new.finding
    before = 0.0 if approved.axes else float(approved.values)
    if not approved.axes:
        allowed = old.tolerance.value.of(before)
        yield _Drift(approved.quantity, before, float(found.values), allowed)
    elif not (approved.undefined or found.undefined):
        yield from _cells(old, found)
    judged = {behaviour.name for behaviour in approved.companion if behaviour.held}
    movements = [each for each in verdict.companion if each.name in judged]
    for each in (*movements, *([verdict.canary] if verdict.canary else [])):
        yield _Drift(readable(each.name), each.before, each.after, each.tolerance)
    tolerance = old.tolerance.among(approved).value
    values = {str(head): value for head, value in approved.members().items()}
    for name, value in values.items() if approved.axes else [(approved.measure, before)]:
        if name in approved.nulls and name in found.nulls:
            null, now = approved.nulls[name].mean, found.nulls[name].mean
            told = f"null of {name}" if approved.axes else "its null"
            yield _Drift(told, null, now, tolerance.of(value))


def _cells(old: Baseline, found: Finding) -> Iterator[_Drift]:
    """The heads that have or had the role; all cells where there is none."""
    approved, tolerance = old.finding, old.tolerance.among(old.finding)
    if approved.role is None:
        cells = indices(approved.present)
    else:
        heads = {**approved.members(), **found.members(approved.role.threshold)}
        cells = [(head.layer, head.head_index) for head in heads]
    for cell in cells:
        before = float(approved.values[cell])
        after = float(found.values[cell])
        if before != after:
            yield _Drift(found.cell_name(cell), before, after, tolerance.value.of(before))


def _move(before: float, after: float) -> str:
    """From one number to another, with as many digits as tell them apart."""
    least = decimals(max(abs(before), abs(after)), least=_DIGITS)
    for digits in range(least, least + _MORE_DIGITS + 1):
        one, other = f"{before:.{digits}f}", f"{after:.{digits}f}"
        if one != other:
            break
    return f"{one}→{other}"


def _others(old: Baseline, new: Baseline) -> str:
    """What else differs in a preserved finding, where neither a number nor its terms do.

    Only of what is known to be none of judging's business this says so.
    """
    judged: list[str] = []
    not_judged: list[str] = []
    for name, is_judged in _fields(old, new):
        (judged if is_judged else not_judged).append(name)
    if judged:
        return f"other {', '.join([*judged, *not_judged])}"
    return f"nothing that is judged: {', '.join(not_judged) or 'only its place'}"


def _fields(old: Baseline, new: Baseline) -> Iterator[tuple[str, bool]]:
    """The parts of two baselines that differ, each with whether it is judged, for all we know."""
    before, after = old.document(), new.document()
    left_out = ("name", "recorded_with", "tolerance")
    differing = [name for name in before | after if before.get(name) != after.get(name)]
    for name in (name for name in differing if name not in left_out):
        if name == "companion":
            yield from _of_behaviours(old.finding, new.finding)
        elif name == "values":
            yield _most_changed(old.finding, new.finding)
        elif name == "profiles":
            yield name, old.finding.role is not None  # by which heads that moved are found
        elif name == "prompts":
            yield "prompts' ids", False  # whose hash would make it another quantity
        else:
            yield readable(name), name not in _NOT_JUDGED


def _of_behaviours(old: Finding, new: Finding) -> Iterator[tuple[str, bool]]:
    before, after = ({b.name: vars(b) for b in each.companion} for each in (old, new))
    for name in [name for name in before if name in after]:
        held = old.behaviour(name).held
        for field, value in before[name].items():
            if not np.array_equal(value, after[name][field], equal_nan=field == "error"):
                judged = held if field == "value" else field not in _NOT_JUDGED_OF_BEHAVIOURS
                yield f"{field} of {readable(name)}", judged
    if list(before) != list(after):
        yield "behaviours", True


def _most_changed(old: Finding, new: Finding) -> tuple[str, bool]:
    """Of values that no drift tells of: the one that moved furthest, of those without the role."""
    if old.undefined or new.undefined:
        return "values", False
    moved = np.where(new.present, abs(new.values - old.values), -1.0)
    cell = tuple(map(int, np.unravel_index(moved.argmax(), moved.shape)))
    move = _move(float(old.values[cell]), float(new.values[cell]))
    return f"values outside the role: {new.cell_name(cell)} {move}", True


def was_words(place: Place, was: Place, top: Path) -> str:
    """Where a finding was before, as much of it as is other now."""
    one, other = was.location, place.location
    test = ""
    if (one.folder, one.module) != (other.folder, other.module):
        test = nodeid_of(one, top)
    elif one.name != other.name or was.name != place.name:
        test = nodeid_of(one, top).partition("::")[2]
    if was.name and test:
        test += f" ({was.name})"
    alias = f"of {one.alias}" if test else f"{one.alias}'s"
    words = [test, alias if one.alias != other.alias else ""]
    return f"was {' '.join(filter(None, words))}"
