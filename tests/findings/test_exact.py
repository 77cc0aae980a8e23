"""Taken apart and put together again, also what lies within lists."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pytest_circuits.findings import Behaviour, Direction, Finding
from pytest_circuits.findings.exact import put_together, take_apart


def test_what_is_in_a_list_comes_back_as_it_was():
    items = [1, (2, "a"), {"b": [(3,)]}, np.float64(0.5)]
    number = np.array(0.5)
    finding = Finding(
        "loss", "loss", "nats", Direction.LOWER, (), number, number, 1, 1, {"items": items}, {}
    )

    together = put_together(*take_apart(finding))

    assert together.convention == {"items": items}
    assert [type(item) for item in together.convention["items"]] == [int, tuple, dict, np.float64]


def test_which_cells_the_model_does_not_have_comes_back_also_of_what_is_undefined():
    gap = Behaviour("gap", 4.0, 0.1, 9, Direction.HIGHER, "logits", vital=True)
    values = np.array([np.nan, 0.5])
    defined = Finding(
        "patch", "recovered", "fraction", Direction.TWO_SIDED, ("layer",), values, values, 9, 9,
        {}, {}, companion=(gap,), relative_to="gap", absent=np.isnan(values),
    )  # fmt: skip
    nothing = np.full(2, np.nan)
    gone = (replace(gap, value=0.0),)
    undefined = replace(defined, values=nothing, errors=nothing, companion=gone)
    assert undefined.undefined
    for each in (defined, undefined):
        together = put_together(*take_apart(each))
        assert together.absent.dtype == bool
        np.testing.assert_array_equal(together.absent, [True, False])
