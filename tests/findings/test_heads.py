from __future__ import annotations

import numpy as np
import pytest

from pytest_circuits.findings import Head


@pytest.mark.parametrize(
    "label",
    ["L5H1", "5.1", " L5H1 ", "L05H01", Head(5, 1), (5, 1), [5, 1], (np.int64(5), np.int8(1))],
)
def test_a_head_is_read_in_every_spelling(label):
    head = Head.parse(label)

    assert head == Head(5, 1)
    assert [type(number) for number in head] == [int, int]


@pytest.mark.parametrize(
    "label",
    [
        *["", "L5", "5", "H1L5", "l5h1", "L5H1.2", "5.", ".1", "L-1H0", "L5 H1", "L٥H١"],
        *[5, 5.1, None, True, (), (5,), (5, 1, 0), (-1, 0), Head(-1, 0), (5, -1), (True, 1)],
        *[(5.0, 1), ("5", "1"), (5, None), (5, np.True_), {5: 1, 6: 2}, b"L5H1"],
    ],
)
def test_anything_else_is_refused_by_name(label):
    with pytest.raises(ValueError, match=r"no head label: write L5H1, 5\.1 or \(5, 1\)") as error:
        Head.parse(label)
    assert repr(label) in str(error.value)


def test_a_label_is_what_transformer_lens_writes():
    assert str(Head(18, 6)) == "L18H6"
    assert Head.parse(str(Head(18, 6))) == Head(18, 6)


def test_heads_sort_by_layer_then_index_as_numbers():
    heads = [Head(10, 0), Head(9, 11), Head(9, 2)]

    assert sorted(heads) == [Head(9, 2), Head(9, 11), Head(10, 0)]
