"""Baseline files: who owns them, and how they are written and deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_circuits.baselines.atomic import write_text
from pytest_circuits.baselines.canonical import dumps
from pytest_circuits.baselines.envelope import Baseline, loads, read_entries
from pytest_circuits.baselines.migrations import SCHEMA_VERSION
from pytest_circuits.baselines.names import Location

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from pytest_circuits.findings import Json


def find(path: Path, owners: Sequence[str], name: str) -> tuple[str, str] | None:
    """The first owner's baseline of that name.

    Args:
        path: the path of the test's baselines for any one alias.
        owners: aliases to look for, nearest first.
        name: the finding's name in the file.

    Returns:
        the owner's alias and the baseline as canonical JSON, or None.

    Raises:
        BaselineError: if a file on the way can't be read.
    """
    location = Location.of(path)
    assert location is not None
    for owner in owners:
        own = location.of_alias(owner).path
        for entry in read_entries(own):
            if entry["name"] == name:
                text = dumps(entry)
                # Decoded once here, so that damage is reported with the file's own name.
                loads(text, own)
                return owner, text
    return None


def check_first(path: Path, owners: Sequence[str]) -> None:
    """Make sure that the file can be read that holds the baselines of the nearest owner with any.

    And in it the baseline without a name, which is the test's first, if it is there. What else
    :func:`find` may come across depends on the name that it looks for.

    Args:
        path: the path of the test's baselines for any one alias.
        owners: aliases to look for, nearest first.

    Raises:
        BaselineError: as :func:`find`.
    """
    location = Location.of(path)
    assert location is not None
    for owner in owners:
        if location.of_alias(owner).path.exists():
            find(path, [owner], "")
            return


def write(path: Path, baselines: Sequence[Baseline], *, before: Collection[str] = ()) -> None:
    """Put baselines into a file, leaving its others as they are and in their order.

    The file appears whole or not at all; a file that would not change is not touched.

    Args:
        path: the file.
        baselines: what to put into it.
        before: names that those which the file does not hold yet come before; else they are last.

    Raises:
        BaselineError: if there is a file that can't be read: nothing is repaired silently.
    """
    entries: dict[str, Json] = {entry["name"]: entry for entry in read_entries(path)}
    names = list(entries)
    at = next((place for place, name in enumerate(names) if name in before), len(names))
    names[at:at] = [baseline.name for baseline in baselines if baseline.name not in entries]
    entries |= {baseline.name: baseline.document() for baseline in baselines}
    text = dumps({"schema_version": SCHEMA_VERSION, "findings": [entries[name] for name in names]})
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    write_text(path, text)


def delete(location: Location) -> None:
    """Delete a baseline file, and those of its folders that held nothing else."""
    location.path.unlink()
    # Its module's, its alias's, and the one that holds all baselines.
    for folder in location.path.parents[:3]:
        if any(folder.iterdir()):
            return
        folder.rmdir()
