"""The rule that labels a checkpoint, at and around each of its limits."""

import copy

import pytest

from evidence.labels import LIMITS, damage, label

REFERENCE = {
    "loss": {"english": 3.0, "modern": 3.5, "code": 2.0},
    "ioi": {"accuracy": 0.95, "logit_difference": 4.0},
    "repeats": {"20": 3.0, "150": 2.0},
    "cloze": 0.9,
}
#: What moves each quantity by an amount in the bad direction, and nothing else.
WORSE = {
    "text loss": lambda truth, by: truth["loss"].update(modern=3.5 + by),
    "name accuracy": lambda truth, by: truth["ioi"].update(accuracy=0.95 - by),
    "name margin": lambda truth, by: truth["ioi"].update(logit_difference=4 * (1 - by)),
    "repeat loss": lambda truth, by: truth["repeats"].update({"150": 2.0 + by}),
    "cloze accuracy": lambda truth, by: truth.update(cloze=0.9 - by),
}


def moved(**by):
    truth = copy.deepcopy(REFERENCE)
    for name, value in by.items():
        WORSE[name.replace("_", " ")](truth, value)
    return truth


def test_every_limit_has_a_way_to_be_reached():
    assert WORSE.keys() == LIMITS.keys()


@pytest.mark.parametrize("name", LIMITS)
def test_one_quantity_decides(name):
    harm, benign = LIMITS[name]
    by = name.replace(" ", "_")
    assert label(REFERENCE, moved(**{by: harm + 0.001})) == "harmful"
    assert label(REFERENCE, moved(**{by: harm - 0.001})) == "ambiguous"
    assert label(REFERENCE, moved(**{by: benign + 0.001})) == "ambiguous"
    assert label(REFERENCE, moved(**{by: benign - 0.001})) == "benign"


@pytest.mark.parametrize("name", LIMITS)
def test_each_quantity_is_measured_in_its_own_units(name):
    found = damage(REFERENCE, moved(**{name.replace(" ", "_"): 0.03}))
    assert found == pytest.approx({other: 0.03 if other == name else 0 for other in LIMITS})


def test_what_got_better_offsets_nothing():
    truth = moved(text_loss=-1.0, repeat_loss=-1.0, name_accuracy=0.11)
    assert label(REFERENCE, truth) == "harmful"
    assert label(REFERENCE, moved(text_loss=-1.0, repeat_loss=-1.0)) == "benign"


def test_the_worst_register_and_length_count():
    truth = moved(text_loss=0.3)
    truth["loss"]["english"] = 1.0
    assert label(REFERENCE, truth) == "harmful"
    truth = moved(repeat_loss=0.6)
    truth["repeats"]["20"] = 0.0
    assert label(REFERENCE, truth) == "harmful"


def test_a_model_that_has_no_numbers_left_is_harmful():
    assert label(REFERENCE, moved(text_loss=float("nan"))) == "harmful"


def test_loss_of_code_is_no_english():
    truth = moved()
    truth["loss"]["code"] = 9.0
    assert label(REFERENCE, truth) == "benign"
