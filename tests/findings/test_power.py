from __future__ import annotations

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
from transformer_lens.utilities.statistics import success_rate_ci

import pytest_circuits.findings.power
from pytest_circuits.findings import (
    Behaviour,
    Direction,
    Finding,
    PairingError,
    Role,
    enough_prompts,
    paired_differences,
)
from pytest_circuits.findings.power import prompts_to_tell
from pytest_circuits.findings.statistics import t95


def number(spread: float, *, samples: int = 10, clusters: int = 10, **fields) -> Finding:
    """A number whose clusters have that standard deviation."""
    error = np.array(spread / math.sqrt(clusters))
    made = Finding(
        "logit_diff", "logit difference", "logits", Direction.HIGHER, (), np.array(3.0), error,
        samples, clusters, {}, {"kind": "pairs"},
    )  # fmt: skip
    return replace(made, **fields)


def heads(errors, values) -> Finding:
    return replace(
        number(1.0),
        axes=("layer", "head"),
        values=np.array([values]),
        errors=np.array([errors]),
        role=Role("heads", 0.4),
    )


@pytest.mark.parametrize(
    ("effect", "prompts"),
    # One-sample t-tests, one-sided 5 %, 80 %: n = ((t₀.₉₅ + t₀.₈) / effect)² by tables of t.
    [(2.0, 4), (1.0, 8), (0.8, 12), (0.5, 27), (0.2, 157), (0.1, 620)],
)
def test_as_many_prompts_as_the_formula_takes(effect, prompts):
    assert enough_prompts(number(1.0), effect) == prompts


@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
def test_one_cluster_less_would_not_do(power):
    n = enough_prompts(number(0.7), 0.3, power=power)

    def least_fall(clusters):
        # By its definition, with quantiles from elsewhere.
        quantile = pytest_circuits.findings.power.t_quantile(power, clusters - 1)
        return (t95(clusters) + quantile) * 0.7 / math.sqrt(clusters)

    assert least_fall(n) <= 0.3 < least_fall(n - 1)


@pytest.mark.parametrize("effect", [0.4, 0.8])
def test_so_many_prompts_see_such_a_fall_as_often_as_asked(effect):
    n = enough_prompts(number(1.0), effect)
    draws = np.random.default_rng(0).normal(-effect, 1.0, size=(4000, n))

    t = draws.mean(axis=1) / (draws.std(axis=1, ddof=1) / math.sqrt(n))

    seen = success_rate_ci([bool(hit) for hit in t < -t95(n)])
    assert seen.ci_low <= 0.82
    assert seen.ci_high >= 0.79


def test_the_range_is_that_of_the_spreads_interval():
    found = enough_prompts(number(1.0, samples=16, clusters=16), 0.5)

    # Standard deviations of 1 from 16 samples: 0.739 to 1.548 by tables of chi-square.
    low, high = (
        enough_prompts(number(spread, samples=100, clusters=100), 0.5)
        for spread in (0.7387, 1.5477)
    )
    assert (found, found.low, found.high) == (27, low, high) == (27, 16, 61)
    assert found.clusters == 16


def test_more_clusters_leave_less_open():
    few, many = (enough_prompts(number(1.0, samples=n, clusters=n), 0.5) for n in (10, 200))

    assert few == many
    assert few.low < many.low < many < many.high < few.high


def test_it_is_said_with_its_range():
    pilot = number(1.0, samples=16, clusters=16)
    unpaired, paired = (
        prompts_to_tell(0.5, 0.25, pilot, paired=paired) for paired in (False, True)
    )
    sure = enough_prompts(number(1.0, samples=40, clusters=40), 0.5)
    sequences = enough_prompts(replace(pilot, prompts={"kind": "repeated tokens"}), 0.5)

    said = "27 prompts (16 to 61, from 16 clusters)"
    advice = "; compared with another model's finding (against=) it takes fewer"
    assert str(unpaired) == repr(unpaired) == f"{said}{advice}"
    assert str(paired) == said
    assert str(sure) == "27 prompts (19 to 43, from 40 clusters)"
    assert str(sequences) == f"{said}{advice}".replace("27 prompts", "27 sequences")


def test_it_is_a_number():
    found = enough_prompts(number(1.0, samples=16, clusters=16), 0.5)

    assert isinstance(found, int)
    assert (int(found), f"{found:d}", found / 2, found > 26) == (27, "27", 13.5, True)
    twin = copy.deepcopy(found)
    assert (twin, str(twin), twin.high) == (found, str(found), found.high)


@pytest.mark.parametrize("clusters", [5, 16, 100])
def test_the_range_holds_what_the_true_spread_takes(clusters):
    rng = np.random.default_rng(2)
    needed = enough_prompts(number(1.0, samples=1000, clusters=1000), 0.2)
    pilots = rng.normal(size=(600, clusters)).std(axis=1, ddof=1)
    found = [
        enough_prompts(number(spread, samples=clusters, clusters=clusters), 0.2)
        for spread in pilots
    ]

    held = success_rate_ci([n.low <= needed <= n.high for n in found])
    assert held.ci_low <= 0.95 <= held.ci_high


def test_prompts_come_in_clusters_as_large_as_they_are_here():
    # Twelve clusters, two and a half prompts each.
    assert enough_prompts(number(1.0, samples=25, clusters=10), 0.8) == 30


def test_it_does_not_matter_how_many_prompts_the_spread_comes_from():
    assert enough_prompts(number(1.0, samples=40, clusters=40), 0.8) == 12


def test_it_takes_the_member_that_is_least_sure():
    finding = heads([0.02, 0.1, 0.5], [0.9, 0.6, 0.1])  # the third is in no role

    assert enough_prompts(finding, 0.2) == enough_prompts(number(0.1 * math.sqrt(10)), 0.2)
    assert enough_prompts(replace(finding, role=None), 0.2) > enough_prompts(finding, 0.2)


def test_what_prompts_have_in_common_needs_no_prompts():
    rng = np.random.default_rng(1)
    before = rng.normal(3, 2, size=10)
    after = before + rng.normal(0, 0.5, size=10)
    found, approved = (
        number(samples.std(ddof=1), profiles={"logit_diff": samples}) for samples in (after, before)
    )

    paired = enough_prompts(found, 0.3, against=approved)

    error = paired_differences(found, approved)["logit_diff"].error
    assert paired == enough_prompts(number(error * math.sqrt(10)), 0.3)
    assert paired < enough_prompts(found, 0.3) / 4
    with pytest.raises(PairingError):
        enough_prompts(found, 0.3, against=replace(approved, convention={"first_token": "none"}))


@pytest.mark.parametrize("error", [0.0, 1e-17])
@pytest.mark.parametrize("drop", [1e-9, 10])
def test_prompts_that_all_gave_the_same_say_nothing_about_others(error, drop):
    text = "logit_diff: all prompts gave the same, which says nothing about the spread of others"
    with pytest.raises(ValueError, match=f"^{text}$"):
        enough_prompts(number(error), drop)
    with pytest.raises(ValueError, match=text):
        enough_prompts(heads([0.0, 0.0], [0.9, 0.6]), drop)


def test_two_models_that_differ_by_the_same_everywhere_say_nothing_about_other_prompts():
    found, approved = (
        number(1.0, profiles={"logit_diff": np.arange(10.0) + more}) for more in (0, 0.5)
    )
    with pytest.raises(ValueError, match="all prompts gave the same"):
        enough_prompts(found, 0.3, against=approved)


@pytest.mark.parametrize("drop", [0, -0.1, math.nan, math.inf])
def test_a_drop_is_above_0(drop):
    with pytest.raises(ValueError, match=r"drop is what has to be seen, a number above 0, not"):
        enough_prompts(number(1.0), drop)


@pytest.mark.parametrize("power", [0.3, 1, 80, math.nan])
def test_a_power_is_a_share(power):
    with pytest.raises(ValueError, match=r"power is a share from 0\.5 to below 1"):
        enough_prompts(number(1.0), 0.1, power=power)


def test_a_finding_without_an_error_or_a_role_is_refused():
    with pytest.raises(ValueError, match="logit_diff has no error to reckon with"):
        enough_prompts(number(math.nan, clusters=1), 0.1)
    with pytest.raises(ValueError, match="logit_diff has no heads to reckon with"):
        enough_prompts(heads([0.1], [0.1]), 0.1)


def test_fractions_of_what_is_gone_have_no_error_to_reckon_with():
    gone = Behaviour("gain", 0.0, 0.1, 10, Direction.HIGHER, "logits", vital=True)
    finding = heads([0.1], [0.9])
    finding = replace(
        finding, values=finding.values * math.nan, companion=(gone,), relative_to="gain"
    )
    with pytest.raises(ValueError, match="logit_diff has no error to reckon with"):
        enough_prompts(finding, 0.1)


def test_cells_that_the_model_does_not_have_need_no_prompts():
    cells = {"axes": ("layer",), "values": np.array([3.0, 2.0]), "errors": np.array([0.4, 0.1])}
    whole = replace(number(1.0), **cells)
    sparse = replace(
        whole,
        values=np.array([math.nan, 3.0, 2.0]),
        errors=np.array([math.nan, 0.4, 0.1]),
        absent=np.array([True, False, False]),
    )
    assert enough_prompts(sparse, 0.5) == enough_prompts(whole, 0.5)
    same_everywhere = replace(sparse, errors=np.array([math.nan, 1e-13, 0.0]))
    with pytest.raises(ValueError, match="all prompts gave the same"):
        enough_prompts(replace(same_everywhere, values=sparse.values * 1e4), 0.5)
