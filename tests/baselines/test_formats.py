"""What is read is checked against the published schemas, as another validator checks it."""

import json
from importlib.resources import files

import pytest
from baselines.test_schema import OF_CELLS, VALIDATOR, of_heads, of_one_number
from changed_documents import changed_documents
from handmade_pending import left
from jsonschema import Draft202012Validator

from pytest_circuits.baselines import SCHEMA, Baseline
from pytest_circuits.baselines.damage import baseline_format
from pytest_circuits.baselines.formats import NOUNS, Format, dotted
from pytest_circuits.baselines.pending import pending_format
from pytest_circuits.findings import Direction
from pytest_circuits.verdicts import Kind, default_tolerance

PENDING = json.loads(
    files("pytest_circuits.baselines").joinpath("pending_schema.json").read_text(encoding="utf-8")
)
#: What may hold anything.
FREE = ("convention", "prompts", "recorded_with")


def file_of(finding):
    baseline = Baseline("first", finding, default_tolerance(finding))
    document = {"schema": SCHEMA, "findings": [baseline.document()]}
    return json.loads(json.dumps(document))


def disagreements(form, validator, document, whole):
    """Where only one of both validators finds something wrong, and how often both do."""
    differ, both = [], 0
    for path, value, changed in changed_documents(document, whole=whole):
        ours, theirs = form.problem(changed) is None, validator.is_valid(changed)
        # 10**400 is a number in JSON, and none that Python computes with.
        if ours != theirs and not (value == 10**400 and theirs):
            differ.append((dotted(path), value))
        both += not ours and not theirs
    return differ, both


@pytest.mark.parametrize(
    "finding", [of_heads(), of_one_number(), *OF_CELLS], ids=lambda finding: finding.measure
)
def test_of_baselines_both_validators_find_the_same(finding):
    document = file_of(finding)
    assert baseline_format().problem(document) is None
    differ, both = disagreements(baseline_format(), VALIDATOR, document, FREE)
    assert differ == []
    assert both > 300


def test_of_pending_files_both_validators_find_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    baseline = Baseline("", of_one_number(), default_tolerance(of_one_number()))
    document = json.loads(left(baseline).read_text(encoding="utf-8"))
    document["findings"][0]["held_against"] = {"owner": "recall", "digest": "sha256:0"}
    Draft202012Validator.check_schema(PENDING)
    differ, both = disagreements(
        pending_format(), Draft202012Validator(PENDING), document, ("baseline",)
    )
    assert differ == []
    assert both > 100


def test_the_schemas_know_every_word():
    definitions = json.loads(
        files("pytest_circuits.baselines").joinpath("schema.json").read_text(encoding="utf-8")
    )["$defs"]
    assert definitions["direction"]["enum"] == list(Direction)
    assert set(PENDING["$defs"]["pending"]["properties"]["verdict"]["enum"]) == set(Kind)


@pytest.mark.parametrize("schema", [{"dependentRequired": {}}, {"items": {"format": "date"}}])
def test_a_keyword_that_is_not_understood_is_an_error(schema):
    with pytest.raises(KeyError):
        Format({"$id": "urn:test", "properties": {"a": schema}}).problem({"a": [1]})


def described(schema, value, **words):
    problem = Format({"$id": "urn:test", "properties": {"a": schema}}).problem({"a": value})
    return None if problem is None else f"{problem.where} {problem.said(**words)}"


@pytest.mark.parametrize(
    ("schema", "value", "said"),
    [
        ({"type": "string"}, 1, "a is not a text"),
        ({"type": "integer"}, 2.0, "a is not a whole number"),
        ({"type": "integer"}, True, "a is not a whole number"),
        ({"type": ["number", "string", "null"]}, [], "a is not a number, a text or null"),
        ({"type": "number"}, float("inf"), "a is not a number"),
        ({"type": "number", "minimum": 0}, -1, "a is less than 0"),
        ({"type": "number", "minimum": 0, "maximum": 1}, 2, "a is not a probability"),
        ({"enum": ["b", None]}, "c", "a is not one of b, null"),
        ({"type": "string", "minLength": 1}, "", "a is empty"),
        ({"type": "array", "items": {"type": "number"}}, [1, "2"], "a is not a row of numbers"),
        (
            {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
            [1.0],
            "a is not a pair of numbers",
        ),
        (
            {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 3},
            [1.0],
            "a is not two or three numbers",
        ),
        (
            {"type": "array", "items": {"type": "number", "minimum": 0}},
            [1.0, -1.0],
            "a[1] is less than 0",
        ),
        ({"type": "array", "items": {"type": "string"}}, ["b", 1], "a is not a list of texts"),
        ({"type": "array", "uniqueItems": True}, ["b", "b"], "a has one of them twice"),
        ({"type": "array", "items": {"type": "object"}}, [{}, 1], "a[1] is not an object"),
        ({"oneOf": [{"type": "null"}, {"type": "object"}]}, 1, "a is not an object or null"),
        ({"type": "object", "required": ["b"]}, {}, "a.b is missing"),
        ({"additionalProperties": False}, {"b": 1}, "a.b is there, and there is no such field"),
        ({"maxProperties": 1}, {"b": 1, "c": 2}, "a has more than 1 names"),
        ({"propertyNames": {"enum": ["b"]}}, {"c": 1}, "a names c, and there is no such name"),
    ],
)
def test_what_is_wrong_is_said(schema, value, said):
    assert described(schema, value) == said


def test_each_format_says_it_in_its_own_words():
    nouns = {**NOUNS, "integer": "a count"}
    assert described({"type": "integer"}, "b", nouns=nouns) == "a is not a count"
    texts = {"type": "array", "items": {"type": "string"}}
    assert described(texts, "b", texts="a list of names") == "a is not a list of names"
