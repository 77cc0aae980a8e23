"""The published schema says what report.json holds, no more and no less."""

import copy
import json
from importlib.resources import files

import pytest
from changed_documents import changed_documents
from handmade_rows import row, run
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from report.whole_findings import every_row, full_run

from pytest_circuits.baselines.formats import dotted
from pytest_circuits.report import document
from pytest_circuits.report.json_document import SCHEMA_VERSION
from pytest_circuits.report.run import VERDICTS
from pytest_circuits.report.stored import report_format
from pytest_circuits.verdicts import About, Change, Gate


def schema(package):
    return json.loads(files(package).joinpath("schema.json").read_text(encoding="utf-8"))


SCHEMA = schema("pytest_circuits.report")
BASELINES = schema("pytest_circuits.baselines")
VALIDATOR = Draft202012Validator(
    SCHEMA,
    registry=Registry().with_resource(BASELINES["$id"], Resource.from_contents(BASELINES)),
)


def errors(report):
    # As it is read from the file: with what JSON makes of it.
    return [error.message for error in VALIDATOR.iter_errors(json.loads(json.dumps(report)))]


def objects(part, path=()):
    """Every object of the schema that says which fields it requires, by its path."""
    if isinstance(part, dict):
        if "required" in part:
            yield path, part
        for name, inner in part.items():
            yield from objects(inner, (*path, name))


def test_the_schema_is_one_and_names_the_version_that_is_written():
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"] == f"urn:pytest-circuits:report:{SCHEMA_VERSION}"
    assert SCHEMA["properties"]["schema_version"]["const"] == SCHEMA_VERSION


def test_it_knows_every_word():
    words = SCHEMA["$defs"]
    assert words["kind"]["enum"] == list(VERDICTS)
    assert SCHEMA["properties"]["gate"]["enum"] == list(Gate)
    assert words["reason"]["properties"]["about"]["enum"] == list(About)
    assert words["reason"]["properties"]["change"]["enum"] == list(Change)


def test_every_field_is_required_described_and_no_other_is_allowed():
    for path, part in objects(SCHEMA):
        assert part["required"] == list(part["properties"]), path
        assert part["additionalProperties"] is False, path
        for name, field in part["properties"].items():
            assert field["description"].endswith("."), (path, name)


@pytest.mark.parametrize("kind", list(every_row()))
def test_every_kind_of_row_is_valid(kind):
    assert errors(document(run(every_row()[kind]))) == []


def test_a_run_of_everything_is_valid():
    assert errors(document(full_run())) == []
    assert errors(document(run(compared=("main", "working tree")))) == []
    assert errors(document(run(row(number=1.0, canary=(4.0, 4.1), scope="specific")))) == []


def places(part, path=()):
    """The path of every field of our own objects in a report."""
    if isinstance(part, dict):
        for name, inner in part.items():
            # Findings are the other schema's.
            if name not in ("found", "approved"):
                yield (*path, name)
                yield from places(inner, (*path, name))
    elif isinstance(part, list):
        for number, inner in enumerate(part[:1]):
            yield from places(inner, (*path, number))


def changed(report, path, change):
    report = copy.deepcopy(report)
    part = report
    for name in path[:-1]:
        part = part[name]
    change(part, path[-1])
    return report


def test_a_field_that_is_missing_or_strange_is_found():
    # A canary stands only where a finding changed.
    report = json.loads(json.dumps(document(full_run())))
    report["tests"] = [
        test for test in report["tests"] if test["verdicts"]["recall"]["settlement"]
    ][:1]  # fmt: skip
    assert errors(report) == []
    tried = set()
    free = {("summary", "verdicts"), ("tests", 0, "verdicts")}
    for path in places(report):
        if path[:-1] not in free:
            assert errors(changed(report, path, lambda part, name: part.pop(name))), path
            tried.add(path[-1])
        assert errors(changed(report, path, lambda part, name: part.update({name: {"a": 1}}))), path
    required = {name for _, part in objects(SCHEMA) for name in part["required"]}
    assert tried | {"found", "approved"} == required
    for path in [(), ("summary",), ("models", 0), ("tests", 0), ("failed", 0)]:
        assert errors(changed(report, (*path, "extra"), lambda part, n: part.update({n: 1}))), path


def test_what_is_read_is_checked_as_another_validator_checks_it():
    report = json.loads(json.dumps(document(full_run())))
    report["tests"] = [
        test for test in report["tests"] if test["verdicts"]["recall"]["reasons"]
    ][:1]  # fmt: skip
    reasons = report["tests"][0]["verdicts"]["recall"]["reasons"]
    del reasons[1:]
    differ = [
        (dotted(path), value)
        for path, value, damaged in changed_documents(report, whole=("found", "approved"))
        if VALIDATOR.is_valid(damaged) != (report_format().problem(damaged) is None)
    ]
    # Findings are left to their own reader, and 10**400 is a number that Python can't compute with.
    differ = [(path, value) for path, value in differ if value != 10**400]
    assert {path.rpartition(".")[2] for path, _ in differ} <= {"found", "approved"}
