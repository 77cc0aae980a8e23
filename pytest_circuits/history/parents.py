"""Whose baseline served before for what has a new one of its own."""

from __future__ import annotations

import contextlib
import tomllib
from collections import defaultdict
from configparser import ConfigParser, Error as ConfigError
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_circuits.baselines.locations import ROOT, Location
from pytest_circuits.history.changes import same_quantity
from pytest_circuits.history.files import FileState, stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_circuits.history.changes import FindingChange
    from pytest_circuits.history.git import Repository, State

#: Where pytest's settings may stand, and in which section; what comes first counts.
INIS = {
    "pytest.toml": "pytest",
    ".pytest.toml": "pytest",
    "pytest.ini": "pytest",
    ".pytest.ini": "pytest",
    "pyproject.toml": "tool.pytest.ini_options",
    "tox.ini": "pytest",
    "setup.cfg": "tool:pytest",
}
#: The setting that declares models.
SETTING = "circuits_models"


def with_parents(
    repository: Repository, before: State, after: State, findings: Sequence[FindingChange]
) -> list[FindingChange]:
    """The findings; each new one beside the baseline of another model that served before.

    That is the nearest parent's that has one, as ``circuits_models`` tells in the ini above the
    test. Where no ini tells of the model, it is the only one of the same quantity.

    Args:
        repository: where.
        before: the earlier state, a commit.
        after: the later one.
        findings: what became of findings.
    """
    folders = {each.place.location.folder for each in findings if each.old is None}
    if not folders:
        return list(findings)
    inis = {
        parent / name
        for folder in folders
        for parent in (folder, *folder.parents)
        if parent.is_relative_to(repository.top)
        for name in INIS
    }
    roots = sorted(folder / ROOT for folder in folders)
    texts = stored(repository, before, [*roots, *sorted(inis)])
    files: dict[Location, dict[str, FileState]] = defaultdict(dict)
    for path, text in texts.items():
        location = Location.of(path)
        if location is not None:
            files[location.of_alias("")][location.alias] = FileState(path, text, past=True)
    # What was declared before served then; a model may be declared in the same change.
    declared = [texts, _now(repository, after, inis)]
    return [
        _beside(each, files[each.place.location.of_alias("")], declared)
        if each.old is None
        else each
        for each in findings
    ]


def _now(repository: Repository, after: State, inis: Iterable[Path]) -> dict[Path, bytes]:
    if after.commit is not None:
        return stored(repository, after, sorted(inis))
    texts = {}
    for path in inis:
        with contextlib.suppress(OSError):
            texts[path] = path.read_bytes()
    return texts


def _beside(
    each: FindingChange, files: Mapping[str, FileState], declared: Sequence[Mapping[Path, bytes]]
) -> FindingChange:
    """A new finding beside the one that served for it; as it is where there was none."""
    location = each.place.location
    others = {
        alias: file.baselines[each.place.name]
        for alias, file in files.items()
        # What can't be read did not serve, and is listed where it changed.
        if alias != location.alias and not file.error and each.place.name in file.baselines
    }
    if not others:
        return each
    chains = [_chain(location, texts) for texts in declared]
    known = [chain for chain in chains if chain is not None]
    named = [alias for chain in known for alias in chain if alias in others]
    if not known:
        named = [alias for alias, other in others.items() if same_quantity(other, each.shown)]
        named = named if len(named) == 1 else []
    return replace(each, old=others[named[0]], beside=named[0]) if named else each


def _chain(location: Location, texts: Mapping[Path, bytes]) -> list[str] | None:
    """The parents of a test's model, nearest first; None where no ini tells of the model."""
    for folder in (location.folder, *location.folder.parents):
        for name, section in INIS.items():
            text = texts.get(folder / name)
            parents = None if text is None else dict(_declared(name, section, text))
            if parents:
                break
        else:
            continue
        if location.alias not in parents:
            return None
        chain: list[str] = []
        alias = parents[location.alias]
        while alias and alias not in chain:
            chain.append(alias)
            alias = parents.get(alias, "")
        return chain
    return None


def _declared(name: str, section: str, text: bytes) -> Iterator[tuple[str, str]]:
    """The aliases of an ini, each with its parent; empty where it has none."""
    for line in _lines(name, section, text):
        alias, _, rest = line.partition("=")
        yield alias.strip(), rest.partition(" < ")[2].strip()


def _lines(name: str, section: str, text: bytes) -> list[str]:
    """The lines that declare models in an ini; none where it can't be read."""
    try:
        if name.endswith(".toml"):
            value = tomllib.loads(text.decode())
            for key in section.split("."):
                value = value.get(key, {})
            found = value.get(SETTING, "")
        else:
            parser = ConfigParser(interpolation=None)
            parser.read_string(text.decode())
            found = parser.get(section, SETTING, fallback="")
    except (ValueError, AttributeError, ConfigError):
        return []
    lines = found.splitlines() if isinstance(found, str) else found
    stripped = [str(line).strip() for line in lines]
    return [line for line in stripped if line and not line.startswith("#")]
