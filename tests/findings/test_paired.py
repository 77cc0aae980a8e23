from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pytest_circuits.findings import (
    Behaviour,
    Direction,
    Finding,
    PairingError,
    Role,
    paired_differences,
)
from pytest_circuits.findings.encoding import decode, encode, rounded
from pytest_circuits.findings.statistics import (
    interval,
    mean_and_error,
    ratio_and_error,
    sign_flip_p,
    t95,
)

RNG = np.random.default_rng(0)
BEFORE = RNG.normal(3.0, 1.0, size=8)
AFTER = BEFORE - 0.5 + RNG.normal(0, 0.1, size=8)
#: Four templates of two prompts.
CLUSTERS = tuple("aabbccdd")


def number(samples, clusters=None, **fields) -> Finding:
    clusters = range(len(samples)) if clusters is None else clusters
    mean, error = mean_and_error(samples, clusters)
    made = Finding(
        "logit_diff", "logit difference", "logits", Direction.HIGHER, (), mean, error,
        len(samples), len(set(clusters)), {"first_token": "BOS"}, {"kind": "pairs", "texts": "ab"},
        profiles={"logit_diff": samples},
    )  # fmt: skip
    return replace(made, **fields)


def heads(samples, **fields) -> Finding:
    """One layer of heads, samples ``[sample, head]``, all with a role and a profile."""
    values, errors = mean_and_error(samples[:, None, :], range(len(samples)))
    profiles = {f"L0H{head}": samples[:, head] for head in range(samples.shape[1])}
    return replace(
        number(samples[:, 0]),
        axes=("layer", "head"),
        values=values,
        errors=errors,
        role=Role("heads", 0.1),
        profiles=profiles,
        **fields,
    )


def test_a_paired_difference_is_that_of_the_samples():
    (difference,) = paired_differences(number(AFTER), number(BEFORE)).values()

    mean, error = mean_and_error(AFTER - BEFORE, range(8))
    assert (difference.mean, difference.error) == (pytest.approx(mean), pytest.approx(error))
    assert difference.mean == pytest.approx(AFTER.mean() - BEFORE.mean())
    assert difference.interval == pytest.approx(interval(AFTER - BEFORE, range(8)))
    assert difference.p == 2 / 2**8  # all eight fell
    assert difference.clusters == 8
    # What the prompts have in common is gone.
    assert difference.error < number(BEFORE).errors / 5


def test_it_counts_clusters_and_not_prompts():
    found = number(AFTER, CLUSTERS, clustering=CLUSTERS)
    approved = decode(encode(number(BEFORE, CLUSTERS, clustering=CLUSTERS)))

    difference = paired_differences(rounded(found), approved)["logit_diff"]

    _, error = mean_and_error(AFTER - BEFORE, CLUSTERS)
    assert difference.error == pytest.approx(error, abs=1e-4)
    assert (difference.clusters, difference.p) == (4, 2 / 2**4)
    # Whichever of the two was measured in this run.
    turned = paired_differences(approved, rounded(found))["logit_diff"]
    assert turned.mean == pytest.approx(-difference.mean)


def test_every_head_with_samples_in_both_has_a_difference_and_p_is_over_all_of_them():
    before, after = RNG.normal(1, 0.1, size=(2, 8, 3))
    found, approved = heads(after), heads(before)
    member = replace(approved, profiles={h: approved.profiles[h] for h in ("L0H0", "L0H2")})

    differences = paired_differences(found, member)

    assert list(differences) == ["L0H0", "L0H2"]
    d = (after - before)[:, [0, 2]]
    assert [x.p for x in differences.values()] == pytest.approx(sign_flip_p(d, range(8)).tolist())


def gap(samples) -> Behaviour:
    mean, error = mean_and_error(samples, range(len(samples)))
    return Behaviour(
        "logit_diff_gap", float(mean), float(error), len(samples), Direction.HIGHER, "logits",
        vital=True, profile=samples,
    )  # fmt: skip


def fractions(numerators, gaps) -> Finding:
    values, errors = ratio_and_error(numerators[:, None, :], gaps, range(len(gaps)))
    return replace(
        heads(numerators, companion=(gap(gaps),), relative_to="logit_diff_gap"),
        values=values,
        errors=errors,
        direction=Direction.TWO_SIDED,
    )


def test_fractions_are_compared_as_ratios():
    gaps = RNG.uniform(3, 5, size=(2, 40))
    parts = gaps[:, :, None] * [0.6, 0.2] + RNG.normal(0, 0.2, size=(2, 40, 2))
    now, before = fractions(parts[0], gaps[0]), fractions(parts[1], gaps[1])

    differences = paired_differences(now, before)

    means = [x.mean for x in differences.values()]
    np.testing.assert_allclose(means, (now.values - before.values)[0], rtol=1e-12)
    # The two are independent here, so that the errors add up.
    errors = [x.error for x in differences.values()]
    np.testing.assert_allclose(errors, np.hypot(now.errors, before.errors)[0], rtol=0.2)


def test_the_same_finding_differs_by_nothing():
    difference = paired_differences(number(BEFORE), number(BEFORE))["logit_diff"]

    assert (difference.mean, difference.error, difference.p) == (0, 0, 1)


def test_one_cluster_has_a_mean_and_nothing_else():
    one = ("a",) * 8
    found, approved = (number(x, one, clustering=one) for x in (AFTER, BEFORE))

    difference = paired_differences(found, approved)["logit_diff"]

    assert difference.mean == pytest.approx((AFTER - BEFORE).mean())
    assert np.isnan([difference.error, *difference.interval]).all()
    assert difference.p == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"prompts": {"kind": "pairs", "texts": "cd"}}, r"\(they differ in prompts.texts\)"),
        ({"convention": {}, "unit": "nats"}, r"\(they differ in unit, convention.first_token\)"),
        ({"profiles": {}}, "keep no samples of the same value"),
        ({"profiles": {"logit_diff": BEFORE[:5]}}, "keep no samples of the same value"),
    ],
)
def test_what_is_no_pair_is_refused_with_the_reason(change, said):
    with pytest.raises(PairingError, match=said):
        paired_differences(number(AFTER), replace(number(BEFORE), **change))


def test_clusters_that_nobody_knows_are_no_clusters():
    found, approved = number(AFTER, CLUSTERS), number(BEFORE, CLUSTERS)

    with pytest.raises(PairingError, match="which of the 8 samples make the 4 clusters"):
        paired_differences(found, approved)


def test_fractions_of_a_behaviour_that_is_gone_or_kept_no_samples_are_no_pairs():
    gaps, parts = np.full(8, 4.0), RNG.normal(2, 0.1, size=(8, 2))
    whole = fractions(parts, gaps)
    bare = replace(whole, companion=(replace(gap(gaps), profile=None),))
    dead = replace(whole, companion=(replace(gap(gaps), value=0.0),))

    for found in (bare, dead):
        with pytest.raises(PairingError, match="no samples"):
            paired_differences(found, whole)


def test_half_of_the_paired_interval_is_t_times_the_error():
    difference = paired_differences(number(AFTER), number(BEFORE))["logit_diff"]
    low, high = difference.interval

    assert low < difference.mean < high
    assert (high - low) / 2 > t95(8) * difference.error
