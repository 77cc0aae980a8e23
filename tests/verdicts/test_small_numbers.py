"""Numbers near 0 are judged by their ratio, and stored with digits enough for that."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from measured import CASES, finding_of
from safetensors.torch import load_file, save_file

from pytest_circuits.baselines import Baseline
from pytest_circuits.baselines.codec import parse, text_of
from pytest_circuits.baselines.comparing import storable
from pytest_circuits.findings.digits import decimals, estimate, places, shown
from pytest_circuits.verdicts import Kind, default_tolerance, headline, judge

RECALL = Path(__file__).parents[2] / "pytest_circuits/models/bundled/recall"
#: What was preserved once, because a floor exceeded the value.
FALLS = [(0.04, 0.0081), (0.2, 0.151), (2e-4, 5e-5), (2e-5, 1.51e-5), (1e-6, 5e-7)]


def number(measure, value, error=np.nan, samples=8):
    """A finding of one number of a measure, as the measure would make it."""
    made = finding_of(measure)
    return replace(
        made,
        prompts=_of(samples, made.prompts),
        values=np.array(value),
        errors=np.array(error),
        samples=samples,
        clusters=samples,
        profiles={},
        companion=(),
        relative_to=None,
        # That of the small model that made it would be chance for these numbers too.
        chance=None,
    )


def _of(samples, prompts):
    """What is recorded of as many prompts."""
    count = {"count": samples} if "count" in prompts else {}
    ids = {"ids": [*prompts["ids"]] * samples} if "ids" in prompts else {}
    return {**prompts, **count, **{name: rows[:samples] for name, rows in ids.items()}}


def stored(finding):
    """The finding as it comes back from its file."""
    found = storable(finding)
    baseline = Baseline("", found, default_tolerance(found))
    (back,) = parse(text_of([baseline.document()]), "file")
    return back.finding


def verdict(measure: str, before: float, after: float):
    approved = stored(number(measure, before))
    return judge(storable(number(measure, after)), approved, default_tolerance(approved))


@pytest.mark.parametrize(("before", "after"), FALLS)
def test_a_probability_that_falls_is_a_change_however_small_it_is(before, after):
    assert verdict("answer_probability", before, after).kind is Kind.WEAKENED
    assert verdict("answer_probability", after, before).kind is Kind.STRENGTHENED
    assert verdict("answer_probability", before, 0.1 * before).kind is Kind.LOST


def test_a_small_probability_keeps_its_digits_and_is_there():
    back = stored(number("answer_probability", 4.00004e-5, error=1e-6))
    assert float(back) == 4e-5
    assert not back.gone


@pytest.mark.parametrize(
    ("measure", "before", "after"),
    [
        # What bf16, int8, threads and noise do to the bundled model and to SmolLM2.
        ("repeat_loss", 0.0017, 0.0022),
        ("repeat_loss", 0.0, 0.002),
        ("repeat_loss", 5.666, 5.704),
        ("kl_divergence", 0.0, 4.2e-6),
        ("kl_divergence", 1e-6, 0.0),
        ("kl_divergence", 1e-6, 0.0022),
        ("answer_probability", 4.64e-5, 5.01e-5),
        ("answer_probability", 1.54e-5, 1.66e-5),
        ("answer_probability", 0.4425, 0.4452),
        ("answer_probability", 0.0, 1e-9),
        ("logit_diff", 0.05, 0.14),
        ("ablate", 0.0, 0.03),
        ("ablate, probability", 0.0, 0.002),
        ("ablate, repeated", -0.0731, -0.061),
        ("ablate, repeated", 0.0, 0.012),
        ("accuracy", 1 / 16, 2 / 16),
    ],
)
def test_what_harmless_changes_do_to_small_numbers_is_none(measure, before, after):
    assert verdict(measure, before, after).kind is Kind.PRESERVED


@pytest.mark.parametrize(
    ("measure", "before", "after"),
    [
        ("repeat_loss", 0.0017, 0.021),  # a fifth of noise on the bundled model
        ("kl_divergence", 0.005, 0.03),
        ("kl_divergence", 0.1, 0.13),
        ("ablate, probability", 0.04, 0.2),
        ("ablate, kl", 0.1, 0.46),
        ("faithfulness", 0.1, 0.07),
    ],
)
def test_damage_to_small_numbers_is_a_change(measure, before, after):
    assert verdict(measure, before, after).kind is not Kind.PRESERVED


@pytest.mark.parametrize("value", [0.0, 1e-8, 4e-5, 0.05, 0.3, 12.0])
@pytest.mark.parametrize("measure", ["answer_probability", "kl_divergence", "logit_diff"])
def test_the_same_number_is_preserved_whatever_it_is(measure, value):
    assert verdict(measure, value, value).kind is Kind.PRESERVED


@pytest.mark.parametrize("case", CASES)
def test_rounding_is_below_a_tenth_of_every_default_tolerance(case):
    finding = finding_of(case)
    tolerance = default_tolerance(finding)
    for power in range(-8, 4):
        for size in (1.0, 2.3, 9.9999):
            value = size * 10.0**power
            for behaviour in finding.companion:
                allowed = tolerance.behaviours[behaviour.name].of(value)
                assert 0.5 * 10.0 ** -places(value, behaviour.unit) <= allowed / 10
            strongest = replace(
                finding, values=np.where(finding.present, value, np.nan), nulls={}, companion=()
            )
            allowed = tolerance.among(strongest).value.of(value if not finding.axes else 0.0)
            assert 0.5 * 10.0 ** -places(value, finding.unit) <= allowed / 10


def test_of_a_matrix_of_small_values_the_strongest_is_the_scale():
    approved = replace(
        finding_of("patch, resid_pre"),
        values=np.array([[0.08, 1e-4], [0.002, 0.0]]),
        errors=np.full((2, 2), 0.001),
        labels={},
        per_sample=None,
        absent=None,
        profiles={},
    )
    tolerance = default_tolerance(approved)

    def with_values(*values):
        return judge(replace(approved, values=np.reshape(values, (2, 2))), approved, tolerance).kind

    assert with_values(0.08, 0.015, 0.002, 0.0) is Kind.PRESERVED
    assert with_values(0.08, 0.02, 0.002, 0.0) is Kind.STRENGTHENED
    assert with_values(0.05, 1e-4, 0.002, 0.0) is Kind.WEAKENED


# ---- What is said of them ----------------------------------------------------------------------


def test_small_numbers_are_told_with_the_digits_that_decide():
    said = {
        (before, after): headline(verdict("answer_probability", before, after))
        for before, after in FALLS
    }
    assert list(said.values()) == [
        "answer's probability fell 0.040 → 0.008",
        "answer's probability slipped 0.20 → 0.15",
        "answer's probability fell 0.00020 → 0.00005",
        "answer's probability slipped 0.000020 → 0.000015",
        "answer's probability fell 1e-06 → 5e-07",
    ]
    assert verdict("answer_probability", 4e-5, 4e-5).summary == "answer's probability 0.00004"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.3, "0.30"),
        (0.05, "0.05"),
        (0.0017, "0.0017"),
        (4e-5, "0.00004"),
        (-4e-9, "-4e-09"),
        (0.0, "0.00"),
        (12.346, "12.35"),
        (np.nan, "nan"),
    ],
)
def test_a_number_has_the_decimals_that_it_takes(value, text):
    assert shown(value, 2) == text


def test_decimals_are_those_of_the_number_that_takes_most():
    assert decimals(1.0, 0.0, np.nan, least=2) == 2
    assert decimals(1.0, 0.008, 0.04, least=2) == 3


def test_an_error_that_is_not_known_is_left_out():
    assert estimate(3.935, np.nan) == "3.935"
    assert estimate(3.935, 0.0123) == "3.935 ± 0.012"
    assert estimate(4e-5, 1e-5) == "0.00004 ± 0.00001"
    assert str(number("text_loss", 3.935, samples=1)) == "text_loss (nats, 1 sample)\n  3.935"
    two = str(number("text_loss", 3.935, error=0.1, samples=2))
    assert two == "text_loss (nats, 2 samples)\n  3.935 ± 0.100"


# ---- Through a run -----------------------------------------------------------------------------


def with_a_louder_token(folder: Path, level: float) -> Path:
    """The bundled model with one token's logit raised by so much, after whatever was read.

    What comes out of the last norm, (h − bias) / weight, has mean 0: h · 1 / weight is the same
    everywhere. The answer's probability falls, and no other logit moves.
    """
    shutil.copytree(RECALL, folder)
    tensors = load_file(folder / "model.safetensors")
    across = 1 / tensors["ln_out.weight"]
    everywhere = across / (across * tensors["ln_out.bias"]).sum()
    head = tensors["head.weight"].clone()
    head[0] += level * everywhere
    save_file({**tensors, "head.weight": head}, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (16.3235, 17.9978, "fell 0.040 → 0.008 (tolerance 0.008)"),
        (14.3434, 14.7345, "slipped 0.20 → 0.15 (tolerance 0.04)"),
        (21.7181, 23.105, "fell 0.00020 → 0.00005 (tolerance 0.00004)"),
    ],
)
def test_a_model_whose_answer_got_less_probable_fails(suite, before, after, said):
    old = with_a_louder_token(suite.path / "old", before)
    new = with_a_louder_token(suite.path / "new", after)
    suite.ini(f"old = {old}")
    suite.write(
        "test_answers.py",
        """
from pytest_circuits import prompts

PHRASES = prompts.repeated_phrases(n=8, length=5)

def test_answer(circuits, circuit_snapshot):
    assert circuits.answer_probability(PHRASES) == circuit_snapshot
""",
    )
    suite.approve()
    assert suite.run("--circuits").ret == 0

    result = suite.run("--circuits", f"--circuits-model=new={new}")

    assert result.ret == 1
    result.stdout.fnmatch_lines([f"*answer's probability {said}*"])
