from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pytest_circuits.findings import Behaviour, Direction, Finding

NAN = float("nan")
GAIN = Behaviour("gain", 2.5, 0.1, 10, Direction.HIGHER, "nats")


def finding(values, axes=("layer", "head"), **fields) -> Finding:
    values = np.array(values, dtype=np.float64)
    fields = {"errors": values / 8, "companion": (GAIN,), **fields}
    return Finding(
        measure="scores",
        quantity="score",
        unit="nats",
        direction=Direction.HIGHER,
        axes=axes,
        values=values,
        samples=12,
        clusters=10,
        convention={"block": 16, "positions": ["a", "b"]},
        prompts={"kind": "drawn", "tokens": "ab12", "ids": [[1, 2], [3, 4]]},
        provenance={"device": "cpu", "versions": {"torch": "2"}},
        **fields,
    )


HEADS = finding([[0.25, 0.5, -1.0], [0.75, 0.0, 2.0]])


def test_heads_have_a_row_each_that_their_label_names():
    frame = HEADS.to_pandas()

    assert list(frame.columns) == ["layer", "head", "value", "error"]
    assert frame.index.name == "cell"
    assert list(frame.index) == ["L0H0", "L0H1", "L0H2", "L1H0", "L1H1", "L1H2"]
    assert frame.loc["L1H2"].to_dict() == {"layer": 1, "head": 2, "value": 2.0, "error": 0.25}
    assert [frame[axis].dtype.kind for axis in ("layer", "head")] == ["i", "i"]


@pytest.mark.parametrize("of", ["value", "error"])
def test_a_pivot_is_the_map_again(of):
    table = HEADS.to_pandas().pivot(index="layer", columns="head", values=of)

    np.testing.assert_array_equal(table.to_numpy(), getattr(HEADS, f"{of}s"))


def test_labels_are_categories_in_their_own_order():
    names = ("S2", "END", "10", "9")
    found = finding(
        np.arange(8.0).reshape(2, 4), axes=("layer", "position"), labels={"position": names}
    )

    frame = found.to_pandas()

    assert list(frame["position"]) == [*names, *names]
    assert frame.loc["layer 1, position END", "value"] == 5.0
    table = frame.pivot(index="layer", columns="position", values="value")
    assert tuple(table.columns) == names
    np.testing.assert_array_equal(table.to_numpy(), found.values)


def test_three_axes_are_three_columns():
    values = np.arange(12.0).reshape(2, 3, 2)
    found = finding(values, axes=("layer", "head", "position"), labels={"position": ("X", "END")})

    frame = found.to_pandas()

    assert list(frame.columns) == ["layer", "head", "position", "value", "error"]
    assert frame.loc["L1H2, position X", "value"] == values[1, 2, 0]
    np.testing.assert_array_equal(frame["value"].to_numpy().reshape(2, 3, 2), values)


def test_named_parts_are_called_by_their_names():
    names = ("embedding", "L0 attn", "bias")

    frame = finding([1.0, -2.0, 0.5], axes=("component",), labels={"component": names}).to_pandas()

    assert list(frame.index) == list(frame["component"]) == list(names)
    assert frame.loc["L0 attn", "value"] == -2.0


def test_one_number_is_one_row():
    frame = finding(1.5, axes=(), errors=np.array(0.25)).to_pandas()

    assert list(frame.columns) == ["value", "error"]
    assert frame.loc["scores"].to_dict() == {"value": 1.5, "error": 0.25}


def test_values_that_mean_nothing_and_errors_of_one_cluster_stay_nan():
    gone = replace(GAIN, value=0.01, error=0.1, vital=True)
    nothing = np.full((1, 2), NAN)

    frame = finding(nothing, companion=(gone,), relative_to="gain").to_pandas()
    single = finding([[1.0]], errors=np.array([[NAN]])).to_pandas()

    assert frame[["value", "error"]].isna().all(axis=None)
    assert len(frame) == 2
    assert single.loc["L0H0", "value"] == 1.0
    assert np.isnan(single.loc["L0H0", "error"])


def test_a_frame_says_what_its_numbers_are_of():
    assert HEADS.to_pandas().attrs == {
        "measure": "scores",
        "quantity": "score",
        "unit": "nats",
        "direction": "higher",
        "samples": 12,
        "clusters": 10,
        "convention": {"block": 16, "positions": ["a", "b"]},
        "prompts": {"kind": "drawn", "tokens": "ab12"},
        "companion": {"gain": {"value": 2.5, "error": 0.1, "unit": "nats"}},
        "provenance": {"device": "cpu", "versions": {"torch": "2"}},
    }


def test_what_a_frame_says_can_be_written_and_joined():
    one, other = HEADS.to_pandas(), finding([[1.0]]).to_pandas()

    assert json.loads(json.dumps(one.attrs)) == one.attrs
    joined = pd.concat([one, other])
    assert len(joined) == 7
    assert joined.attrs == one.attrs


def test_a_change_of_the_frame_leaves_the_finding_as_it_was():
    found = finding([[1.0, 2.0]])
    frame = found.to_pandas()

    frame.loc["L0H0", ["value", "error"]] = 9.0
    frame.attrs["convention"]["positions"].append("c")
    frame.attrs["provenance"]["versions"].clear()

    assert found.values[0, 0] == 1.0
    assert found.errors[0, 0] == 0.125
    assert found.convention["positions"] == ["a", "b"]
    assert found.provenance["versions"] == {"torch": "2"}


def test_findings_import_no_pandas():
    code = "import sys; from pytest_circuits.findings import *; sys.exit('pandas' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_cells_that_the_model_does_not_have_have_no_row():
    absent = np.array([[True, True, True], [False, False, True]])
    values = np.where(absent, NAN, HEADS.values)
    frame = finding(values, absent=absent).to_pandas()
    assert list(frame.index) == ["L1H0", "L1H1"]
    assert frame.loc["L1H1"].to_dict() == {"layer": 1, "head": 1, "value": 0.0, "error": 0.0}

    names = {"component": ("L0 attn", "L0 mlp", "L1 mlp")}
    parts = finding([1.0, NAN, 3.0], ("component",), labels=names, absent=np.array([0, 1, 0]) > 0)
    assert list(parts.to_pandas()["component"]) == ["L0 attn", "L1 mlp"]
