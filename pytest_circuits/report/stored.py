"""Reports that were written, read back: what any other report is rendered from later."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_circuits.baselines import BaselineError
from pytest_circuits.baselines.damage import FINDING, baseline_format
from pytest_circuits.baselines.formats import NOUNS, Format, dotted
from pytest_circuits.findings.strict_json import JsonError, parse_json
from pytest_circuits.report.details import Details
from pytest_circuits.report.json_document import SCHEMA_VERSION
from pytest_circuits.report.rows import Row
from pytest_circuits.report.run import FailedTest, Model, Run, nodeid
from pytest_circuits.verdicts import About, Change, Reason, Settlement, reason_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_circuits.baselines.formats import Problem

#: What the values of a report are called.
_NOUNS = {**NOUNS, "integer": "a count"}
_NAMED = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
_AGAIN = "Name a report.json that `pytest --circuits --circuits-report=DIR` wrote."


class ReportError(Exception):
    """A report can't be read; the message says which, why and what to do."""


def read_report(path: Path) -> Run:
    """The run that a ``report.json`` tells of.

    Raises:
        ReportError: if it can't be read, or is no report of this version.
    """
    try:
        document = parse_json(path.read_bytes())
    except OSError as error:
        raise ReportError(f"{path}: can't be read ({error.strerror}).") from error
    except JsonError as error:
        raise ReportError(f"{path}: {error}.\n{_AGAIN}") from error
    version = document.get("schema_version") if isinstance(document, dict) else None
    if type(version) is not int or version != SCHEMA_VERSION:
        raise ReportError(
            f"{path}: schema version {version!r}, and this pytest-circuits reads reports of "
            f"version {SCHEMA_VERSION}.\n{_AGAIN}"
        )
    problem = report_format().problem(document)
    if problem is not None:
        raise ReportError(f"{path}: is damaged ({_said(problem, document)}).\n{_AGAIN}")
    try:
        return _run(document, path)
    except BaselineError as error:
        words = str(error).splitlines()[0].removeprefix(f"{path}: ")
        raise ReportError(f"{path}: {words}\n{_AGAIN}") from error
    # What no schema finds: a head that is none, numbers too large for arrays.
    except (ValueError, KeyError, TypeError, ArithmeticError, RecursionError) as error:
        raise ReportError(f"{path}: is damaged ({error}).\n{_AGAIN}") from error


@cache
def report_format() -> Format:
    """The format of reports."""
    # Findings are left to the reader of baselines, which takes it for granted that they have names.
    finding = f"{baseline_format().identifier}{FINDING}"
    return Format.read(Path(__file__).with_name("schema.json"), {finding: _NAMED})


def _said(problem: Problem, document: Mapping[str, Any]) -> str:
    """What is wrong with a report: ``models[0]: owners is not a list of texts``."""
    *way, name = problem.path
    if isinstance(name, int):
        way, name = [*way, name], "it"
    words = f"{name} {problem.said(_NOUNS)}"
    if name == "compared" and isinstance(problem.value, list):
        words = "compared names two states"
    match way:
        case []:
            return words
        case ["tests", int(number), "verdicts", str(alias), *within]:
            test = document["tests"][number]["test"]
            # Of a finding's details the field's own name tells enough.
            reason = f", {dotted(within)}" if "reasons" in within else ""
            return f"{test} on {alias}{reason}: {words}"
    return f"{dotted(way)}: {words}"


def _run(document: Mapping[str, Any], where: Path) -> Run:
    models = tuple(
        Model(
            each["alias"],
            each["source"],
            tuple(each["owners"]),
            each["declared"],
            tuple(each["options"]),
        )
        for each in document["models"]
    )
    aliases = [model.alias for model in models]
    if len(set(aliases)) != len(aliases):
        raise ValueError("models has two of one alias")
    compared = document["compared"]
    return Run(
        models=models,
        rows=tuple(_rows(document["tests"], aliases, where)),
        gate=document["gate"],
        failed=tuple(
            FailedTest(each["test"], each["model"], each["message"], each["line"])
            for each in document["failed"]
        ),
        unfinished=tuple(document["unfinished"]),
        exit_status=document["exit_status"],
        options=tuple(document["options"]),
        root=document["root"],
        compared=None if compared is None else (compared[0], compared[1]),
    )


def _rows(tests: list[dict[str, Any]], aliases: list[str], where: Path) -> Iterator[Row]:
    for test in tests:
        for alias, verdict in test["verdicts"].items():
            place = f"{test['test']} on {alias}"
            if alias not in aliases:
                raise ValueError(f"{place}: models has no {alias!r}")
            if verdict["canary"] is not None and verdict["scope"] is None:
                raise ValueError(f"{place}: canary is there, and scope is null")
            yield _row(test, alias, verdict, where)


def _row(test: Mapping[str, Any], alias: str, stored: Mapping[str, Any], where: Path) -> Row:
    details = stored["details"]
    # All other fields of a verdict are a row's as they are.
    other = {
        "scope": stored["scope"] or "",
        "canary": tuple(stored["canary"] or ()),
        "reasons": tuple(map(_reason, stored["reasons"])),
        "settlement": stored["settlement"] and Settlement.from_document(stored["settlement"]),
        "details": None if details is None else Details.from_document(details, where),
    }
    return Row(
        test=nodeid(test["test"], alias),
        alias=alias,
        measure=test["measure"],
        name=test["name"],
        **{**stored, **other},
    )


def _reason(stored: Mapping[str, Any]) -> Reason:
    reason = Reason(
        Change(stored["change"]),
        About(stored["about"]),
        stored["subject"],
        stored["quantity"] or "",
        stored["before"],
        stored["after"],
        stored["tolerance"],
        stored["null"],
        stored["other"] or "",
        stored["identity"] or "",
    )
    reason_text(reason)  # which takes heads' labels apart
    return reason
