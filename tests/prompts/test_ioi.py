from __future__ import annotations

from collections import Counter

import pytest

from pytest_circuits.prompts import PromptError, ioi


def test_the_same_seed_gives_the_same_pairs():
    assert ioi(n=16, seed=3) == ioi(n=16, seed=3)
    assert ioi(n=16, seed=3).hash != ioi(n=16, seed=4).hash


def test_the_draw_is_the_same_on_every_machine():
    pairs = ioi(n=4, seed=0)

    # Baselines hold this hash: another draw would make every one of them incomparable.
    assert pairs.hash == "e5940dc06dcbc29b"
    assert pairs.clean[0] == "When Emma and Mark went to the store, Emma gave a drink to"


def test_more_pairs_begin_with_the_same_ones():
    assert ioi(n=20).clean[:16] == ioi(n=16).clean


def test_the_answer_is_the_name_that_does_not_give():
    pairs = ioi(n=32)

    for i, clean in enumerate(pairs.clean):
        answer, giver = pairs.answers[i].strip(), pairs.wrong_answers[i].strip()
        assert clean.count(giver) == 2
        assert clean.count(answer) == 1
        assert clean.index(f", {giver} ") > clean.index(answer)


def test_the_corrupted_prompt_swaps_the_giver_and_nothing_else():
    pairs = ioi(n=32)

    for clean, corrupted, answer, giver in zip(
        pairs.clean, pairs.corrupted, pairs.answers, pairs.wrong_answers, strict=True
    ):
        assert corrupted == clean.replace(f",{giver} ", f",{answer} ")  # both begin with a space
        assert corrupted != clean


def test_templates_and_orders_are_balanced():
    pairs = ioi(n=32)
    templates = Counter(cluster.partition(":")[0] for cluster in pairs.clusters)
    first_name_gives = Counter(
        clean.split()[1] == giver.strip()
        for clean, giver in zip(pairs.clean, pairs.wrong_answers, strict=True)
    )

    assert templates == {"0": 8, "1": 8, "2": 8, "3": 8}
    assert first_name_gives == {True: 16, False: 16}


def test_both_orders_of_introduction_occur():
    names = [(clean.split()[1], clean.split()[3]) for clean in ioi(n=32).clean[::2]]

    assert 0 < sum(first < second for first, second in names) < len(names)


def test_mirrored_pairs_share_a_cluster_and_no_others_do():
    pairs = ioi(n=32)

    assert set(Counter(pairs.clusters).values()) == {2}
    for i in range(0, 32, 2):
        assert pairs.clusters[i] == pairs.clusters[i + 1]
        assert pairs.clean[i] == pairs.corrupted[i + 1]
        assert pairs.answers[i] == pairs.wrong_answers[i + 1]


def test_no_prompt_occurs_twice():
    pairs = ioi(n=480)

    assert len(set(pairs.clean)) == 480


@pytest.mark.parametrize("n", [-2, 0, 1, 3, 962])
def test_an_odd_number_of_pairs_is_refused_and_so_are_none_or_too_many(n):
    with pytest.raises(PromptError, match="an even number of pairs from 2 to 960"):
        ioi(n=n)


def test_every_pair_there_is_can_be_asked_for():
    assert len(ioi(n=960)) == 960
