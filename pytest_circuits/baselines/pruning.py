"""Which baseline files are unused: no test owns them, or they equal their parents'."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_circuits.baselines.approving import says_the_same
from pytest_circuits.baselines.codec import BaselineError, ForeignFileError, read, text_of
from pytest_circuits.baselines.files import delete, find
from pytest_circuits.baselines.writing import write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence, Set as AbstractSet
    from pathlib import Path

    from pytest_circuits.baselines.locations import Location


@dataclass(frozen=True)
class Collected:
    """The tests of a suite, and whose baselines serve for whom.

    Attributes:
        circuits: every circuit test: its folder, its module, its name as files have it.
        modules: every module that gave a test of any kind: its folder, its name.
        without_parameters: those that have a test with an empty set of parameters, which may own
            more than what was collected of it.
        owners: for every declared alias, the aliases whose baselines serve, nearest first; a
            parent's alias comes before its children's.
    """

    circuits: AbstractSet[tuple[Path, str, str]]
    modules: AbstractSet[tuple[Path, str]]
    without_parameters: AbstractSet[tuple[Path, str]]
    owners: Mapping[str, Sequence[str]]

    def unknown(self, location: Location) -> str | None:
        """Why nothing is known of a file; None where its module's tests were all seen."""
        module = (location.folder, location.module)
        if module in self.without_parameters:
            return "in which a test has an empty set of parameters"
        if module not in self.modules and (location.folder / f"{location.module}.py").exists():
            return "in which pytest finds no test"
        return None


@dataclass
class Needless:
    """The unused files.

    Attributes:
        reasons: why, by file.
        foreign: files where baselines lie that are none.
        errors: why others can't be read.
    """

    reasons: dict[Location, str]
    foreign: list[Location]
    errors: list[BaselineError]


def needless(files: Sequence[Location], collected: Collected) -> Needless:
    """The files that no test on a declared model owns, and those that equal a parent's.

    Only what reads as baselines is among them.
    """
    found = Needless({}, [], [])
    owned: list[Location] = []
    for location in files:
        if collected.unknown(location):
            continue
        reason = _orphaned(location, collected)
        if reason is None:
            owned.append(location)
            continue
        try:
            list(read(location.path))
        except ForeignFileError:
            found.foreign.append(location)
        except BaselineError as error:
            found.errors.append(error)
        else:
            found.reasons[location] = reason
    rank = {alias: place for place, alias in enumerate(collected.owners)}
    # Parents first: a child is held against what remains.
    for location in sorted(owned, key=lambda location: rank[location.alias]):
        _, *parents = collected.owners[location.alias]
        remaining = [a for a in parents if location.of_alias(a) not in found.reasons]
        try:
            reason = _equal(location, remaining)
        except BaselineError as error:
            found.errors.append(error)
            continue
        if reason:
            found.reasons[location] = reason
    return found


def remove(location: Location, name: str) -> list[str]:
    """Take a finding out of a baseline file, and delete the file where nothing is left of it.

    Args:
        location: the file.
        name: the finding's name.

    Returns:
        The names that the file had; where the finding is not among them, nothing was done.

    Raises:
        BaselineError: if the file can't be read.
        OSError: if it can't be written.
    """
    documents = read(location.path).documents
    left = [document for each, document in documents.items() if each != name]
    if not left:
        delete(location)
    elif len(left) < len(documents):
        write_text(location.path, text_of(left))
    return list(documents)


def vanished(pending: Iterable[Location], collected: Collected) -> Iterator[tuple[Location, str]]:
    """Those of the tests with pending findings that are there no longer, and why."""
    for location in pending:
        reason = None if collected.unknown(location) else _orphaned(location, collected)
        if reason:
            yield location, reason


def _orphaned(location: Location, collected: Collected) -> str | None:
    """Why no test on any declared model owns the file; None if one does."""
    test = f"{location.module}.py"
    if (location.folder, location.module) not in collected.modules:
        return f"there is no {test}"
    if location.alias not in collected.owners:
        return f"no model {location.alias!r} is declared"
    if (location.folder, location.module, location.name) not in collected.circuits:
        return f"{test} has no circuit test of that name"
    return None


def _equal(location: Location, parents: Sequence[str]) -> str | None:
    """Why a file says nothing that its parents' don't; None if it does.

    So it is where each of its findings equals the nearest parent's of its name.
    """
    served: dict[str, None] = {}
    for baseline in read(location.path) if parents else ():
        found = find(location.path, parents, baseline.name)
        if found is None or not says_the_same(baseline, found.baseline):
            return None
        served[found.owner] = None
    return f"equals {' and '.join(served)}'s" if served else None
