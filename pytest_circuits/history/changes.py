"""What became of baselines from one state to another: the same words wherever that is told."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, cast

from pytest_circuits.baselines import Served, compare_stored
from pytest_circuits.baselines.codec import dumps
from pytest_circuits.findings.quantity import deciding, differing
from pytest_circuits.report.run import DELETED, RENAMED
from pytest_circuits.verdicts import headline, summarise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pytest_circuits.baselines import Baseline, Comparison
    from pytest_circuits.baselines.locations import Location
    from pytest_circuits.findings import Json
    from pytest_circuits.history.files import File


class Place(NamedTuple):
    """Where a finding is stored: a file, and its name therein."""

    location: Location
    name: str


@dataclass(frozen=True)
class FindingChange:
    """What became of a finding of which at least one baseline is known.

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
    def shown(self) -> Baseline:
        """What there is now; what there was, if it is gone."""
        baseline = self.new or self.old
        assert baseline is not None
        return baseline

    @property
    def unchanged(self) -> bool:
        """Whether it says what it said before, in whatever place."""
        return self.old is not None and self.new is not None and same(self.old, self.new)

    @property
    def moved(self) -> bool:
        """Whether another place is all that is new."""
        return self.was is not None and self.unchanged

    @cached_property
    def comparison(self) -> Comparison | None:
        """What there is now, held against what was; None where there is nothing to judge.

        It is judged with the tolerance that there was then: a wider one that comes with it excuses
        nothing.
        """
        if self.new is None:
            return None
        owner = self.beside or self.place.location.alias
        return compare_stored(self.new, None if self.old is None else Served(owner, self.old))

    @property
    def kind(self) -> str:
        """What became of it: the verdict, ``deleted`` or ``renamed``."""
        if self.comparison is None:
            return DELETED
        return RENAMED if self.moved else self.comparison.kind

    @property
    def words(self) -> str:
        """The same in a few words."""
        if self.comparison is None:
            return summarise(self.shown.finding)
        return headline(self.comparison.verdict)


#: One that is gone, and one that is new.
_Pair = tuple[FindingChange, FindingChange]


@dataclass
class Changes:
    """What became of baseline files.

    Attributes:
        findings: those that changed, in the order of their files.
        unreadable: files that can't be read in one state.
        recorded: files whose findings differ only in what they were recorded with.
        rewritten: files whose findings do not differ at all, but how they are written does.
    """

    findings: list[FindingChange] = field(default_factory=list)
    unreadable: list[File] = field(default_factory=list)
    recorded: list[Location] = field(default_factory=list)
    rewritten: list[Location] = field(default_factory=list)


def changes(files: Iterable[File]) -> Changes:
    """What became of the findings in files.

    A finding that is gone from one place and there in another has moved if it is the same, or if
    no other pair of such findings differs by as little: by the file, the model or the test.
    """
    found = Changes()
    for file in files:
        if file.error:
            found.unreadable.append(file)
            continue
        every = findings(file)
        changed = [each for each in every if not each.unchanged]
        found.findings += changed
        if not changed:
            old, new = (
                {name: each.document() for name, each in state.baselines.items()}
                for state in (file.before, file.after)
            )
            (found.rewritten if old == new else found.recorded).append(file.location)
    found.findings = _with_moves(found.findings)
    return found


def findings(file: File) -> list[FindingChange]:
    """Every finding that a file holds or held, also those that did not change.

    Raises:
        BaselineError: if the file can't be read in one of its states.
    """
    old, new = file.before.baselines, file.after.baselines
    return [
        FindingChange(Place(file.location, name), old.get(name), new.get(name))
        for name in old | new
    ]


def same(one: Baseline, other: Baseline) -> bool:
    """Whether two baselines say the same, whatever they are called and were recorded with."""
    return _content(one) == _content(other)


def same_quantity(one: Baseline, other: Baseline) -> bool:
    """Whether two baselines are of what can be compared."""
    return not differing(one.finding, other.finding)


def _content(baseline: Baseline) -> dict[str, Json]:
    """What a baseline says, whatever it is called and was recorded with."""
    return {**baseline.document(), "name": "", "recorded_with": {}}


def _quantity(name: str, baseline: Baseline) -> str:
    """What a baseline is of: what two of them have in common that can be compared."""
    return dumps([name, cast("dict[str, Json]", deciding(baseline.finding))])


def _with_moves(changed: Sequence[FindingChange]) -> list[FindingChange]:
    """The findings; where one is gone and another new that are one and the same, one for both."""
    came_from: dict[Place, FindingChange] = {}
    left: set[Place] = set()
    for pairs in (_equal, _alike):
        gone = [each for each in changed if each.new is None and each.place not in left]
        fresh = [each for each in changed if each.old is None and each.place not in came_from]
        for old, new in pairs(gone, fresh):
            if old.place not in left and new.place not in came_from:
                came_from[new.place] = old
                left.add(old.place)
    return [
        replace(each, old=came_from[each.place].old, was=came_from[each.place].place)
        if each.place in came_from
        else each
        for each in changed
        if each.new is not None or each.place not in left
    ]


def _equal(gone: Sequence[FindingChange], fresh: Sequence[FindingChange]) -> list[_Pair]:
    """Pairs of equal content, those first whose places have most in common."""
    pairs = _pairs(gone, fresh, lambda _, baseline: dumps(_content(baseline)))
    return sorted(pairs, key=lambda pair: _distance(*pair))


def _alike(gone: Sequence[FindingChange], fresh: Sequence[FindingChange]) -> list[_Pair]:
    """Pairs of the same quantity in places that differ in one thing, where no other pair does."""
    pairs = [pair for pair in _pairs(gone, fresh, _quantity) if _distance(*pair) == 1]
    olds, news = Counter(old.place for old, _ in pairs), Counter(new.place for _, new in pairs)
    return [(old, new) for old, new in pairs if olds[old.place] == news[new.place] == 1]


def _pairs(
    gone: Sequence[FindingChange],
    fresh: Sequence[FindingChange],
    key: Callable[[str, Baseline], str],
) -> Iterator[_Pair]:
    """What is gone and what is new, wherever a key of the two is equal."""
    by_key = defaultdict(list)
    for old in gone if fresh else ():
        assert old.old is not None
        by_key[key(old.place.name, old.old)].append(old)
    for new in fresh if gone else ():
        assert new.new is not None
        for old in by_key[key(new.place.name, new.new)]:
            yield old, new


def _distance(old: FindingChange, new: FindingChange) -> int:
    """In how many things two places differ: the test's file, the model, the test, the name."""
    (one, one_name), (other, other_name) = old.place, new.place
    pairs = [
        ((one.folder, one.module), (other.folder, other.module)),
        (one.alias, other.alias),
        (one.name, other.name),
        (one_name, other_name),
    ]
    return sum(before != after for before, after in pairs)
