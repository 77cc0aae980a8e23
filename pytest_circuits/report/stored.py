"""Reports that were written, read back: what any other report is rendered from later."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pytest_circuits.baselines import BaselineError
from pytest_circuits.report.details import Details
from pytest_circuits.report.json_report import SCHEMA_VERSION
from pytest_circuits.report.rows import Row
from pytest_circuits.report.run import FailedTest, Model, Run
from pytest_circuits.verdicts import About, Change, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

#: Fields of a stored verdict that are a row's as they are.
_SAME = (
    "verdict", "headline", "number", "passes", "outcome", "waived", "waiver", "owner", "written",
    "redundant", "own_tolerance", "more_reasons", "no_canary", "line",
)  # fmt: skip


class ReportError(Exception):
    """A report can't be read; the message says which, why and what to do."""


def read_report(path: Path) -> Run:
    """The run that a ``report.json`` tells of.

    Raises:
        ReportError: if it can't be read, or is no report of this version.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ReportError(f"{path}: can't be read ({error}).") from error
    except ValueError as error:
        raise ReportError(f"{path}: is not JSON ({error}).\n{_AGAIN}") from error
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        raise ReportError(
            f"{path}: schema version {version!r}, and this pytest-circuits reads reports of "
            f"version {SCHEMA_VERSION}.\n{_AGAIN}"
        )
    try:
        return _run(document, path)
    except BaselineError as error:
        problem = str(error).splitlines()[0].removeprefix(f"{path}: ")
        raise ReportError(f"{path}: {problem}\n{_AGAIN}") from error
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise ReportError(f"{path}: is damaged ({_words(error)}).\n{_AGAIN}") from error


_AGAIN = "Name a report.json that `pytest --circuits --circuits-report=DIR` wrote."


def _words(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _run(document: Mapping[str, Any], where: Path) -> Run:
    compared = document["compared"]
    return Run(
        models=tuple(
            Model(model["alias"], model["source"], tuple(model["owners"]), model["declared"])
            for model in document["models"]
        ),
        rows=tuple(
            _row(test, alias, verdict, where)
            for test in document["tests"]
            for alias, verdict in test["verdicts"].items()
        ),
        gate=document["gate"],
        failed=tuple(
            FailedTest(each["test"], each["model"], each["message"], each["line"])
            for each in document["failed"]
        ),
        unfinished=int(document["unfinished"]),
        exit_status=int(document["exit_status"]),
        options=tuple(document["options"]),
        compared=None if compared is None else (compared[0], compared[1]),
    )


def _row(test: Mapping[str, Any], alias: str, stored: Mapping[str, Any], where: Path) -> Row:
    details = stored["details"]
    return Row(
        test=_nodeid(test["test"], alias),
        alias=alias,
        measure=test["measure"],
        name=test["name"],
        scope=stored["scope"] or "",
        canary=tuple(stored["canary"] or ()),
        reasons=tuple(_reasons(stored["reasons"])),
        details=None if details is None else Details.from_document(details, where),
        **{name: stored[name] for name in _SAME},
    )


def _nodeid(test: str, alias: str) -> str:
    """The node id of a test on a model: its alias is the last of its parameters."""
    return f"{test[:-1]}-{alias}]" if test.endswith("]") else f"{test}[{alias}]"


def _reasons(stored: list[Mapping[str, Any]]) -> Iterator[Reason]:
    for reason in stored:
        yield Reason(
            Change(reason["change"]),
            About(reason["about"]),
            reason["subject"],
            reason["quantity"] or "",
            reason["before"],
            reason["after"],
            reason["tolerance"],
            reason["null"],
            reason["other"] or "",
        )
