"""Taken apart and put together again, also what lies within lists."""

from __future__ import annotations

import numpy as np

from pytest_circuits.findings import Direction, Finding
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
