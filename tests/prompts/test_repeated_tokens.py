from __future__ import annotations

import pytest

from pytest_circuits.prompts import PromptError, RepeatedTokens
from pytest_circuits.prompts.sequences import compared
from pytest_circuits.testing import WORDS, word_tokenizer


@pytest.fixture
def tokenizer():
    return word_tokenizer()


def without_bos():
    tokenizer = word_tokenizer()
    tokenizer.bos_token = None
    return tokenizer


def draw(tokenizer, context=33, vocabulary=40, *, one_length=True, **fields):
    """Of one length, unless two are asked for."""
    window = {name: fields.pop(name) for name in ("window", "affordable") if name in fields}
    return RepeatedTokens(**fields).draw(
        tokenizer, context=context, vocabulary=vocabulary, one_length=one_length, **window
    )


def many_words():
    return word_tokenizer([*WORDS, *(f"word{i}" for i in range(600))])


def test_a_sequence_is_bos_a_block_and_the_same_block(tokenizer):
    drawn = draw(tokenizer, batch=7, block=5)

    assert len(drawn.sequences) == 7
    assert drawn.blocks == (5,)
    for sequence in drawn.sequences:
        assert len(sequence) == 11
        assert sequence[0] == tokenizer.bos_token_id
        assert sequence[1:6] == sequence[6:]
    assert (drawn.first_token, drawn.first_is_bos) == ("<bos>", True)


@pytest.mark.parametrize("seed", range(5))
def test_tokens_in_a_block_are_distinct_and_ordinary(tokenizer, seed):
    drawn = draw(tokenizer, batch=20, block=16, seed=seed)

    for sequence in drawn.sequences:
        block = sequence[1:17]
        assert len(set(block)) == 16
        assert set(block) <= set(range(1, 40))


def test_every_ordinary_token_can_be_drawn(tokenizer):
    drawn = draw(tokenizer, batch=50, block=10)

    assert {token for sequence in drawn.sequences for token in sequence[1:]} == set(range(1, 40))


def test_a_block_may_be_the_whole_vocabulary(tokenizer):
    drawn = draw(tokenizer, context=100, batch=1, block=39)

    assert sorted(drawn.sequences[0][1:40]) == list(range(1, 40))


@pytest.mark.parametrize(
    ("context", "block"), [(33, 16), (34, 16), (7, 3), (49, 24), (1024, 50), (101, 50)]
)
def test_the_block_fills_the_context_up_to_50(context, block):
    tokenizer = word_tokenizer([*WORDS, *(f"word{i}" for i in range(40))])

    assert draw(tokenizer, context=context, vocabulary=80).blocks == (block,)


def test_the_same_seed_gives_the_same_draw(tokenizer):
    assert draw(tokenizer, seed=1) == draw(tokenizer, seed=1)
    assert draw(tokenizer, seed=1).sequences != draw(tokenizer, seed=2).sequences


def test_the_draw_is_the_same_on_every_machine(tokenizer):
    # Baselines hold these ids and this hash.
    drawn = draw(tokenizer, batch=1, block=4)

    assert drawn.sequences == ((0, 33, 30, 17, 11, 33, 30, 17, 11),)
    assert drawn.strings_hash == "2d8d36bae94be627"


def test_more_sequences_begin_with_the_same_ones(tokenizer):
    assert draw(tokenizer, batch=9).sequences[:4] == draw(tokenizer, batch=4).sequences


def test_added_tokens_do_not_change_the_draw(tokenizer):
    before = draw(tokenizer)

    tokenizer.add_tokens(["<tool>", "zebra"])
    tokenizer.add_special_tokens({"additional_special_tokens": ["<think>"]})
    assert len(tokenizer) == 43

    assert draw(tokenizer, vocabulary=43) == before
    assert draw(tokenizer, vocabulary=64) == before  # embeddings padded to a round number


def test_special_tokens_are_never_drawn(tokenizer):
    tokenizer.add_special_tokens({"additional_special_tokens": ["m", "alpha"]})

    drawn = draw(tokenizer, batch=50, block=16)

    special = set(tokenizer.convert_tokens_to_ids(["m", "alpha", "<bos>"]))
    assert not special & {token for sequence in drawn.sequences for token in sequence[1:]}


def test_tokens_without_an_embedding_are_never_drawn(tokenizer):
    drawn = draw(tokenizer, vocabulary=20, batch=50, block=16)

    assert max(token for sequence in drawn.sequences for token in sequence) < 20


def test_the_hash_sees_the_strings_behind_the_ids(tokenizer):
    swapped = word_tokenizer([WORDS[1], WORDS[0], *WORDS[2:]])

    assert draw(tokenizer).sequences == draw(swapped).sequences
    assert draw(tokenizer, batch=50).strings_hash != draw(swapped, batch=50).strings_hash


def test_without_bos_one_ordinary_token_comes_first_and_in_no_block():
    drawn = draw(without_bos(), batch=50, block=16)

    firsts = {sequence[0] for sequence in drawn.sequences}
    assert len(firsts) == 1
    assert firsts <= set(range(1, 40))
    assert not firsts & {token for sequence in drawn.sequences for token in sequence[1:]}
    assert not drawn.first_is_bos
    assert drawn.first_token in WORDS


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"context": 4}, "a block of 3 tokens, twice, after a first token needs 7 positions"),
        (
            {"context": 32, "block": 16},
            (
                "a block of 16 tokens, twice, after a first token needs 33 positions, "
                "and the model has 32"
            ),
        ),
        (
            {"context": 100, "block": 40},
            (
                "a block of 40 distinct tokens needs 40 ordinary tokens, "
                "and the vocabulary has 39: ask for a shorter block"
            ),
        ),
        ({"context": 6}, "a block of 3 tokens, twice, after a first token needs 7 positions"),
        ({"vocabulary": 9}, "needs 16 ordinary tokens, and the vocabulary has 8"),
    ],
)
def test_a_model_that_is_too_small_is_told_so(tokenizer, fields, message):
    with pytest.raises(PromptError) as error:
        draw(tokenizer, **fields)

    assert message in str(error.value)


def test_the_first_token_counts_where_it_is_an_ordinary_one():
    with pytest.raises(PromptError, match="needs 40 ordinary tokens, and the vocabulary has 39"):
        draw(without_bos(), context=100, block=39)


@pytest.mark.parametrize("fields", [{"batch": 0}, {"block": 2}, {"block": 0}, {"batch": -1}])
def test_nothing_to_repeat_is_refused_at_once(fields):
    with pytest.raises(PromptError, match="a batch of at least 1 and a block of at least 3, got"):
        RepeatedTokens(**fields)


def test_an_unrelated_block_begins_alike_and_goes_on_with_other_tokens(tokenizer):
    drawn = draw(tokenizer, batch=20, block=16)

    assert len(drawn.unrelated) == 20
    for sequence, other in zip(drawn.sequences, drawn.unrelated, strict=True):
        assert len(other) == len(sequence)
        assert other[:17] == sequence[:17]
        assert len(set(other)) == 33


def test_unrelated_blocks_have_every_ordinary_token_and_no_other(tokenizer):
    tokenizer.add_special_tokens({"additional_special_tokens": ["m", "alpha"]})
    special = set(tokenizer.convert_tokens_to_ids(["m", "alpha", "<bos>"]))

    drawn = draw(tokenizer, batch=50, block=10)

    tokens = {token for control in drawn.unrelated for token in control[11:]}
    assert tokens == set(range(1, 40)) - special


def test_an_unrelated_block_without_bos_never_repeats_the_first_token():
    for control in draw(without_bos(), batch=50, block=16).unrelated:
        assert len(set(control)) == 33


@pytest.mark.parametrize("block", [20, 30, 39])
def test_where_tokens_run_out_none_stands_where_it_did(tokenizer, block):
    drawn = draw(tokenizer, context=100, batch=50, block=block)

    for control in drawn.unrelated:
        first, second = control[1 : 1 + block], control[1 + block :]
        assert len(set(second)) == block
        assert all(one != other for one, other in zip(first, second, strict=True))


def test_where_tokens_run_out_any_that_did_not_stand_there_may(tokenizer):
    drawn = draw(tokenizer, context=100, vocabulary=6, batch=400, block=3)

    followers = {(control[1], control[4]) for control in drawn.unrelated}
    assert followers == {(one, other) for one in range(1, 6) for other in range(1, 6)} - {
        (token, token) for token in range(1, 6)
    }


def test_unrelated_blocks_are_the_same_on_every_machine(tokenizer):
    assert draw(tokenizer, batch=1, block=4).unrelated == ((0, 33, 30, 17, 11, 1, 35, 10, 18),)
    assert draw(tokenizer, context=100, batch=1, block=39).unrelated[0][40:44] == (14, 5, 39, 6)


def test_another_seed_has_other_unrelated_blocks(tokenizer):
    ends = {draw(tokenizer, seed=seed).unrelated[0][17:] for seed in (-1, 0, 1, 2)}

    assert len(ends) == 4


def test_more_unrelated_blocks_begin_with_the_same_ones(tokenizer):
    assert draw(tokenizer, batch=9).unrelated[:4] == draw(tokenizer, batch=4).unrelated


@pytest.mark.parametrize("block", [3, 4, 5, 12, 16])
def test_the_control_repeats_as_much_before_each_query_that_is_compared(tokenizer, block):
    drawn = draw(tokenizer, batch=3, block=block)

    queries = compared(block)
    assert queries == (block + 1) // 2 - 1
    for sequence, control in zip(drawn.sequences, drawn.control, strict=True):
        assert control[: 1 + block] == sequence[: 1 + block]
        assert set(control[1 + block :]) == set(sequence[1 + block :])
        for query in range(1 + block, 1 + block + queries):
            for tokens in (sequence, control):
                seen = tokens[: query + 1]
                assert sum(seen.count(token) == 2 for token in set(seen)) == query - block
                assert seen.count(tokens[query]) == 2
                # What followed the earlier occurrence, or stands there in the control.
                assert seen.count(tokens[query - (block - 1)]) == 1
            assert control.index(control[query]) != query - block


def test_the_control_of_a_known_sequence_is_known(tokenizer):
    drawn = draw(tokenizer, batch=1, block=5)

    first, a, b, c, d, e = drawn.sequences[0][:6]
    assert drawn.control == ((first, a, b, c, d, e, d, e, a, b, c),)


@pytest.mark.parametrize(
    ("context", "given", "blocks"),
    [
        (1024, {}, (50, 100)),
        (201, {}, (50, 100)),
        (200, {}, (50, 99)),
        (103, {}, (50, 51)),
        # Nothing longer than the first fits, so that this is halved.
        (101, {}, (25, 50)),
        (33, {}, (8, 16)),
        (9, {}, (3, 4)),
        (7, {}, (3,)),
        (1024, {"window": 128}, (50, 129)),
        (1024, {"window": 99}, (50, 100)),
        (1024, {"window": 510}, (50, 511)),
        # No block that fits is longer than the window.
        (1024, {"window": 511}, (50, 100)),
        (1024, {"window": 128, "affordable": 128}, (50, 100)),
        (1024, {"window": 128, "affordable": 129}, (50, 129)),
    ],
)
def test_the_second_length_is_longer_than_any_window_that_fits(context, given, blocks):
    drawn = draw(many_words(), context=context, vocabulary=641, one_length=False, **given)

    assert drawn.blocks == blocks
    assert drawn.within_windows == (given.get("window", 0) >= blocks[-1])


def test_a_small_vocabulary_bounds_the_longer_block_alone(tokenizer):
    assert draw(many_words(), context=1024, vocabulary=61, one_length=False).blocks == (50, 60)
    with pytest.raises(PromptError, match="needs 50 ordinary tokens, and the vocabulary has 39"):
        draw(tokenizer, context=1024, one_length=False)


def test_there_are_half_as_many_of_the_longer_block_and_the_shorter_are_as_without_it(tokenizer):
    for batch, longer in ((10, 5), (9, 5), (3, 2), (2, 2), (1, 1)):
        one, two = (draw(tokenizer, batch=batch, block=block) for block in (5, (5, 12)))

        assert two.strata == (5,) * batch + (12,) * longer
        assert two.sequences[:batch] == one.sequences
        assert two.control == one.control
        for sequence in two.sequences[batch:]:
            assert sequence[1:13] == sequence[13:]


def test_the_longer_blocks_are_the_same_on_every_machine_and_however_many_shorter_there_are(
    tokenizer,
):
    few, many = (draw(tokenizer, batch=batch, block=(4, 6)) for batch in (2, 6))

    assert few.sequences[2:] == many.sequences[6:8]
    assert few.sequences[2][:7] == (0, 33, 32, 31, 38, 27, 24)


def test_without_bos_both_lengths_have_the_same_first_token():
    drawn = draw(without_bos(), batch=6, block=(5, 12))

    assert len({sequence[0] for sequence in drawn.sequences}) == 1
    assert drawn.sequences[0][0] not in drawn.sequences[-1][1:]


def test_a_length_of_one_sequence_makes_one_cluster_of_all(tokenizer):
    assert draw(tokenizer, batch=1, block=(3, 5)).clusters == (0, 0)
    assert draw(tokenizer, batch=2, block=(3, 5)).clusters == (0, 1, 2, 3)


@pytest.mark.parametrize("block", [(5, 3), (5, 5), (3, 4, 5), (5,), ()])
def test_lengths_that_are_no_two_in_order_are_refused(block):
    with pytest.raises(PromptError, match=r"the shorter one comes first|or two of them"):
        RepeatedTokens(block=block)


def test_two_lengths_may_come_in_a_list_and_are_whole_numbers():
    assert RepeatedTokens(block=[3, 5]) == RepeatedTokens(block=(3, 5))
    with pytest.raises(
        PromptError, match=r"block is a whole number, or two of them \(20, 100\), not 5\.5"
    ):
        RepeatedTokens(block=(3, 5.5))
    with pytest.raises(PromptError, match="a block of at least 3"):
        RepeatedTokens(block=(2, 5))
