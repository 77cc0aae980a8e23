"""What a baseline file holds: a schema version and the findings of one test, in order.

The format is published as ``schema.json`` beside this module (JSON Schema, draft 2020-12).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_circuits.baselines.canonical import dumps
from pytest_circuits.baselines.damage import damage
from pytest_circuits.baselines.migrations import SCHEMA_VERSION, known, migrate
from pytest_circuits.findings import InvalidFindingError
from pytest_circuits.findings.encoding import decode, encode
from pytest_circuits.verdicts import Tolerance, decode_tolerance, encode_tolerance

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_circuits.findings import Finding, Json

_RESTORE = "Restore the file from version control, or delete it and approve it anew."
_CONFLICT_MARKERS = ("<<<<<<<", "=======", ">>>>>>>")


class BaselineError(Exception):
    """A baseline can't be read or written; the message says which, where and what to do."""


class ForeignFileError(BaselineError):
    """The file is JSON, and was never a baseline file: it has no schema version."""


@dataclass(frozen=True)
class Baseline:
    """One approved finding.

    Attributes:
        name: the name that the test gave it; empty for the test's first.
        finding: what was approved.
        tolerance: how far later findings may lie from it.
    """

    name: str
    finding: Finding
    tolerance: Tolerance

    def document(self) -> dict[str, Json]:
        """The baseline as a JSON document."""
        return {
            "name": self.name,
            **encode(self.finding),
            "tolerance": encode_tolerance(self.tolerance),
        }

    def dumps(self) -> str:
        """The baseline as canonical JSON."""
        return dumps(self.document())


def loads(text: str, where: Path | str) -> Baseline:
    """The baseline in a text that :meth:`Baseline.dumps` made.

    Raises:
        BaselineError: if it is none; ``where`` is the file the message names.
    """
    document = json.loads(text)
    try:
        problem = damage(document)
        if problem is None:
            tolerance = decode_tolerance(document["tolerance"])
            return Baseline(document["name"], decode(document), tolerance)
    except (InvalidFindingError, OverflowError) as error:
        problem = str(error)
    raise BaselineError(
        f"{where}: the baseline {document['name'] or 'of this test'!r} is damaged ({problem})."
        f"\n{_RESTORE}"
    )


def read(path: Path) -> Iterator[Baseline]:
    """The baselines of a file, in order; none if there is no file.

    Raises:
        BaselineError: as :func:`read_entries` and :func:`loads` do.
    """
    for entry in read_entries(path):
        yield loads(dumps(entry), path)


def read_entries(path: Path) -> list[dict[str, Any]]:
    """The documents of a baseline file, in order; empty if there is no file.

    Raises:
        BaselineError: as :func:`parse_entries` does, and for a file that can't be read at all.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise BaselineError(f"{path}: can't be read ({error}).") from error
    return parse_entries(text, path)


def parse_entries(text: str, where: Path | str) -> list[dict[str, Any]]:
    """The documents in a baseline file's text, in order, migrated to the present version.

    Raises:
        BaselineError: for a damaged file, conflict markers, or a schema we don't know; ``where``
            is the file the message names. A :class:`ForeignFileError` for one without a schema.
    """
    try:
        document = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise BaselineError(_not_json(where, text, error)) from error
    except ValueError as error:
        raise BaselineError(f"{where}: {error}.\n{_RESTORE}") from error
    version = document.get("schema_version") if isinstance(document, dict) else None
    if not known(version):
        ours = isinstance(document, dict) and "schema_version" in document
        raise (BaselineError if ours else ForeignFileError)(
            f"{where}: schema version {version!r}, and this pytest-circuits reads "
            f"1 to {SCHEMA_VERSION}.\nInstall the pytest-circuits that wrote it, or delete the "
            f"file and approve it anew with `pytest --circuits --snapshot-update`."
        )
    findings = document.get("findings")
    if not isinstance(findings, list) or not all(
        isinstance(entry, dict) and isinstance(entry.get("name"), str) for entry in findings
    ):
        raise BaselineError(f"{where}: has no list of named findings.\n{_RESTORE}")
    names = [entry["name"] for entry in findings]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BaselineError(
            f"{where}: holds {twice or 'the finding without a name'!r} twice, as a merge that kept "
            f"both sides would leave it.\n{_RESTORE}"
        )
    return [migrate(entry, version) for entry in findings]


def _no_constant(name: str) -> None:
    """Refuse what Python reads and JSON doesn't have."""
    raise ValueError(f"holds {name}, which is no JSON")


def _not_json(where: Path | str, text: str, error: json.JSONDecodeError) -> str:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith(_CONFLICT_MARKERS):
            return (
                f"{where}:{number}: has a merge conflict.\nTake one side of it "
                f"(`git checkout --ours` or `--theirs` with the file's name), then run the test."
            )
    return f"{where}:{error.lineno}: is not JSON ({error.msg}).\n{_RESTORE}"
