from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from changed_documents import changed

from pytest_circuits.baselines import SCHEMA, Baseline, BaselineError, read
from pytest_circuits.baselines.codec import ForeignFileError
from pytest_circuits.findings import Behaviour, Canary, Direction, Finding, Null, Role
from pytest_circuits.findings.encoding import rounded
from pytest_circuits.verdicts import default_tolerance


def baseline(name: str = "") -> Baseline:
    finding = Finding(
        measure="induction_scores",
        quantity="induction score",
        unit="attention probability",
        direction=Direction.HIGHER,
        axes=("layer", "head"),
        values=np.array([[0.123456, 0.9]]),
        errors=np.array([[0.01, 0.0577]]),
        samples=3,
        clusters=3,
        convention={"block": 4},
        prompts={"kind": "repeated tokens", "ids": [[1, 2, 3, 4], [4, 3, 2, 1], [2, 1, 4, 3]]},
        role=Role("induction heads", 0.4),
        profiles={"L0H1": np.array([0.8, 0.9, 1.0])},
        companion=(Behaviour("repeat_loss", 0.5, 0.01, 3, Direction.LOWER, "nats"),),
        provenance={"dtype": "float32"},
    )
    return Baseline(name, finding, default_tolerance(finding))


def written(tmp_path, text):
    path = tmp_path / "test_heads.json"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_baseline_is_a_text_for_reviewers():
    assert baseline("second").dumps() == (
        "{\n"
        '  "name": "second",\n'
        '  "measure": "induction_scores",\n'
        '  "quantity": "induction score",\n'
        '  "unit": "attention probability",\n'
        '  "direction": "higher",\n'
        '  "convention": {\n'
        '    "block": 4\n'
        "  },\n"
        '  "prompts": {\n'
        '    "kind": "repeated tokens",\n'
        '    "ids": [\n'
        "      [1, 2, 3, 4],\n"
        "      [4, 3, 2, 1],\n"
        "      [2, 1, 4, 3]\n"
        "    ]\n"
        "  },\n"
        '  "samples": 3,\n'
        '  "clusters": 3,\n'
        '  "companion": {\n'
        '    "repeat_loss": {\n'
        '      "value": 0.5,\n'
        '      "error": 0.01,\n'
        '      "clusters": 3,\n'
        '      "direction": "lower",\n'
        '      "unit": "nats",\n'
        '      "vital": false,\n'
        '      "judged": true\n'
        "    }\n"
        "  },\n"
        '  "role": {\n'
        '    "name": "induction heads",\n'
        '    "threshold": 0.4,\n'
        '    "members": {\n'
        '      "L0H1": 0.9\n'
        "    }\n"
        "  },\n"
        '  "profiles": {\n'
        '    "L0H1": [0.8, 0.9, 1.0]\n'
        "  },\n"
        '  "axes": ["layer", "head"],\n'
        '  "values": [\n'
        "    [0.1235, 0.9]\n"
        "  ],\n"
        '  "errors": [\n'
        "    [0.01, 0.0577]\n"
        "  ],\n"
        '  "recorded_with": {\n'
        '    "dtype": "float32"\n'
        "  },\n"
        '  "tolerance": {\n'
        '    "value": [0.05, 0.1, 0.005],\n'
        '    "role": [0.1, 0.1, 0.005],\n'
        '    "behaviours": {\n'
        '      "repeat_loss": [0.15, 0.075, 0.01]\n'
        "    },\n"
        '    "canary": [0.05, 0.0125, 0.01],\n'
        '    "top": 0.05,\n'
        '    "origin": "default"\n'
        "  }\n"
        "}\n"
    )


def test_a_baseline_comes_back_from_its_text():
    original = baseline("second")

    back = Baseline.from_document(json.loads(original.dumps()), "somewhere.json")

    assert back.name == "second"
    assert back.finding.equals(rounded(original.finding))
    assert back.tolerance == original.tolerance
    assert back.dumps() == original.dumps()


def with_everything():
    """A baseline's document with a null, a canary and an error that is undefined."""
    whole = baseline("second")
    finding = replace(
        whole.finding,
        errors=np.array([[np.nan, 0.0577]]),
        nulls={"L0H1": Null(0.01, 0.001)},
        canary=Canary(3.1, "text", "c146e18e1902e4c8"),
    )
    return json.loads(replace(whole, finding=finding).dumps())


LOSS = ("companion", "repeat_loss")
DAMAGES = [
    (("values",), ..., "values is missing"),
    (("tolerance",), ..., "tolerance is missing"),
    ((*LOSS, "unit"), ..., "companion.repeat_loss.unit is missing"),
    (("role", "threshold"), ..., "role.threshold is missing"),
    (("canary", "tokens"), ..., "canary.tokens is missing"),
    (("nulls", "L0H1", "p"), ..., "nulls.L0H1.p is missing"),
    (("tolerance", "behaviours"), ..., "tolerance.behaviours is missing"),
    (("tolerance", "behaviours", "repeat_loss"), ...,
     "tolerance.behaviours.repeat_loss is missing"),
    (("measure",), 5, "measure is 5, which is no text"),
    (("quantity",), None, "quantity is null, which is no text"),
    (("unit",), ["nats"], 'unit is ["nats"], which is no text'),
    (("convention",), "block 4", 'convention is "block 4", which is no object'),
    (("prompts",), [1, 2], "prompts is [1, 2], which is no object"),
    (("companion",), [], "companion is [], which is no object"),
    (LOSS, 0.5, "companion.repeat_loss is 0.5, which is no object"),
    (("role",), [], "role is [], which is no object"),
    (("nulls",), None, "nulls is null, which is no object"),
    (("samples",), 2.5, "samples is 2.5, which is no whole number"),
    (("clusters",), True, "clusters is true, which is no whole number"),
    ((*LOSS, "vital"), 1, "companion.repeat_loss.vital is 1, which is not true or false"),
    ((*LOSS, "value"), None, "companion.repeat_loss.value is null, which is no number"),
    (("direction",), "sideways",
     'direction is "sideways", which is none of higher, lower, two-sided'),
    ((*LOSS, "direction"), 1,
     "companion.repeat_loss.direction is 1, which is none of higher, lower, two-sided"),
    (("tolerance",), None, "tolerance is null, which is no object"),
    (("tolerance", "value"), [0.1], "tolerance.value is [0.1], which is not two or three numbers"),
    (("tolerance", "role"), 0.1, "tolerance.role is 0.1, which is not two or three numbers"),
    (("allowance",), 0.1, "allowance is 0.1, which is not two or three numbers"),
    (("tolerance", "canary"), ["a", 1],
     'tolerance.canary is ["a", 1], which is not two or three numbers'),
    (("tolerance", "behaviours", "repeat_loss"), [1],
     "tolerance.behaviours.repeat_loss is [1], which is not two or three numbers"),
    (("tolerance", "top"), "all", 'tolerance.top is "all", which is no number'),
    (("nulls", "L0H1", "p"), 2, "nulls.L0H1.p is 2, which is no probability"),
    (("nulls", "L0H1", "p"), -0.1, "nulls.L0H1.p is -0.1, which is no probability"),
    (("nulls", "L7H0"), {"mean": 0.1, "p": 0.1}, "nulls names L7H0, and there is no such head"),
    (("nulls", "0.1"), {"mean": 0.1, "p": 0.1}, "nulls names 0.1, and there is no such head"),
    (("profiles", "L0H2"), [1.0], "profiles names L0H2, and there is no such head"),
    (("profiles", "L0H1"), ["a"], 'profiles.L0H1 is ["a"], which is no row of numbers'),
    (("values",), "many", 'values is "many", which does not fit the axes ["layer", "head"]'),
    (("values",), [0.1, 0.9], "values is [0.1, 0.9], which does not fit the axes"),
    (("values",), [[0.1], [0.1, 0.9]], "values is [[0.1], [0.1, 0.9]], which does not fit"),
    (("errors",), [["a", 0.1]], 'errors is [["a", 0.1]], which does not fit the axes'),
    (("errors",), [[0.1]], "induction_scores: values (1, 2) and errors (1, 1) do not fit the axes"),
    (("values",), [[0.1, None]], "values is null in a place where errors is not"),
    (("axes",), "head", 'axes is "head", which is no list'),
    (("axes",), ["head", "head"], 'axes is ["head", "head"], which has one of them twice'),
    (("relative_to",), "gap", "relative_to names gap, and there is no such behaviour"),
    (("rolle",), {}, "rolle is there, and there is no such field"),
    (("measure",), "", 'measure is "", which is empty'),
    (("samples",), 0, "samples is 0, which is less than 1"),
    (("tolerance", "role"), [-0.1, 0.1], "tolerance.role[0] is -0.1, which is less than 0"),
    (("canary", "kind"), "song", 'canary.kind is "song", which is none of text, drawn tokens'),
    (("role", "members"), ..., "role.members is missing"),
    (("role", "members", "head one"), 0.9,
     "role.members names head one, and there is no such head"),
    (("nulls", "L0H01"), {"mean": 0.1, "p": 0.1}, "nulls names L0H01, and there is no such head"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "said"), DAMAGES)
def test_a_damaged_baseline_is_named_with_what_is_wrong_and_what_to_do(path, value, said):
    document = changed(with_everything(), path, value)

    with pytest.raises(BaselineError) as error:
        Baseline.from_document(document, "suite/test_heads.json")

    first, second = str(error.value).splitlines()
    assert first.startswith(f"suite/test_heads.json: the baseline 'second' is damaged ({said}")
    assert first.endswith(").")
    assert second == "Restore the file from version control, or delete it and approve it anew."


def test_a_role_without_heads_is_damage():
    document = with_everything() | {"axes": [], "values": 1.0, "errors": 0.1}
    del document["nulls"], document["profiles"]
    with pytest.raises(BaselineError, match="it has a role, and its values are of no heads"):
        Baseline.from_document(document, "f.json")


def of_components(**damage):
    """The document of a finding of three components, by name."""
    whole = with_everything()
    for part in ("role", "nulls", "profiles"):
        del whole[part]
    values = {"axes": ["component"], "values": [1.0, 0.5, -0.2], "errors": [0.1, 0.1, 0.1]}
    labels = {"component": ["embedding", "L0 attn", "L0 mlp"]}
    return {**whole, **values, "labels": labels, **damage}


def test_names_of_cells_come_back():
    finding = Baseline.from_document(of_components(), "f.json").finding
    assert finding.cells() == {"embedding": 1.0, "L0 attn": 0.5, "L0 mlp": -0.2}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"labels": ["embedding"]}, 'labels is ["embedding"], which is no object'),
        ({"labels": {"component": 3}}, "labels.component is 3, which is no list of names"),
        (
            {"labels": {"component": [1, 2, 3]}},
            "labels.component is [1, 2, 3], which is no list of names",
        ),
        ({"labels": {"layer": ["one"]}}, "labels names layer, and there is no such axis"),
        (
            {"labels": {"component": ["embedding"]}},
            "labels.component has 1 names, and there are 3 values",
        ),
        ({"values": [1.0, None, 0.2]}, "values is null in a place where errors is not"),
        (
            {"nulls": {"embedding": {"mean": 0.1, "p": 0.1}}},
            "nulls names embedding, and there is no such head",
        ),
    ],
)
def test_damage_to_named_cells_is_told(damage, said):
    with pytest.raises(BaselineError) as error:
        Baseline.from_document(of_components(**damage), "f.json")
    assert f"({said})." in str(error.value)


def test_a_value_and_an_error_that_are_null_are_of_a_cell_that_the_model_does_not_have():
    absent = {"values": [1.0, None, -0.2], "errors": [0.1, None, 0.1]}
    finding = Baseline.from_document(of_components(**absent), "f.json").finding
    assert finding.cells() == {"embedding": 1.0, "L0 mlp": -0.2}
    assert finding.absent.tolist() == [False, True, False]


def test_values_that_are_all_null_while_their_behaviour_is_there_are_damage():
    nothing = {"values": [None] * 3, "errors": [None] * 3}
    with pytest.raises(BaselineError, match="damaged"):
        Baseline.from_document(of_components(**nothing), "f.json")


@pytest.mark.parametrize("part", ["nulls", "profiles"])
def test_parts_of_a_head_that_the_model_does_not_have_are_damage(part):
    document = with_everything() | {"values": [[None, 0.9]], "errors": [[None, 0.0577]]}
    assert Baseline.from_document(document, "f.json").finding.absent.tolist() == [[True, False]]
    document[part] = {"L0H0": document[part]["L0H1"]}
    with pytest.raises(BaselineError, match=f"{part} names L0H0, and there is no such head"):
        Baseline.from_document(document, "f.json")


def test_rows_of_rows_are_all_alike():
    axes = ["layer", "head", "position"]
    alike = [[[1.0, 2.0]], [[3.0, 4.0]]]
    fits = of_components(axes=axes, labels={}, values=alike, errors=alike)
    assert Baseline.from_document(fits, "f.json").finding.values.shape == (2, 1, 2)
    with pytest.raises(BaselineError, match="does not fit the axes"):
        Baseline.from_document({**fits, "values": [[[1.0, 2.0]], [[3.0]]]}, "f.json")
    empty = of_components(axes=["layer", "position"], labels={"position": []}, values=[], errors=[])
    with pytest.raises(BaselineError, match="does not fit the axes"):
        Baseline.from_document(empty, "f.json")


def of_a_number(**nulls):
    number = of_components(axes=[], values=0.9, errors=0.1, nulls=nulls)
    del number["labels"]
    return number


def test_the_null_of_a_number_goes_by_its_measure():
    null = {"mean": 0.2, "p": 0.005}
    back = Baseline.from_document(of_a_number(induction_scores=null), "f.json")
    assert back.finding.nulls == {"induction_scores": Null(0.2, 0.005)}
    with pytest.raises(BaselineError, match="nulls names L0H0, and there is no such number"):
        Baseline.from_document(of_a_number(L0H0=null), "f.json")


def test_what_is_long_is_cut_in_a_message():
    document = with_everything() | {"measure": ["induction_scores"] * 100}
    with pytest.raises(BaselineError) as error:
        Baseline.from_document(document, "f.json")
    assert len(str(error.value).splitlines()[0]) < 150


def test_a_baseline_without_a_name_is_that_of_the_test():
    document = json.loads(baseline().dumps())
    del document["values"]

    with pytest.raises(BaselineError, match=r"baseline 'of this test' is damaged \(values is miss"):
        Baseline.from_document(document, "f.json")


def test_no_file_has_no_entries(tmp_path):
    assert list(read(tmp_path / "missing.json")) == []


def test_a_merge_conflict_is_found_at_its_line(tmp_path):
    path = written(
        tmp_path,
        '{\n  "schema": "a",\n<<<<<<< HEAD\n  "findings": []\n=======\n'
        '  "findings": [1]\n>>>>>>> other\n}\n',
    )

    with pytest.raises(BaselineError) as error:
        read(path)

    assert str(error.value) == (
        f"{path}:3: has a merge conflict.\nTake one side of it (`git checkout --ours` or "
        f"`--theirs` with the file's name), then run the test."
    )


def test_what_is_no_json_is_found_at_its_line(tmp_path):
    path = written(tmp_path, '{\n  "schema": "a",\n  "findings": [,]\n}\n')

    with pytest.raises(BaselineError, match="is not JSON") as error:
        read(path)

    assert str(error.value).startswith(f"{path}:3: ")
    assert "Restore the file from version control" in str(error.value)


@pytest.mark.parametrize("text", ["", "{", "\x00"])
def test_a_file_cut_short_is_refused(tmp_path, text):
    with pytest.raises(BaselineError, match="is not JSON"):
        read(written(tmp_path, text))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000])
def test_a_file_that_is_nested_too_deeply_is_refused(tmp_path, text):
    with pytest.raises(BaselineError, match="is nested more than"):
        read(written(tmp_path, text))


def test_a_file_that_is_not_utf_8_is_refused(tmp_path):
    path = tmp_path / "test_heads.json"
    path.write_bytes(b'{"name": "\xff"}')

    with pytest.raises(BaselineError, match="is not UTF-8") as error:
        read(path)
    assert str(error.value).startswith(f"{path}:1: is not UTF-8 (byte 0xff).\n")


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_have_are_refused(tmp_path, constant):
    path = written(tmp_path, f'{{"schema": "a", "findings": [{constant}]}}')

    with pytest.raises(BaselineError, match=f"holds {constant}, which is no JSON"):
        read(path)


@pytest.mark.parametrize("schema", ["urn:pytest-circuits:baseline-file:2", "", None, 1, [1]])
def test_another_schema_is_refused_with_both_ways_out(tmp_path, schema):
    path = written(tmp_path, json.dumps({"schema": schema, "findings": []}))

    with pytest.raises(BaselineError) as error:
        read(path)

    message = str(error.value)
    assert message.startswith(f"{path}: schema {schema!r}, and this pytest-circuits reads ")
    assert SCHEMA in message
    assert "Install the pytest-circuits that wrote it" in message
    assert "pytest --circuits --snapshot-update" in message


@pytest.mark.parametrize("version", [1, 2, 3, 99, None])
def test_files_from_before_the_first_release_are_refused_by_name(tmp_path, version):
    path = written(tmp_path, json.dumps({"schema_version": version, "findings": []}))

    with pytest.raises(BaselineError) as error:
        read(path)

    assert str(error.value) == (
        f"{path}: schema version {version!r} is of a pytest-circuits before its first release, "
        f"which no other reads.\nDelete the file and approve it anew with "
        f"`pytest --circuits --snapshot-update`."
    )


@pytest.mark.parametrize("findings", ["null", "{}", "[1]", '[{"name": 1}]', '[{"measure": "x"}]'])
def test_a_file_without_named_findings_is_refused(tmp_path, findings):
    path = written(tmp_path, f'{{"schema": "{SCHEMA}", "findings": {findings}}}')

    with pytest.raises(BaselineError, match="has no list of named findings"):
        read(path)


@pytest.mark.parametrize(
    ("name", "shown"), [("second", "'second'"), ("", "'the finding without a name'")]
)
def test_a_name_that_occurs_twice_is_refused(tmp_path, name, shown):
    entries = [{"name": "first"}, {"name": name}, {"name": name}]
    path = written(tmp_path, json.dumps({"schema": SCHEMA, "findings": entries}))

    with pytest.raises(BaselineError) as error:
        read(path)

    assert str(error.value) == (
        f"{path}: holds {shown} twice, as a merge that kept both sides would leave it.\n"
        "Restore the file from version control, or delete it and approve it anew."
    )


@pytest.mark.parametrize("text", ["[]", "1", '"text"', "null"])
def test_json_that_is_no_baseline_file_is_refused(tmp_path, text):
    with pytest.raises(ForeignFileError, match="names no schema"):
        read(written(tmp_path, text))
