"""Which baseline files nobody needs: no test owns them, or they say what their parents' say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_circuits.baselines.approving import says_the_same
from pytest_circuits.baselines.canonical import dumps
from pytest_circuits.baselines.envelope import BaselineError, loads, read_entries
from pytest_circuits.baselines.files import find

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from pytest_circuits.baselines.names import Location


@dataclass(frozen=True)
class Collected:
    """The tests of a suite, and whose baselines serve for whom.

    Attributes:
        circuits: every circuit test: its folder, its module, its name as files have it.
        modules: every module that gave a test of any kind: its folder, its name.
        owners: for every declared alias, the aliases whose baselines serve, nearest first; a
            parent's alias comes before its children's.
    """

    circuits: AbstractSet[tuple[Path, str, str]]
    modules: AbstractSet[tuple[Path, str]]
    owners: Mapping[str, Sequence[str]]

    def unseen(self, location: Location) -> bool:
        """Whether the file's module is there and gave no test: nothing is known of the file."""
        module = (location.folder, location.module)
        return module not in self.modules and (location.folder / f"{location.module}.py").exists()


@dataclass
class Needless:
    """The files that nobody needs.

    Attributes:
        reasons: why, by file.
        errors: what kept others from being looked at.
    """

    reasons: dict[Location, str]
    errors: list[BaselineError]


def needless(files: Sequence[Location], collected: Collected) -> Needless:
    """The files that no test on a declared model owns, and those that add nothing to a parent's."""
    found = Needless({}, [])
    known = [location for location in files if not collected.unseen(location)]
    for location in known:
        reason = _orphaned(location, collected)
        if reason:
            found.reasons[location] = reason
    rank = {alias: place for place, alias in enumerate(collected.owners)}
    owned = [location for location in known if location not in found.reasons]
    # Parents first: a child is held against what remains.
    for location in sorted(owned, key=lambda location: rank[location.alias]):
        _, *parents = collected.owners[location.alias]
        remaining = [a for a in parents if location.of_alias(a) not in found.reasons]
        try:
            reason = _adds_nothing(location, remaining)
        except BaselineError as error:
            found.errors.append(error)
            continue
        if reason:
            found.reasons[location] = reason
    return found


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


def _adds_nothing(location: Location, parents: Sequence[str]) -> str | None:
    """Why a file says nothing that its parents' don't; None if it does.

    So it is where each of its findings, held against the nearest parent's of its name, is
    *preserved*, and allows the same tolerance.
    """
    served: dict[str, None] = {}
    for entry in read_entries(location.path) if parents else []:
        own = dumps(entry)
        # Decoded once here, so that damage is reported with the file's own name.
        found = find(location.path, parents, loads(own, location.path).name)
        if found is None or not says_the_same(own, found[1]):
            return None
        served[found[0]] = None
    owners = " and ".join(served)
    return f"says the same as {owners}'s: preserved, with the same tolerance" if served else None
