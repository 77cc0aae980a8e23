"""What became of baselines, as the rows that reports are made of."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_circuits.baselines.nodeids import nodeid_of
from pytest_circuits.history.changes import change, same
from pytest_circuits.history.terms import own_terms, terms, terms_words
from pytest_circuits.history.words import drift, others, was_words
from pytest_circuits.report import Details, Model, Row, Run
from pytest_circuits.report.run import DELETED, LOOSENED, RENAMED, TIGHTENED, UNREADABLE
from pytest_circuits.verdicts import Gate, Kind, passes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_circuits.baselines import Baseline
    from pytest_circuits.history.changes import Change, Changed, Changes, Unreadable
    from pytest_circuits.verdicts import Verdict


def run_of(changes: Changes, top: Path, compared: tuple[str, str]) -> Run:
    """What became of baselines as a run: a row a finding, and one for a file that can't be read.

    Args:
        changes: what became of them.
        top: the repository's topmost folder, from which tests are named.
        compared: what the two states are called.
    """
    rows = [
        *(_unreadable(each, top, compared) for each in changes.unreadable),
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


def _row(each: Changed, top: Path) -> Row:
    became = change(each.old, each.new)
    shown = each.new or each.old
    assert shown is not None
    test = _nodeid(each.place.location.alias, nodeid_of(each.place.location, top))
    alias = each.place.location.alias
    if became.verdict is None:
        return Row(
            DELETED, test, _text(alias), shown.finding.measure, became.words,
            name=each.place.name, owner=_text(alias), passes=False,
        )  # fmt: skip
    row = Row.judged(
        test,
        _text(alias),
        shown.finding,
        became.verdict,
        name=each.place.name,
        owner=_text(each.beside or alias),
        passes=passes(became.verdict.kind, Gate.REGRESSION, in_ci=False),
        written=False,
        details=Details(shown, each.old),
    )
    kind, words = _told(each, became, top)
    return replace(row, verdict=kind, headline=words)


def _told(each: Changed, became: Change, top: Path) -> tuple[str, str]:
    """The word for what became of a finding, and what there is to say of it."""
    assert each.new is not None
    assert became.verdict is not None
    was = [] if each.was is None else [was_words(each.place, each.was, top)]
    if each.moved:
        return RENAMED, "; ".join(was)
    if each.old is None:
        own = own_terms(each.new)
        origin = each.new.tolerance.origin
        said = [terms_words(own, origin, origin)] if own else []
        return became.kind, "; ".join([became.words, *said])
    changed = terms(each.old, each.new)
    origins = each.old.tolerance.origin, each.new.tolerance.origin
    held = []
    if changed:
        held = [terms_words(changed, *origins)]
    elif origins[0] != origins[1]:
        held = [f"tolerance's origin {origins[0]} → {origins[1]}"]
    kind = became.kind
    if kind == Kind.PRESERVED:
        said = [*held, *_drifted(each.old, each.new, became.verdict, told=bool(changed))]
        if changed:
            kind = {True: LOOSENED, False: TIGHTENED, None: kind}[changed[0].looser]
    else:
        said = [became.words, *held]
    if each.beside:
        return _beside(each.beside, kind, became.words, "; ".join(said))
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
    moved = drift(old, new, verdict)
    if moved:
        yield moved
    elif not told:
        yield others(old, new)


def _unreadable(each: Unreadable, top: Path, compared: tuple[str, str]) -> Row:
    before, after = compared
    alias = each.location.alias
    first = str(each.error).splitlines()[0].removeprefix(str(each.location.path)).rstrip(".")
    problem = first.lstrip(": ") if first.startswith(": ") else f"line {first.lstrip(':')}"
    return Row(
        UNREADABLE,
        _nodeid(alias, nodeid_of(each.location, top)),
        _text(alias),
        "",
        f"{after if each.now else before}: {problem}",
        owner=_text(alias),
        passes=False,
    )


def _nodeid(alias: str, test: str) -> str:
    """The node id of a test on a model, whose alias is the last of its parameters."""
    test, alias = _text(test), _text(alias)
    return f"{test[:-1]}-{alias}]" if test.endswith("]") else f"{test}[{alias}]"


def _text(path: str) -> str:
    """Part of a path as text that can be written anywhere."""
    return path.encode(errors="replace").decode()
