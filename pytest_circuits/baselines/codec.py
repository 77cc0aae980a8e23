"""A baseline file's text and what it holds: a schema and the findings of one test, in order.

The format is published as ``schema.json`` beside this module (JSON Schema, draft 2020-12).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_circuits.baselines.damage import damage
from pytest_circuits.baselines.derived import contradiction
from pytest_circuits.findings import InvalidFindingError
from pytest_circuits.findings.encoding import decode, encode
from pytest_circuits.findings.strict_json import JsonError, parse_json
from pytest_circuits.verdicts import Tolerance, decode_tolerance, encode_tolerance, followed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_circuits.findings import Finding, Json

#: What a file says that it holds. Another format gets another identifier.
SCHEMA = "urn:pytest-circuits:baseline-file:1"
#: What the provenance of a finding calls a model that was not measured as it was loaded.
OWN_MODEL = "a model of the test's own"
#: What files said in its place before the first release.
_OLD_SCHEMA = "schema_version"

_RESTORE = "Restore the file from version control, or delete it and approve it anew."
_APPROVE = "delete the file and approve it anew with `pytest --circuits --snapshot-update`."
_REACH = "Make it a file that you may read."
_RESOLVE = (
    "Take one side of it (`git checkout --ours` or `--theirs` with the file's name), then run the "
    "test."
)


class BaselineError(Exception):
    """A baseline can't be read or written; the message says which, where and what to do."""


class ForeignFileError(BaselineError):
    """The file is JSON, and was never a baseline file: it names no schema."""


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
            **encode(self.finding, followed(self.finding, self.tolerance)),
            "tolerance": encode_tolerance(self.tolerance),
        }

    def dumps(self) -> str:
        """The baseline as canonical JSON."""
        return dumps(self.document())

    @classmethod
    def from_document(
        cls, document: Mapping[str, Any], where: Path | str, *, past: bool = False
    ) -> Baseline:
        """The baseline in a document that :meth:`document` made.

        Args:
            document: the document.
            where: the file that messages name.
            past: whether it is only looked back at: then it may be of a version that computed its
                summaries otherwise, and the values alone count.

        Raises:
            BaselineError: if it is none, or contradicts itself.
        """
        check(document, where)
        try:
            tolerance = decode_tolerance(document["tolerance"])
            finding = decode(document)
        except (InvalidFindingError, OverflowError) as error:
            raise _damaged(document, where, str(error)) from error
        problem = None if past else contradiction(document, finding)
        if problem is not None:
            raise _damaged(document, where, problem)
        return cls(document["name"], finding, tolerance)


def check(document: Mapping[str, Any], where: Path | str) -> None:
    """Refuse a baseline's document that can't be read, or that a slip of the hand has changed.

    Raises:
        BaselineError: naming the field; ``where`` is the file the message names.
    """
    problem = damage(document)
    if problem is not None:
        raise _damaged(document, where, problem)


def _damaged(document: Mapping[str, Any], where: Path | str, problem: str) -> BaselineError:
    return BaselineError(
        f"{where}: the baseline {_called(document)} is damaged ({problem}).\n{_RESTORE}"
    )


def _called(document: Mapping[str, Any]) -> str:
    return repr(document["name"] or "of this test")


class BaselineFile:
    """What one file holds: parsed once, and each baseline in it decoded once, when it is needed.

    Args:
        documents: the baselines' documents, in order.
        where: the file, for messages.
        past: whether it is only looked back at, as :meth:`Baseline.from_document` has it.
    """

    def __init__(
        self, documents: Sequence[dict[str, Any]], where: Path | str, *, past: bool = False
    ) -> None:
        self.documents = {str(document["name"]): document for document in documents}
        self._where, self._past = where, past
        self._decoded: dict[str, Baseline] = {}

    def __iter__(self) -> Iterator[Baseline]:
        """The baselines in order.

        Raises:
            BaselineError: at the first that is damaged.
        """
        return (self[name] for name in self.documents)

    def __contains__(self, name: str) -> bool:
        return name in self.documents

    def __getitem__(self, name: str) -> Baseline:
        """The baseline of that name.

        Raises:
            KeyError: if there is none.
            BaselineError: if it is damaged.
        """
        if name not in self._decoded:
            document = self.documents[name]
            self._decoded[name] = Baseline.from_document(document, self._where, past=self._past)
        return self._decoded[name]


def read(path: Path) -> BaselineFile:
    """What a baseline file holds; nothing if there is no file.

    Raises:
        BaselineError: as :func:`parse` does, and for a file that can't be read at all.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return BaselineFile([], path)
    except OSError as error:
        raise BaselineError(f"{path}: can't be read ({error.strerror}).\n{_REACH}") from error
    return parse(data, path)


def parse(data: bytes | str, where: Path | str, *, past: bool = False) -> BaselineFile:
    """What the text of a baseline file holds; ``past`` as :meth:`Baseline.from_document` has it.

    Raises:
        BaselineError: for a damaged file, conflict markers, or a schema we don't know; ``where``
            is the file the message names. A :class:`ForeignFileError` for one without a schema.
    """
    try:
        document = parse_json(data)
    except JsonError as error:
        advice = _RESOLVE if error.is_conflict else _RESTORE
        line = "" if error.line is None else f":{error.line}"
        raise BaselineError(f"{where}{line}: {error.problem}.\n{advice}") from error
    _check_schema(document, where)
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
    return BaselineFile(findings, where, past=past)


def text_of(documents: Sequence[Mapping[str, Json]]) -> str:
    """The text of a baseline file that holds these documents."""
    return dumps({"schema": SCHEMA, "findings": [dict(document) for document in documents]})


def _check_schema(document: object, where: Path | str) -> None:
    if isinstance(document, dict) and document.get("schema") == SCHEMA:
        return
    if isinstance(document, dict) and "schema" not in document and _OLD_SCHEMA in document:
        raise BaselineError(
            f"{where}: schema version {document[_OLD_SCHEMA]!r} is of a pytest-circuits before its "
            f"first release, which no other reads.\n{_APPROVE.capitalize()}"
        )
    if isinstance(document, dict) and "schema" in document:
        raise BaselineError(
            f"{where}: schema {document['schema']!r}, and this pytest-circuits reads {SCHEMA}.\n"
            f"Install the pytest-circuits that wrote it, or {_APPROVE}"
        )
    raise ForeignFileError(
        f"{where}: names no schema, so this is no baseline file; one names {SCHEMA}.\n"
        f"Put the baseline file back from version control, or {_APPROVE}"
    )


def dumps(document: Json) -> str:
    """A document as canonical JSON: the same document always gives the same bytes.

    Two spaces of indent, a row of numbers on one line, a final newline: diffs stay readable.

    Raises:
        ValueError: for NaN or infinity, which are no JSON.
    """
    return _dumps(document, "") + "\n"


def _dumps(value: Json, indent: str) -> str:
    deeper = indent + "  "
    if isinstance(value, dict) and value:
        inner = [f"{deeper}{_scalar(key)}: {_dumps(item, deeper)}" for key, item in value.items()]
        return "{\n" + ",\n".join(inner) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, (list, dict)) for item in value):
        inner = [f"{deeper}{_dumps(item, deeper)}" for item in value]
        return "[\n" + ",\n".join(inner) + f"\n{indent}]"
    return _scalar(value)


def _scalar(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
