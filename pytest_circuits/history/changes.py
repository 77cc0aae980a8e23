"""What became of baselines from one state to another: the same words wherever that is told."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from pytest_circuits.baselines.canonical import dumps
from pytest_circuits.baselines.envelope import Baseline, BaselineError, loads, parse_entries
from pytest_circuits.report.run import DELETED
from pytest_circuits.verdicts import headline, judge, summarise, without_baseline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from pytest_circuits.baselines.names import Location
    from pytest_circuits.findings import Json
    from pytest_circuits.history.differing import File, Side
    from pytest_circuits.verdicts import Verdict


class Change(NamedTuple):
    """What became of one finding.

    Attributes:
        kind: the verdict, ``deleted`` or ``unreadable``.
        words: the same in a few words.
        verdict: the verdict on what there is now; None where there is nothing to judge.
    """

    kind: str
    words: str
    verdict: Verdict | None = None


def change(old: Baseline | None, new: Baseline | None) -> Change:
    """What became of a finding of which at least one baseline is known.

    What is there now is held against what was, with the tolerance that it had then: a wider one
    that comes with it excuses nothing.
    """
    if new is None:
        assert old is not None
        return Change(DELETED, summarise(old.finding))
    if old is None:
        verdict = without_baseline(new.finding)
    else:
        verdict = judge(new.finding, old.finding, old.tolerance)
    return Change(verdict.kind, headline(verdict), verdict)


def read_bytes(text: bytes, where: Path | str) -> dict[str, Baseline]:
    """The baselines that a file of these bytes holds, by name and in order.

    Raises:
        BaselineError: as reading the file itself would; ``where`` is what the message names.
    """
    try:
        entries = parse_entries(text.decode(), where)
    except UnicodeDecodeError as error:
        raise BaselineError(f"{where}: can't be read ({error})") from error
    # Nobody reads this text, so that it need not be canonical, which takes longer.
    return {entry["name"]: loads(json.dumps(entry), where) for entry in entries}


class Place(NamedTuple):
    """Where a finding is stored: a file, and its name therein."""

    location: Location
    name: str


@dataclass(frozen=True)
class Changed:
    """A finding that differs, or is in another place.

    Attributes:
        place: where it is now; where it was, if it is gone.
        old: what was stored of it; None for a new one.
        new: what is stored now; None for one that is gone.
        was: where it was before, if that was another place.
        beside: the alias whose baseline, which is ``old``, served for one that is new.
    """

    place: Place
    old: Baseline | None
    new: Baseline | None
    was: Place | None = None
    beside: str = ""

    @property
    def moved(self) -> bool:
        """Whether another place is all that is new."""
        if self.was is None or self.old is None or self.new is None:
            return False
        return same(self.old, self.new)


class Unreadable(NamedTuple):
    """A file of which one state can't be read.

    Attributes:
        location: the file.
        now: whether it is the later state.
        error: why, naming the file.
    """

    location: Location
    now: bool
    error: BaselineError


@dataclass
class Changes:
    """What became of baseline files.

    Attributes:
        findings: those that changed, in the order of their files.
        unreadable: files that can't be read in one state.
        recorded: files whose findings differ only in what they were recorded with.
        rewritten: files whose findings do not differ at all, but how they are written does.
    """

    findings: list[Changed] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    recorded: list[Location] = field(default_factory=list)
    rewritten: list[Location] = field(default_factory=list)


def changes(files: Iterable[File]) -> Changes:
    """What became of the findings in files.

    A finding that is gone from one place and there in another has moved if it is the same, or if
    no other pair of such findings differs by as little: by the file, the model or the test.
    """
    found = Changes()
    for file in files:
        try:
            # What is there now matters more.
            now = True
            new = _read(file.after, file.location)
            now = False
            old = _read(file.before, file.location)
        except BaselineError as error:
            found.unreadable.append(Unreadable(file.location, now, error))
            continue
        differing = list(_differing(file.location, old, new))
        found.findings += differing
        if not differing:
            anew = any(new[name].dumps() != old[name].dumps() for name in new)
            (found.recorded if anew else found.rewritten).append(file.location)
    found.findings = _with_moves(found.findings)
    return found


def _read(side: Side, location: Location) -> dict[str, Baseline]:
    if side.problem:
        raise BaselineError(f"{location.path}: {side.problem}.")
    return {} if side.text is None else read_bytes(side.text, location.path)


def _differing(
    location: Location, old: dict[str, Baseline], new: dict[str, Baseline]
) -> Iterator[Changed]:
    for name in old | new:
        before, after = old.get(name), new.get(name)
        if before is None or after is None or not same(before, after):
            yield Changed(Place(location, name), before, after)


def same(one: Baseline, other: Baseline) -> bool:
    """Whether two baselines say the same, whatever they are called and were recorded with."""
    return _content(one) == _content(other)


def same_quantity(one: Baseline, other: Baseline) -> bool:
    """Whether two baselines are of what can be compared."""
    return _quantity("", one) == _quantity("", other)


def _content(baseline: Baseline) -> dict[str, Json]:
    """What a baseline says, whatever it is called and was recorded with."""
    return {**baseline.document(), "name": "", "recorded_with": {}}


def _quantity(name: str, baseline: Baseline) -> str:
    """What a baseline is of: what two of them have in common that can be compared."""
    finding = baseline.finding
    prompts = {**finding.prompts, "ids": None}
    return dumps([name, finding.measure, dict(finding.convention), prompts])


def _with_moves(findings: Sequence[Changed]) -> list[Changed]:
    """The findings; where one is gone and another new that are one and the same, one for both."""
    came_from: dict[Place, Changed] = {}
    left: set[Place] = set()
    for pairs in (_equal, _alike):
        gone = [each for each in findings if each.new is None and each.place not in left]
        fresh = [each for each in findings if each.old is None and each.place not in came_from]
        for old, new in pairs(gone, fresh):
            if old.place not in left and new.place not in came_from:
                came_from[new.place] = old
                left.add(old.place)
    return [
        replace(each, old=came_from[each.place].old, was=came_from[each.place].place)
        if each.place in came_from
        else each
        for each in findings
        if each.new is not None or each.place not in left
    ]


def _equal(gone: Sequence[Changed], fresh: Sequence[Changed]) -> list[tuple[Changed, Changed]]:
    """Pairs of equal content, those first whose places have most in common."""
    pairs = _pairs(gone, fresh, lambda _, baseline: dumps(_content(baseline)))
    return sorted(pairs, key=lambda pair: _distance(*pair))


def _alike(gone: Sequence[Changed], fresh: Sequence[Changed]) -> list[tuple[Changed, Changed]]:
    """Pairs of the same quantity in places that differ in one thing, where no other pair does."""
    pairs = [pair for pair in _pairs(gone, fresh, _quantity) if _distance(*pair) == 1]
    olds, news = Counter(old.place for old, _ in pairs), Counter(new.place for _, new in pairs)
    return [(old, new) for old, new in pairs if olds[old.place] == news[new.place] == 1]


def _pairs(
    gone: Sequence[Changed], fresh: Sequence[Changed], key: Callable[[str, Baseline], str]
) -> Iterator[tuple[Changed, Changed]]:
    """What is gone and what is new, wherever a key of the two is equal."""
    by_key = defaultdict(list)
    for old in gone if fresh else ():
        assert old.old is not None
        by_key[key(old.place.name, old.old)].append(old)
    for new in fresh if gone else ():
        assert new.new is not None
        for old in by_key[key(new.place.name, new.new)]:
            yield old, new


def _distance(old: Changed, new: Changed) -> int:
    """In how many things two places differ: the test's file, the model, the test, the name."""
    (one, one_name), (other, other_name) = old.place, new.place
    pairs = [
        ((one.folder, one.module), (other.folder, other.module)),
        (one.alias, other.alias),
        (one.name, other.name),
        (one_name, other_name),
    ]
    return sum(before != after for before, after in pairs)
