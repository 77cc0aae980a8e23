"""What rivals measure, on numbers whose answer is known."""

import math
from dataclasses import replace

import pytest
import torch

from evidence import entries, rivals, table
from pytest_circuits.measures import behaviours as measured
from pytest_circuits.verdicts import tolerances

BASE = rivals.Numbers(
    losses={"text": 4.0, "repeats of 50": 2.0, "repeats of 100": 3.0},
    behaviours={
        "names logit_diff": 3.0, "names accuracy": 0.9, "repeats of 50": 2.0, "repeats of 100": 2.0,
    },
    divergences={"text": 0.0, "prompts": 0.0},
    seconds={},
)  # fmt: skip


def test_a_divergence_is_the_one_of_two_distributions():
    one, other = ([0.5, 0.25, 0.25], [0.25, 0.5, 0.25])
    expected = sum(p * math.log(p / q) for p, q in zip(one, other, strict=True))
    # Logits mean the same with anything added.
    found = rivals._divergence(torch.tensor([one]).log(), torch.tensor([other]).log() + 7)
    assert found.tolist() == pytest.approx([expected], rel=1e-5)


@pytest.mark.parametrize(
    ("changed", "worse"),
    [
        ({"text": 4.04}, False), ({"text": 4.06}, True), ({"text": 1.0}, False),
        ({"repeats of 50": 2.14}, False), ({"repeats of 50": 2.16}, True),
        ({"repeats of 100": 3.22}, False), ({"repeats of 100": 3.23}, True),
        ({"text": math.nan}, True),
    ],
)  # fmt: skip
def test_losses_may_rise_by_the_tolerance(changed, worse):
    case = replace(BASE, losses={**BASE.losses, **changed})
    assert rivals.worse_losses(case, BASE) is worse


@pytest.mark.parametrize(
    ("changed", "worse"),
    [
        ({"names logit_diff": 2.81}, False), ({"names logit_diff": 2.79}, True),
        ({"names logit_diff": 9.0}, False), ({"names accuracy": 0.81}, False),
        ({"names accuracy": 0.79}, True), ({"repeats of 100": 2.16}, True),
    ],
)  # fmt: skip
def test_behaviours_may_get_worse_by_the_tolerance(changed, worse):
    case = replace(BASE, behaviours={**BASE.behaviours, **changed})
    assert rivals.worse_behaviours(case, BASE) is worse


def test_they_are_the_suites_tolerances():
    assert rivals._TOLERATED == {
        "repeats": tolerances._REPEAT,
        "text": measured._TEXT,
        "logit_diff": tolerances._LOGITS,
        "accuracy": tolerances._COUNTED,
    }


def test_a_threshold_is_the_one_with_the_fewest_errors():
    assert rivals.best_threshold([5.0, 6.0, 1.5, 1.6], [1.0, 2.0]) == pytest.approx(1.25)
    assert 2.0 < rivals.best_threshold([5.0, 6.0], [1.0, 2.0]) < 5.0
    assert rivals.best_threshold([2.0, math.nan], [2.0]) == 2.0


def test_divergences_are_called_by_what_serves_the_real_fine_tunes_of_smollm2():
    def entry(model, kind, truth, divergence):
        return table.Entry(
            model, f"{truth} {divergence}", kind, truth, "", {},
            {"text": divergence, "prompts": divergence}, {}, [], {}, [], {},
        )  # fmt: skip

    chosen = [
        entry("smollm2", "real: a", "harmful", 3.0), entry("smollm2", "real: a", "benign", 1.0),
    ]  # fmt: skip
    graded = [
        entry("smollm2", "hidden: a", "benign", 2.5), entry("second", "real: a", "harmful", 1.5),
        entry("smollm2", "real: a", "ambiguous", 9.0),
        entry("second", "real: a", "harmful", math.nan),
    ]  # fmt: skip
    called = entries.with_divergences([*chosen, *graded])
    assert [one.red["divergence on text"] for one in called] == [
        True, False, True, False, True, True,
    ]  # fmt: skip
