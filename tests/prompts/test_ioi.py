from __future__ import annotations

from collections import Counter

import pytest

from pytest_circuits.prompts import PromptError, PromptWarning, ioi
from pytest_circuits.prompts.indirect_object import _NAMES as NAMES
from pytest_circuits.testing import word_tokenizer


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


def words_of(text):
    return text.replace(",", "").split()


@pytest.mark.parametrize("options", [{}, {"order": "both", "corruption": "swap", "templates": 4}])
def test_the_defaults_are_the_four_templates_both_orders_and_a_swap(options):
    pairs = ioi(n=16, seed=5, **options)

    assert pairs.hash == "7d5a4d06ff37d93d"
    assert pairs.name == "ioi(n=16, seed=5)"


@pytest.mark.parametrize(("order", "half"), [("BABA", 0), ("ABBA", 1)])
def test_one_order_is_that_half_of_both(order, half):
    pairs, both = ioi(n=15, order=order), ioi(n=30)

    for column in ("clean", "corrupted", "answers", "wrong_answers", "clusters", "templates"):
        assert getattr(pairs, column) == getattr(both, column)[half::2]
    assert len(set(pairs.clusters)) == 15
    assert pairs.name == f"ioi(n=15, seed=0, {order})"
    for clean, answer in zip(pairs.clean, pairs.answers, strict=True):
        assert (words_of(clean)[1] == answer.strip()) == (order == "ABBA")


def test_a_third_name_gives_in_the_corrupted_prompt_and_nothing_else_changes():
    pairs, swapped = ioi(n=64, corruption="third name"), ioi(n=64)

    for column in ("clean", "answers", "wrong_answers", "clusters", "positions"):
        assert getattr(pairs, column) == getattr(swapped, column)
    for clean, corrupted in zip(pairs.clean, pairs.corrupted, strict=True):
        before, after = words_of(clean), words_of(corrupted)
        changed = [i for i in range(len(before)) if before[i] != after[i]]
        assert len(changed) == 1
        assert after.count(after[changed[0]]) == 1
    # Mirrored pairs have the same corrupted prompt: nothing says who gave.
    assert pairs.corrupted[::2] == pairs.corrupted[1::2]
    assert pairs.name == "ioi(n=64, seed=0, third name)"


def test_more_templates_come_in_turn_after_the_four():
    pairs = ioi(n=24, templates=12)

    assert pairs.templates == tuple(str(number) for number in range(12) for _ in range(2))
    assert pairs.clean[:8] == ioi(n=8).clean
    assert all(
        cluster.split(":")[0] == template
        for cluster, template in zip(pairs.clusters, pairs.templates, strict=True)
    )
    assert ioi(n=2, templates=1).name == "ioi(n=2, seed=0, templates=1)"


def test_names_have_positions_in_every_template():
    pairs = ioi(n=48, templates=12)
    positions = pairs.positions

    assert set(positions) == {"IO", "S1", "S1+1", "S2"}
    for i, clean in enumerate(pairs.clean):
        ends = {name: words_of(prefixes[i]) for name, prefixes in positions.items()}
        assert ends["IO"][-1] == pairs.answers[i].strip()
        assert ends["S1"][-1] == ends["S2"][-1] == pairs.wrong_answers[i].strip()
        assert ends["S2"].count(ends["S2"][-1]) == 2
        assert ends["S1"].count(ends["S1"][-1]) == 1
        assert ends["S1+1"] == words_of(clean)[: len(ends["S1"]) + 1]


def test_positions_are_indices_once_a_tokenizer_is_met():
    pairs = ioi(n=2)
    words = dict.fromkeys(word for clean in pairs.clean for word in ("a", *clean.split(), *NAMES))
    tokenized = pairs.check(word_tokenizer(list(words)))

    # <bos> When Emma and Mark went to the store, Emma gave …
    assert tokenized.dropped == ()
    assert tokenized.positions == {"IO": (4, 2), "S1": (2, 4), "S1+1": (3, 5), "S2": (9, 9)}


def test_names_that_are_unknown_are_dropped():
    frame = {word for clean in ioi(n=8).clean for word in clean.split() if word not in NAMES}
    known = [name for name in NAMES if name not in ("Emma", "Paul", "Anna")]
    pairs = ioi(n=300, corruption="third name")
    with pytest.warns(
        PromptWarning, match="dropped 3 names that are not single tokens here: Anna, Emma, Paul$"
    ):
        tokenized = pairs.check(word_tokenizer(sorted(frame | {*known, "a"})))

    assert len(tokenized) == 300
    assert tokenized.dropped == ("Anna", "Emma", "Paul")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": "BAAB"}, "order is both, ABBA or BABA, not 'BAAB'"),
        ({"corruption": "random"}, "corruption is 'swap' or 'third name', not 'random'"),
        ({"templates": 0}, "templates is a number from 1 to 12, not 0"),
        ({"templates": 13}, "templates is a number from 1 to 12, not 13"),
        ({"n": 481, "order": "ABBA"}, "ioi gives a number of pairs from 1 to 480"),
    ],
)
def test_an_option_that_there_is_not_is_refused(options, message):
    with pytest.raises(PromptError, match=message):
        ioi(**options)


def test_a_third_name_takes_three():
    frame = {word for clean in ioi(n=8).clean for word in clean.split() if word not in NAMES}
    tokenizer = word_tokenizer(sorted(frame | {"a", "Tom", "Mary"}))

    with pytest.warns(PromptWarning):
        assert len(ioi(n=2).check(tokenizer)) == 2
    with pytest.raises(PromptError, match="ioi needs three names for a third one"):
        ioi(n=2, corruption="third name").check(tokenizer)
