"""What may be claimed of a logit lens."""

import numpy as np
import pytest

from pytest_circuits import assert_logit_lens
from pytest_circuits.findings import Direction, Finding


def lens(values, unit="logits"):
    values = np.array(values, dtype=float)
    return Finding(
        measure="logit_lens",
        quantity="logit difference" if unit == "logits" else "answer's rank",
        unit=unit,
        direction=Direction.TWO_SIDED if unit == "logits" else Direction.LOWER,
        axes=("layer",),
        values=values,
        errors=np.full_like(values, 0.1),
        samples=4,
        clusters=4,
        convention={},
        prompts={},
    )


@pytest.mark.parametrize("layer", [2, -2])
def test_every_layer_from_there_on_is_held(layer):
    assert_logit_lens(lens([0, -1, 2, 3]), from_layer=layer, at_least=2)
    assert_logit_lens(lens([900, 50, 1, 2], "rank"), from_layer=layer, at_most=2)


def test_layers_that_miss_it_are_named_worst_first():
    with pytest.raises(AssertionError) as raised:
        assert_logit_lens(lens([0, 1, 0.5, 3]), from_layer=1, at_least=2, at_most=2.5)
    assert str(raised.value).splitlines() == [
        "logit difference: from layer 1 on it should be at least 2 and at most 2.5 logits",
        "  layer 2 0.500 ± 0.100: 1.500 short",
        "  layer 1 1.000 ± 0.100: 1.000 short",
        "  layer 3 3.000 ± 0.100: 0.500 too much",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"from_layer": 4, "at_least": 1}, "there is no layer 4: the model has 4"),
        ({"from_layer": -5, "at_least": 1}, "there is no layer -5: the model has 4"),
        ({"from_layer": 0}, "holds nothing without at_least or at_most"),
    ],
    ids=["beyond the last", "before the first", "nothing"],
)
def test_what_can_not_be_claimed_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        assert_logit_lens(lens([0, 1, 2, 3]), **options)
