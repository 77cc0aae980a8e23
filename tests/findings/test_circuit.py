from __future__ import annotations

import json
import re

import pytest

from pytest_circuits import Circuit
from pytest_circuits.findings import CircuitError, Head


def test_heads_are_written_either_way():
    circuit = Circuit(["L10H0", "9.6", " L9H9 "])

    assert circuit.heads == (Head(9, 6), Head(9, 9), Head(10, 0))
    assert circuit.groups == {"heads": (Head(10, 0), Head(9, 6), Head(9, 9))}
    assert circuit.name == "circuit"


def test_heads_may_be_in_groups():
    circuit = Circuit({"movers": ["9.9", "L9H6"], "early": ["0.1"]}, mlps=[3, 0, 3], name="ioi")

    assert circuit.groups == {"movers": (Head(9, 9), Head(9, 6)), "early": (Head(0, 1),)}
    assert list(circuit.groups) == ["movers", "early"]
    assert circuit.heads == (Head(0, 1), Head(9, 6), Head(9, 9))
    assert circuit.mlps == (0, 3)
    assert circuit.name == "ioi"


@pytest.mark.parametrize(
    ("given", "mlps"), [("all", "all"), ([], ()), ((2, 1), (1, 2)), ([0], (0,))], ids=str
)
def test_every_mlp_belongs_to_it_or_those_that_are_named(given, mlps):
    assert Circuit(["L0H0"], mlps=given).mlps == mlps


def test_every_mlp_belongs_to_it_by_default():
    assert Circuit(["L0H0"]).mlps == "all"


def test_mlps_alone_are_a_circuit():
    assert Circuit([], mlps=[0]).heads == ()
    assert Circuit({}, mlps="all").groups == {}


def test_circuits_are_the_same_if_what_they_hold_is():
    assert Circuit(["L0H1", "L1H0"]) == Circuit(["0.1", "1.0"])
    assert Circuit(["L0H1"]) != Circuit(["L0H1"], mlps=[])
    assert Circuit(["L0H1"]) != Circuit({"early": ["L0H1"]})


REFUSED = {
    "a head twice": ((["L0H1", "0.1"],), "circuit: L0H1 is in 'heads' and in 'heads'"),
    "a head in two groups": (
        ({"a": ["L0H1"], "b": ["L2H0", "L0H1"]},),
        "circuit: L0H1 is in 'a' and in 'b'",
    ),
    "no label": (
        (["L0H1", "head 3"],),
        "heads: 'head 3' is no head label: write L5H1, 5.1 or (5, 1)",
    ),
    "no label in a group": (({"a": ["L0"]},), "a: 'L0' is no head label"),
    "a text": (("L0H1",), "heads is a list of labels such as L5H1, not 'L0H1'"),
    "a text as a group": (({"a": "L0H1"},), "a: heads is a list of labels such as L5H1, not"),
    "a number": (([1.5],), "1.5 is no head label"),
    "nothing": (([], []), "circuit: a circuit has a head or an MLP at least"),
    "another word": ((["L0H1"], "every"), "mlps is 'all' or a list of layers, not 'every'"),
    "a layer": ((["L0H1"], 3), "mlps is 'all' or a list of layers, not 3"),
    "a layer below": ((["L0H1"], [-1]), "mlps is 'all' or a list of layers, not [-1]"),
    "a fraction of a layer": ((["L0H1"], [1.0]), "mlps is 'all' or a list of layers, not [1.0]"),
    "a truth": ((["L0H1"], [True]), "mlps is 'all' or a list of layers, not [True]"),
    "no word": ((["L0H1"], None), "mlps is 'all' or a list of layers, not None"),
}


@pytest.mark.parametrize(("given", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_circuit_is_refused(given, message):
    with pytest.raises(CircuitError, match=re.escape(message)):
        Circuit(*given)


CIRCUITS = [
    Circuit(["L0H1", "L1H0"]),
    Circuit({"movers": ["9.9", "9.6"], "early": ["0.1"]}, mlps=[3, 0], name="ioi"),
    Circuit([], mlps=[1], name="an MLP"),
    Circuit({"übrige": ["L0H0"]}, mlps=[]),
]


@pytest.mark.parametrize("circuit", CIRCUITS, ids=lambda circuit: circuit.name)
def test_a_circuit_comes_back_from_its_file(tmp_path, circuit):
    path = tmp_path / "circuit.json"
    path.write_text(json.dumps(circuit.to_json(), ensure_ascii=False), encoding="utf-8")

    again = Circuit.from_json(path)

    assert again == circuit
    assert list(again.groups) == list(circuit.groups)
    assert again.to_json() == circuit.to_json()


def test_a_file_needs_heads_alone(tmp_path):
    path = tmp_path / "my_heads.json"
    path.write_text('{"heads": ["L0H1", "1.0"]}', encoding="utf-8")

    assert Circuit.from_json(str(path)) == Circuit(["L0H1", "L1H0"], name="my_heads")


BROKEN = {
    "no JSON": ("heads: L0H1", "can't be read as JSON"),
    "not text": (b"\xff\xfe{", "can't be read as JSON"),
    "a list": ('["L0H1"]', "holds no circuit, which is an object with heads"),
    "no heads": ('{"mlps": "all"}', "holds no circuit, which is an object with heads"),
    "more": (
        '{"heads": ["L0H1"], "mlp": [], "edges": []}',
        "has unknown edges, mlp; a circuit has name, heads, mlps",
    ),
    "no labels": ('{"heads": 5}', "heads is a list of labels such as L5H1, not 5"),
    "no label": ('{"heads": ["5"]}', "'5' is no head label"),
    "twice": ('{"heads": ["L0H1", "0.1"]}', "L0H1 is in 'heads' and in 'heads'"),
    "no MLPs": ('{"heads": ["L0H1"], "mlps": null}', "mlps is 'all' or a list of layers, not None"),
}


@pytest.mark.parametrize(("text", "message"), BROKEN.values(), ids=BROKEN)
def test_a_file_that_holds_no_circuit_is_named(tmp_path, text, message):
    path = tmp_path / "broken.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())

    with pytest.raises(CircuitError, match=re.escape(message)) as error:
        Circuit.from_json(path)

    assert str(error.value).startswith(f"{path}: ")


def test_a_file_that_is_not_there_is_named(tmp_path):
    path = tmp_path / "nowhere.json"

    with pytest.raises(CircuitError, match=re.escape(f"{path}: can't be read as JSON")):
        Circuit.from_json(path)


def test_equal_circuits_have_equal_hashes():
    one, other = (Circuit({"a": ["L0H0"], "b": ["1.2"]}, mlps=[0]) for _ in range(2))
    assert one == other
    assert len({one, other}) == 1


def test_heads_are_taken_as_findings_give_them():
    assert Circuit([Head(1, 2)]) == Circuit(["L1H2"])
