"""Pairs and sequences that are drawn anew: others than any that a builder's call gives."""

import csv
import json

import pytest

from pytest_circuits.prompts import (
    PromptError,
    PromptPairs,
    PromptWarning,
    RepeatedTokens,
    country_capital,
    greater_than,
    ioi,
    repeated_phrases,
    subject_verb_agreement,
)
from pytest_circuits.session.cache_keys import described
from pytest_circuits.testing import word_tokenizer

BUILDERS = {
    "ioi": ioi,
    "ioi, one order": lambda **options: ioi(order="BABA", **options),
    "ioi, third name": lambda **options: ioi(corruption="third name", **options),
    "years": greater_than,
    "years, one digit": lambda **options: greater_than(digits=1, **options),
    "agreement": subject_verb_agreement,
    "capitals": country_capital,
    "phrases": repeated_phrases,
}
built = pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)


@built
def test_they_share_no_prompt_with_any_draw_of_the_builder(build):
    anew = {text for seed in "ab" for text in build(n=16).anew(seed).clean}
    drawn = {text for seed in range(4) for text in build(n=64, seed=seed).clean}
    assert len(drawn) >= 64
    assert anew.isdisjoint(drawn)


@built
def test_a_seed_draws_the_same_and_another_one_others(build):
    pairs = build(n=16)
    assert pairs.anew("a").hash == pairs.anew("a").hash != pairs.anew("b").hash
    assert set(pairs.anew("a").clean) != set(pairs.anew("b").clean)


@built
def test_there_are_64_unless_fewer_are_asked_for(build):
    assert len(build(n=16).anew("a")) == 64
    assert len(build(n=16).anew("a", n=10)) == 10


@built
def test_what_is_remembered_can_tell_them_apart(build):
    one, same, other = (build(n=16).anew(seed) for seed in "aab")
    assert json.dumps(described(one)) == json.dumps(described(same)) != json.dumps(described(other))


def test_they_have_what_the_set_did_not_have():
    one_order = ioi(n=8, order="BABA").anew("a")
    assert len({*one_order.templates}) == 12
    first_gives = {
        text.index(wrong[1:]) < text.index(right[1:])
        for text, right, wrong in zip(
            one_order.clean, one_order.answers, one_order.wrong_answers, strict=True
        )
    }
    assert first_gives == {True, False}
    lengths = {len(text.split()) for text in repeated_phrases(n=4, length=5).anew("a").clean}
    assert lengths == {9, 19}


def test_a_third_name_stays_one():
    pairs = ioi(corruption="third name").anew("a")
    for clean, corrupted in zip(pairs.clean, pairs.corrupted, strict=True):
        assert len(set(corrupted.split()) - set(clean.split())) == 1


def test_words_that_a_tokenizer_splits_are_dropped_as_ever():
    words = repeated_phrases(n=4, length=4)
    tokenizer = word_tokenizer(["a", *sorted({w for text in words.clean for w in text.split()})])
    with pytest.warns(PromptWarning, match="dropped 51 words"):
        tokenized = words.anew("a").check(tokenizer)
    assert len(tokenized.dropped) == 51


def test_what_there_is_too_little_of_is_drawn_as_far_as_there_is():
    few = repeated_phrases(n=10, length=3, words=["b", "c", "d", "e"])
    anew = few.anew("x")
    assert len(anew) == 24 - 10
    assert set(anew.clean).isdisjoint(few.clean)


# sequences


def test_repeated_tokens_have_another_seed():
    tokens = RepeatedTokens(block=7)
    assert tokens.anew("a") == tokens.anew("a") != tokens.anew("b")
    assert (tokens.anew("a").block, tokens.anew("a").batch) == (7, 8)
    assert tokens.anew("a", n=3).batch == 3


@pytest.mark.parametrize(("context", "block"), [(100, 12), (17, 8), (9, 4)])
def test_a_block_that_does_not_fit_is_shortened_if_it_may_be(context, block):
    tokenizer = word_tokenizer()
    tokens = RepeatedTokens(batch=2, block=12, shortest=4)
    assert tokens.draw(tokenizer, context=context, vocabulary=60).blocks == (block,)
    if block < 12:
        with pytest.raises(PromptError, match="needs 25 positions"):
            RepeatedTokens(batch=2, block=12).draw(tokenizer, context=context, vocabulary=60)


@pytest.mark.parametrize(("room", "said"), [(8, "room for 8"), (11, "room for 11")])
def test_what_context_or_memory_has_no_room_for_is_refused(room, said):
    tokens = RepeatedTokens(batch=2, block=12, shortest=12)
    for limits in ({"context": 1 + 2 * room}, {"context": 100, "affordable": room}):
        with pytest.raises(PromptError, match=f"a block of 12 tokens, twice, is too long.*{said}"):
            tokens.draw(word_tokenizer(), vocabulary=60, **limits)
    assert tokens.draw(word_tokenizer(), 100, 60, affordable=12).blocks == (12,)


def test_it_is_shortened_to_the_words_there_are():
    tokenizer = word_tokenizer(["a", "b", "c", "d", "e"])
    drawn = RepeatedTokens(batch=2, block=12, shortest=4).draw(tokenizer, 100, 6)
    assert drawn.blocks == (5,)


# held out by the user


def pairs(*numbers, **options):
    return PromptPairs(
        [f"clean {number}" for number in numbers],
        [f"corrupted {number}" for number in numbers],
        [f"right{number}" for number in numbers],
        [f"wrong{number}" for number in numbers],
        **options,
    )


def test_without_held_out_pairs_there_is_nothing_to_draw():
    with pytest.raises(PromptError, match="mine has no held-out prompts: give further pairs"):
        pairs(1, name="mine").anew("a")


def test_held_out_pairs_are_drawn_by_the_seed():
    held_out = pairs(*range(100, 200), positions={"it": ["clean"] * 100}, name="others")
    one, other = (pairs(1, held_out=held_out).anew(seed, n=20) for seed in "ab")
    assert len(one) == len(set(one.clean)) == 20
    assert one.clean != other.clean
    assert one.name == "20 of others"
    assert one.positions == {"it": ("clean",) * 20}
    for clean, corrupted, right, wrong in zip(
        one.clean, one.corrupted, one.answers, one.wrong_answers, strict=True
    ):
        number = clean.split()[1]
        assert (corrupted, right, wrong) == (
            f"corrupted {number}", f"right{number}", f"wrong{number}",
        )  # fmt: skip
    assert described(one) != described(other)


def test_few_are_taken_as_they_are():
    held_out = pairs(2, 3)
    assert pairs(1, held_out=held_out).anew("a") is held_out


def test_they_are_no_part_of_what_the_pairs_are():
    held_out, without = pairs(1, held_out=pairs(2)), pairs(1)
    assert held_out == without
    assert held_out.hash == without.hash
    tokenizer = word_tokenizer(["a", *"cdefgh"])
    texts = {
        PromptPairs(["c d"], ["c e"], ["f"], ["g"], held_out=other).check(tokenizer).clean_texts
        for other in (None, PromptPairs(["d c"], ["e c"], ["f"], ["g"]))
    }
    assert len(texts) == 1


@pytest.mark.parametrize(
    ("held_out", "side"),
    [
        (PromptPairs(["a c"], ["a b"], ["y"], ["x"]), "corrupted"),  # the same, exchanged
        (PromptPairs([" a b"], ["q r"], ["x"], ["y"]), "clean"),  # the same, with a space
    ],
)
def test_the_same_text_in_another_place_is_refused(held_out, side):
    with pytest.raises(PromptError, match=f"held_out: pair 0 has the {side} prompt of pair 0:"):
        PromptPairs(["a b"], ["a c"], ["x"], ["y"], held_out=held_out)


def test_a_shared_prompt_is_refused():
    with pytest.raises(
        PromptError, match=r"held_out: pair 1 has the clean prompt of pair 0:\n.*1'"
    ):
        pairs(1, 2, held_out=pairs(3, 1))


def test_something_else_is_refused():
    with pytest.raises(PromptError, match=r"held_out is pairs of prompts .*, not list"):
        pairs(1, held_out=["clean 2"])


def chat(*numbers, **options):
    return PromptPairs.from_chat(
        [f"clean {number}" for number in numbers],
        [f"corrupted {number}" for number in numbers],
        [f"right{number}" for number in numbers],
        [f"wrong{number}" for number in numbers],
        **{"system": "Answer.", "opening": "It is", **options},
    )


def test_a_chat_s_are_a_chat():
    anew = chat(1, held_out=chat(*range(2, 90))).anew("a", n=5)
    assert len(anew) == 5
    assert anew.chat is not None
    assert [len(each) for each in anew.messages["clean"]] == [3] * 5
    assert [dict(each)["user"] for each in anew.messages["clean"]] == list(anew.clean)


def test_a_chat_s_are_no_plain_texts():
    with pytest.raises(PromptError, match="the pairs are put to a chat model and held_out are pla"):
        chat(1, held_out=pairs(2))
    with pytest.raises(PromptError, match="held_out are put to a chat model and the pairs are pla"):
        pairs(1, held_out=chat(2))


def test_the_same_question_under_another_system_prompt_is_another():
    assert chat(1, held_out=chat(1, system="Say.")).held_out is not None


ENTRIES = [
    {"clean": f"c {n}", "corrupted": f"d {n}", "answer": f"e{n}", "wrong_answer": f"f{n}"}
    for n in range(4)
]


@pytest.mark.parametrize("as_path", [str, lambda path: path, PromptPairs.from_json])
def test_files_hold_them_out(tmp_path, as_path):
    for name, entries in (("own.json", ENTRIES[:1]), ("others.json", ENTRIES[1:])):
        (tmp_path / name).write_text(json.dumps(entries))
    made = PromptPairs.from_json(tmp_path / "own.json", held_out=as_path(tmp_path / "others.json"))
    assert made.anew("a").answers == ("e1", "e2", "e3")


def test_tables_hold_them_out(tmp_path):
    for name, entries in (("own.csv", ENTRIES[:1]), ("others.csv", ENTRIES[1:])):
        with (tmp_path / name).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(ENTRIES[0]))
            writer.writeheader()
            writer.writerows(entries)
    made = PromptPairs.from_csv(tmp_path / "own.csv", held_out=tmp_path / "others.csv")
    assert made.anew("a").answers == ("e1", "e2", "e3")


def test_datasets_hold_them_out():
    made = PromptPairs.from_dataset(ENTRIES[:1], held_out=ENTRIES[1:])
    assert made.anew("a").answers == ("e1", "e2", "e3")
    made = PromptPairs.from_dataset(ENTRIES[:1], held_out=pairs(5))
    assert made.anew("a").answers == ("right5",)


def test_a_file_with_a_shared_prompt_is_named(tmp_path):
    (tmp_path / "own.json").write_text(json.dumps(ENTRIES))
    with pytest.raises(PromptError, match=r"own.json: held_out: pair 0 has the "):
        PromptPairs.from_json(tmp_path / "own.json", held_out=PromptPairs.from_dataset(ENTRIES[2:]))
