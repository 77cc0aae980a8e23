"""The published schema says what baseline files hold, no more and no less."""

import copy
import json
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
from circuit_suites import EXAMPLES
from jsonschema import Draft202012Validator

from pytest_circuits.baselines import SCHEMA as IDENTIFIER, Baseline, baseline_path, write
from pytest_circuits.baselines.codec import read
from pytest_circuits.findings import (
    Allowance,
    Behaviour,
    Canary,
    Direction,
    Finding,
    Null,
    Output,
    Role,
)
from pytest_circuits.findings.encoding import rounded
from pytest_circuits.verdicts import default_tolerance

SCHEMA = json.loads(
    files("pytest_circuits.baselines").joinpath("schema.json").read_text(encoding="utf-8")
)
VALIDATOR = Draft202012Validator(SCHEMA)
COMMITTED = sorted(EXAMPLES.rglob("__circuits__/**/*.json"))


def of_heads() -> Finding:
    """A finding that holds everything a finding can hold."""
    return Finding(
        measure="patch",
        quantity="recovered",
        unit="fraction of the logit difference",
        direction=Direction.TWO_SIDED,
        axes=("layer", "head"),
        values=np.array([[0.123456, 0.9]]),
        errors=np.array([[np.nan, 0.02]]),
        samples=3,
        clusters=3,
        convention={"site": "head_out", "block": 4, "scale": None, "of": ["a", {"b": 0.5}]},
        prompts={"kind": "pairs", "ids": [[1, 2], [3, 4], [5, 6]]},
        role=Role("restoring heads", 0.1),
        profiles={"L0H1": np.array([0.8, np.nan, 1.0]), "L0H0": np.full(3, 0.123456 * 20.5)},
        nulls={"L0H1": Null(0.01, 0.001)},
        outputs={"L0H1": Output(0.7, np.nan)},
        companion=(
            Behaviour(
                "logit_diff_gap", 20.5, 0.2887, 3, Direction.HIGHER, "logits", vital=True,
                interval=(19.5, 21.5), profile=np.array([20.0, 20.5, 21.0]), chance=0.5,
            ),
        ),
        relative_to="logit_diff_gap",
        canary=Canary(3.1234, "text", "c146e18e1902e4c8"),
        provenance={"source": "bundled:recall", "versions": {"torch": "2.13.0"}},
        labels={"layer": ("the first",)},
        allowance=Allowance(0.05, 0.1),
    )  # fmt: skip


def of_one_number() -> Finding:
    return Finding(
        "repeat_loss", "repeat loss", "nats", Direction.LOWER, (), np.array(1.5),
        np.array(np.nan), 1, 1, {"block": 4}, {"kind": "repeated tokens"},
        canary=Canary(4.0, "drawn tokens", "2f6b8a5212916988"),
        nulls={"repeat_loss": Null(3.0, 0.001)},
        chance=10.8,
    )  # fmt: skip


def of_cells(*axes: str, **fields) -> Finding:
    """A finding without a role, of two cells along every axis."""
    values = np.arange(2.0 ** len(axes)).reshape([2] * len(axes))
    return Finding(
        " × ".join(axes), "recovered", "fraction", Direction.TWO_SIDED, axes, values, values / 10,
        3, 3, {}, {"kind": "pairs"}, **fields,
    )  # fmt: skip


OF_CELLS = (
    of_cells("component", labels={"component": ("L0 attn", "L0 mlp")}),
    of_cells("layer"),
    of_cells("layer", "position", labels={"position": ("S1", "END")}),
    of_cells("layer", "head", "position", labels={"position": ("S1", "END")}),
)


def path_in(tmp_path):
    return baseline_path(tmp_path / "test_heads.py", "recall", "test_heads")


def written(tmp_path, *findings):
    path = path_in(tmp_path)
    write(path, [Baseline(f.measure, f, default_tolerance(f)) for f in findings])
    return json.loads(path.read_text(encoding="utf-8"))


def errors(document):
    return [f"{e.json_path}: {e.message}" for e in VALIDATOR.iter_errors(document)]


def test_it_is_a_schema_of_the_present_version():
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"] == IDENTIFIER
    assert SCHEMA["properties"]["schema"]["const"] == IDENTIFIER


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_every_committed_baseline_is_valid(path):
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["findings"] != []
    assert errors(document) == []


def test_what_is_written_is_valid(tmp_path):
    assert errors(written(tmp_path, of_heads(), of_one_number())) == []


def test_findings_of_other_axes_are_valid(tmp_path):
    assert errors(written(tmp_path, *OF_CELLS)) == []


@pytest.mark.parametrize(
    "damage",
    [
        {"labels": {"position": "END"}},
        {"labels": {"position": [1, 2]}},
        {"labels": []},
        {"values": [[0.0, 1.0], [2.0, 3.0]]},
        {"values": [[[0.0, 1.0], [2.0, "3"]], [[4.0, 5.0], [6.0, 7.0]]]},
        {"role": {"name": "heads", "threshold": 0.1, "members": {}}},
    ],
    ids=str,
)
def test_a_damaged_finding_of_other_axes_is_not_valid(tmp_path, damage):
    document = written(tmp_path, OF_CELLS[-1])
    document["findings"][0] |= damage
    assert errors(document) != []


def test_what_a_run_approves_is_valid(one_test):
    one_test.baseline.unlink()
    one_test.approve()
    document = json.loads(one_test.baseline.read_text(encoding="utf-8"))
    assert document["schema"] == IDENTIFIER
    assert errors(document) == []


def test_a_value_that_is_undefined_is_valid(tmp_path):
    document = written(tmp_path, of_heads(), of_one_number())
    heads, number = document["findings"]
    heads["values"] = [[None, None]]
    number["values"] = None
    assert errors(document) == []


@pytest.mark.parametrize("whole", [of_heads(), *OF_CELLS], ids=lambda whole: whole.measure)
def test_cells_that_the_model_does_not_have_are_valid(tmp_path, whole):
    absent = np.zeros(whole.values.shape, dtype=bool)
    absent.flat[0] = True
    values, spread = (np.where(absent, np.nan, part) for part in (whole.values, whole.errors))
    kept = {label: profile for label, profile in whole.profiles.items() if label != "L0H0"}
    finding = replace(whole, values=values, errors=spread, absent=absent, profiles=kept)
    document = written(tmp_path, finding)
    assert errors(document) == []
    back = read(path_in(tmp_path))[whole.measure].finding
    assert back.equals(rounded(finding))
    np.testing.assert_array_equal(back.absent, absent)


def objects():
    """Every kind of object in the schema that has fields of its own, by its name."""
    return {
        name: schema["properties"]
        for name, schema in {"file": SCHEMA, **SCHEMA["$defs"]}.items()
        if "properties" in schema
    }


def test_every_field_is_described():
    described = {
        f"{name}.{field}": "description" in schema
        for name, fields in objects().items()
        for field, schema in fields.items()
    }
    assert len(described) > 30
    assert [field for field, has_one in described.items() if not has_one] == []


def test_it_knows_every_field_that_is_written_and_no_other(tmp_path):
    document = written(tmp_path, of_heads(), of_one_number())
    entry, of_number = document["findings"]
    held = {
        "file": document,
        # Chance is of one number.
        "finding": {*entry, *of_number},
        "role": entry["role"],
        "canary": entry["canary"],
        "null": entry["nulls"]["L0H1"],
        "output": entry["outputs"]["L0H1"],
        "behaviour": entry["companion"]["logit_diff_gap"],
        "tolerance": entry["tolerance"],
    }
    assert {name: set(fields) for name, fields in objects().items()} == {
        name: set(part) for name, part in held.items()
    }


def _without(*path):
    def change(entry):
        *way, last = path
        for step in way:
            entry = entry[step]
        del entry[last]

    return change


def _with(value, *path):
    def change(entry):
        *way, last = path
        for step in way:
            entry = entry[step]
        entry[last] = value

    return change


BEHAVIOUR = ("companion", "logit_diff_gap")
DAMAGES = {
    "a field is missing": _without("values"),
    "a name is missing": _without("name"),
    "a tolerance is missing": _without("tolerance"),
    "provenance is missing": _without("recorded_with"),
    "a field of ours is misspelt": _with([], "axis"),
    "a direction that there isn't": _with("sideways", "direction"),
    "a direction of a behaviour that there isn't": _with("up", *BEHAVIOUR, "direction"),
    "a text for a number": _with([["0.1", 0.9]], "values"),
    "heads without rows": _with([0.1, 0.9], "values"),
    "a matrix for one number": _with([], "axes"),
    "one number for heads": _with(0.5, "values"),
    "no samples": _with(0, "samples"),
    "half a sample": _with(2.5, "samples"),
    "a behaviour without a unit": _without(*BEHAVIOUR, "unit"),
    "a behaviour with a field too many": _with(1, *BEHAVIOUR, "median"),
    "an interval of one bound": _with([0.5], *BEHAVIOUR, "interval"),
    "vital that is no yes or no": _with(1, *BEHAVIOUR, "vital"),
    "a role without a threshold": _without("role", "threshold"),
    "a member that is no head": _with({"head one": 0.9}, "role", "members"),
    "an output of no head": _with({"5.1": {"mean": 0.1, "error": 0.1}}, "outputs"),
    "an output without its error": _without("outputs", "L0H1", "error"),
    "a chance of many values": _with(0.5, "chance"),
    "a null of no head": _with({"5.1": {"mean": 0.1, "p": 0.1}}, "nulls"),
    "a null without its p": _without("nulls", "L0H1", "p"),
    "a p that is no probability": _with(1.5, "nulls", "L0H1", "p"),
    "a canary without its tokens": _without("canary", "tokens"),
    "a canary of another kind": _with("song", "canary", "kind"),
    "a tolerance without the canary's": _without("tolerance", "canary"),
    "a tolerance without the strongest head's": _without("tolerance", "top"),
    "a share below nothing": _with(-0.1, "tolerance", "top"),
    "a tolerance of four numbers": _with([0.1] * 4, "tolerance", "value"),
    "a tolerance of one number": _with([0.1], "tolerance", "behaviours", "logit_diff_gap"),
    "an allowance of one number": _with(0.1, "allowance"),
    "a tolerance below nothing": _with([-0.1, 0.1, 0.0], "tolerance", "role"),
    "a tolerance from nowhere": _without("tolerance", "origin"),
    "a convention that is no object": _with("block 4", "convention"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_finding_is_not_valid(tmp_path, damage):
    document = written(tmp_path, of_heads())
    damaged = copy.deepcopy(document)
    damage(damaged["findings"][0])
    assert errors(document) == []
    assert errors(damaged) != []


@pytest.mark.parametrize(
    "damage",
    [_without("schema"), _with("another", "schema"), _without("findings"),
     _with("now", "written"), _with({}, "findings")],
    ids=["no version", "another version", "no findings", "a field too many", "no list"],
)  # fmt: skip
def test_a_damaged_file_is_not_valid(tmp_path, damage):
    document = written(tmp_path, of_heads())
    damage(document)
    assert errors(document) != []
