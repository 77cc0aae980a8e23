"""Reports that were written, read back: what any other report is rendered from later."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_circuits.baselines import BaselineError
from pytest_circuits.report.details import Details
from pytest_circuits.report.json_document import SCHEMA_VERSION
from pytest_circuits.report.rows import Row
from pytest_circuits.report.run import VERDICTS, FailedTest, Model, Run, nodeid
from pytest_circuits.report.stored_fields import (
    COUNT,
    FLAG,
    LIST,
    NUMBER,
    OBJECT,
    PAIR,
    TEXT,
    TEXTS,
    VALUE,
    Field,
    one_of,
    or_null,
)
from pytest_circuits.verdicts import About, Change, Gate, Reason, Scope, reason_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_RUN = {
    "gate": one_of(*Gate), "exit_status": COUNT, "unfinished": COUNT, "options": TEXTS,
    "root": TEXT, "compared": or_null(TEXTS), "models": LIST, "failed": LIST, "tests": LIST,
    "summary": OBJECT,
}  # fmt: skip
_MODEL = {"alias": TEXT, "source": TEXT, "owners": TEXTS, "declared": FLAG, "options": TEXTS}
_FAILED = {"test": TEXT, "model": TEXT, "message": TEXT, "line": or_null(COUNT)}
_TEST = {"test": TEXT, "name": TEXT, "measure": TEXT, "verdicts": OBJECT}
#: Fields of a stored verdict that are a row's as they are.
_SAME = {
    "verdict": one_of(*VERDICTS), "headline": TEXT, "number": or_null(NUMBER), "passes": FLAG,
    "outcome": TEXT, "waived": FLAG, "waiver": TEXT, "owner": TEXT, "written": FLAG,
    "pending": FLAG, "redundant": FLAG, "own_tolerance": FLAG, "remembered": FLAG,
    "more_reasons": COUNT,
    "no_canary": FLAG, "line": or_null(COUNT), "failure": TEXT,
}  # fmt: skip
_VERDICT = {
    **_SAME, "scope": or_null(one_of(*Scope)), "canary": or_null(PAIR), "reasons": LIST,
    "details": or_null(OBJECT),
}  # fmt: skip
_REASON = {
    "change": one_of(*Change), "about": one_of(*About), "subject": TEXT, "quantity": or_null(TEXT),
    "before": VALUE, "after": VALUE, "tolerance": NUMBER, "null": or_null(NUMBER),
    "other": or_null(TEXT),
}  # fmt: skip
_DETAILS = {"found": OBJECT, "approved": or_null(OBJECT)}
#: What the reader of baselines takes for granted.
_BASELINE = {"name": TEXT}


class ReportError(Exception):
    """A report can't be read; the message says which, why and what to do."""


def read_report(path: Path) -> Run:
    """The run that a ``report.json`` tells of.

    Raises:
        ReportError: if it can't be read, or is no report of this version.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except OSError as error:
        raise ReportError(f"{path}: can't be read ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise ReportError(f"{path}: is not JSON ({error}).\n{_AGAIN}") from error
    try:
        # Half a character can be escaped in JSON, and written nowhere.
        json.dumps(document, ensure_ascii=False).encode()
    except ValueError as error:
        raise ReportError(f"{path}: is damaged ({error}).\n{_AGAIN}") from error
    version = document.get("schema_version") if isinstance(document, dict) else None
    if type(version) is not int or version != SCHEMA_VERSION:
        raise ReportError(
            f"{path}: schema version {version!r}, and this pytest-circuits reads reports of "
            f"version {SCHEMA_VERSION}.\n{_AGAIN}"
        )
    try:
        return _run(document, path)
    except BaselineError as error:
        problem = str(error).splitlines()[0].removeprefix(f"{path}: ")
        raise ReportError(f"{path}: {problem}\n{_AGAIN}") from error
    # What no field's own check finds: a head that is none, numbers too large for arrays.
    except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError) as error:
        raise ReportError(f"{path}: is damaged ({error}).\n{_AGAIN}") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"it holds {constant}")


_AGAIN = "Name a report.json that `pytest --circuits --circuits-report=DIR` wrote."


def _run(document: Mapping[str, Any], where: Path) -> Run:
    _check(document, _RUN, "")
    models = tuple(
        Model(
            each["alias"],
            each["source"],
            tuple(each["owners"]),
            each["declared"],
            tuple(each["options"]),
        )
        for each in _checked(document["models"], _MODEL, "models")
    )
    compared = document["compared"]
    if compared is not None and len(compared) != 2:  # noqa: PLR2004 — two states
        raise ValueError("compared names two states")
    aliases = [model.alias for model in models]
    if len(set(aliases)) != len(aliases):
        raise ValueError("models has two of one alias")
    return Run(
        models=models,
        rows=tuple(_rows(document["tests"], aliases, where)),
        gate=document["gate"],
        failed=tuple(
            FailedTest(each["test"], each["model"], each["message"], each["line"])
            for each in _checked(document["failed"], _FAILED, "failed")
        ),
        unfinished=document["unfinished"],
        exit_status=document["exit_status"],
        options=tuple(document["options"]),
        root=document["root"],
        compared=None if compared is None else (compared[0], compared[1]),
    )


def _rows(tests: list[Any], aliases: list[str], where: Path) -> Iterator[Row]:
    for test in _checked(tests, _TEST, "tests"):
        for alias, verdict in test["verdicts"].items():
            place = f"{test['test']} on {alias}"
            if alias not in aliases:
                raise ValueError(f"{place}: models has no {alias!r}")
            _check(verdict, _VERDICT, place)
            if verdict["details"] is not None:
                _check(verdict["details"], _DETAILS, place)
                for part in filter(None, verdict["details"].values()):
                    _check(part, _BASELINE, place)
            yield _row(test, alias, verdict, where)


def _row(test: Mapping[str, Any], alias: str, stored: Mapping[str, Any], where: Path) -> Row:
    details = stored["details"]
    if stored["canary"] is not None and stored["scope"] is None:
        raise ValueError(f"{test['test']} on {alias}: canary is there, and scope is null")
    return Row(
        test=nodeid(test["test"], alias),
        alias=alias,
        measure=test["measure"],
        name=test["name"],
        scope=stored["scope"] or "",
        canary=tuple(stored["canary"] or ()),
        reasons=tuple(_reasons(stored["reasons"])),
        details=None if details is None else Details.from_document(details, where),
        **{name: stored[name] for name in _SAME},
    )


def _reasons(stored: list[Any]) -> Iterator[Reason]:
    for each in _checked(stored, _REASON, "reasons"):
        reason = Reason(
            Change(each["change"]),
            About(each["about"]),
            each["subject"],
            each["quantity"] or "",
            each["before"],
            each["after"],
            each["tolerance"],
            each["null"],
            each["other"] or "",
        )
        reason_text(reason)  # which takes heads' labels apart
        yield reason


def _checked(
    stored: list[Any], fields: Mapping[str, Field], where: str
) -> Iterator[Mapping[str, Any]]:
    for number, each in enumerate(stored):
        _check(each, fields, f"{where}[{number}]")
        yield each


def _check(stored: object, fields: Mapping[str, Field], where: str) -> None:
    """Take it that an object holds fields as they have to be.

    Raises:
        TypeError, ValueError: if it doesn't, naming the first that is not.
    """
    of = f"{where}: " if where else ""
    if not isinstance(stored, dict):
        raise TypeError(f"{of}it is not an object")
    for name, field in fields.items():
        if name not in stored:
            raise ValueError(f"{of}{name} is missing")
        if not field.fits(stored[name]):
            raise ValueError(f"{of}{name} is not {field.name}")
