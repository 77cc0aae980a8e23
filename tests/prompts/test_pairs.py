from __future__ import annotations

import json

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from pytest_circuits.prompts import PromptError, PromptPairs
from pytest_circuits.testing import word_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return word_tokenizer()


def splitting_tokenizer(**special) -> PreTrainedTokenizerFast:
    """Three letters, spaces and line breaks are tokens; other characters are unknown."""
    known = ("<unk>", "a", "b", "c", " ", "\n")
    core = Tokenizer(models.WordLevel({text: i for i, text in enumerate(known)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    return PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>", **special)


def pairs(clean="a b", corrupted="a c", answer="d", wrong="e", **fields) -> PromptPairs:
    return PromptPairs([clean], [corrupted], [answer], [wrong], **fields)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answers": ["x"]}, "2 clean prompts, and 1 answers"),
        ({"corrupted": ["x"] * 3}, "2 clean prompts, and 3 corrupted"),
        ({"wrong_answers": []}, "2 clean prompts, and 0 wrong_answers"),
        ({"clusters": ["x"]}, "2 clean prompts, and 1 clusters"),
        ({"answers": "xy"}, "answers is a list of texts, one for each pair"),
        ({"clean": [b"a", b"b"]}, "clean is a list of texts, one for each pair"),
        ({"answers": [1, 2]}, "answers is a list of texts, one for each pair"),
        ({"clusters": [0, 1]}, "clusters is a list of texts, one for each pair"),
    ],
)
def test_columns_that_do_not_fit_are_refused_by_name(change, message):
    columns = {
        "clean": ["a", "b"],
        "corrupted": ["c", "d"],
        "answers": ["e", "f"],
        "wrong_answers": ["g", "h"],
    }

    with pytest.raises(PromptError) as error:
        PromptPairs(**{**columns, **change})

    assert str(error.value) == message


def test_there_must_be_a_pair():
    with pytest.raises(PromptError, match="no prompt pairs"):
        PromptPairs([], [], [], [])


def test_every_pair_is_its_own_cluster_unless_told():
    two = PromptPairs(["a", "b"], ["c", "d"], ["e", "f"], ["g", "h"])

    assert two.clusters == ("0", "1")
    assert len(two) == 2


def test_pairs_do_not_change_with_the_list_they_were_made_of():
    clean = ["a b"]
    made = PromptPairs(clean, ["a c"], ["d"], ["e"])

    clean.append("x")

    assert made.clean == ("a b",)


def test_the_hash_sees_every_text_and_not_the_name():
    assert pairs().hash == pairs(name="another").hash
    for change in ({"clean": "a x"}, {"corrupted": "a x"}, {"answer": "x"}, {"wrong": "x"}):
        assert pairs(**change).hash != pairs().hash
    assert pairs(clusters=["other"]).hash != pairs().hash


def test_a_text_moved_to_another_column_changes_the_hash():
    assert pairs(clean="x", corrupted="y").hash != pairs(clean="y", corrupted="x").hash


def test_pairs_are_read_from_json(tmp_path):
    file = tmp_path / "prompts.json"
    entry = {"clean": "a b", "corrupted": "a ç", "answer": "d", "wrong_answer": "e"}
    file.write_text(json.dumps([entry, {**entry, "clean": "f b"}]), encoding="utf-8")

    read = PromptPairs.from_json(file)

    assert read.clean == ("a b", "f b")
    assert read.corrupted == ("a ç", "a ç")
    assert read.answers == ("d", "d")
    assert read.wrong_answers == ("e", "e")
    assert read.clusters == ("0", "1")
    assert read.name == "prompts.json"


def test_clusters_are_read_from_json_where_they_are_given(tmp_path):
    file = tmp_path / "prompts.json"
    entry = {"clean": "a b", "corrupted": "a c", "answer": "d", "wrong_answer": "e"}
    entries = [{**entry, "cluster": "x"}, {**entry, "cluster": "x"}, entry]
    file.write_text(json.dumps(entries), encoding="utf-8")

    assert PromptPairs.from_json(str(file)).clusters == ("x", "x", "0")


def test_positions_and_templates_are_read_from_json(tmp_path):
    file = tmp_path / "prompts.json"
    entry = {"clean": "a b", "corrupted": "a c", "answer": "d", "wrong_answer": "e"}
    named = {"positions": {"first": "a", "second": "a b"}}
    swapped = {"positions": {"second": "a b", "first": "a"}}
    entries = [{**entry, **named, "template": "x"}, {**entry, **swapped, "template": 7}]
    file.write_text(json.dumps(entries), encoding="utf-8")

    read = PromptPairs.from_json(file)

    assert read.positions == {"first": ("a", "a"), "second": ("a b", "a b")}
    assert read.templates == ("x", "7")


FULL = '{"clean": "a", "corrupted": "b", "answer": "c", "wrong_answer": "d"}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "can't be read as JSON"),
        ("[]", "holds no list of prompt pairs"),
        (FULL, "holds no list of prompt pairs"),
        (
            f'[{FULL}, {{"clean": "a", "answer": "c"}}]',
            (
                "entry 1 lacks corrupted, wrong_answer; a pair has clean, corrupted, answer, "
                "wrong_answer and perhaps cluster"
            ),
        ),
        ('["a"]', "entry 0 lacks clean, corrupted, answer, wrong_answer"),
        (f'[{FULL[:-1]}, "answers": "x"}}]', "entry 0 has unknown answers"),
        ("[" + FULL.replace('"a"', "1") + "]", "entry 0 has clean 1, which is no text"),
        (f'[{FULL[:-1]}, "template": ["x"]}}]', "entry 0 has template ['x'], which is neither a"),
        (f'[{FULL[:-1]}, "cluster": true}}]', "entry 0 has cluster True, which is neither a text"),
        (f'[{FULL[:-1]}, "positions": ["a"]}}]', "entry 0 has positions ['a']; they are an object"),
        (f'[{FULL[:-1]}, "positions": {{"X": 1}}}}]', "entry 0 has position 'X' at 1, which is no"),
        (
            f'[{FULL[:-1]}, "positions": {{"X": "a"}}}}, {FULL}]',
            "entry 1 names the positions (none), entry 0 'X'; every pair names the same",
        ),
        (
            f'[{FULL}, {FULL[:-1]}, "positions": {{"X": "a", "Y": "a"}}}}]',
            "entry 1 names the positions 'X', 'Y', entry 0 (none); every pair names the same",
        ),
        (
            f'[{FULL[:-1]}, "positions": {{"X": "b"}}}}]',
            "pair 0: position 'X' is 'b', with which its clean prompt does not begin",
        ),
        (f'[{FULL[:-1]}, "positions": {{"END": "a"}}}}]', "END is the last position of every"),
    ],
)
def test_a_bad_json_file_is_refused_with_its_place(tmp_path, text, message):
    file = tmp_path / "prompts.json"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(PromptError) as error:
        PromptPairs.from_json(file)

    assert message in str(error.value)
    assert str(file) in str(error.value)


def test_a_json_file_that_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(PromptError, match=r"nowhere\.json: can't be read"):
        PromptPairs.from_json(tmp_path / "nowhere.json")


def test_tokens_are_those_of_the_tokenizer_after_its_first_token(tokenizer):
    tokenized = pairs().check(tokenizer)

    assert tokenized.clean == ((0, 1, 2),)
    assert tokenized.corrupted == ((0, 1, 3),)
    assert tokenized.answers == (4,)
    assert tokenized.wrong_answers == (5,)
    assert tokenized.first_token == "<bos>"


def test_a_tokenizer_without_bos_puts_nothing_first():
    tokenized = PromptPairs(["ab"], ["ac"], ["a"], ["b"]).check(splitting_tokenizer())

    assert tokenized.clean == ((1, 2),)
    assert tokenized.first_token is None


def test_the_token_hash_sees_every_column(tokenizer):
    tokenized = [
        made.check(tokenizer)
        for made in (
            pairs(),
            pairs(clean="a x"),
            pairs(corrupted="a x"),
            pairs(answer="x"),
            pairs(wrong="x"),
            pairs(name="another"),
        )
    ]

    clean = [one.clean_hash for one in tokenized]
    assert [clean.index(one) for one in clean] == [0, 1, 0, 3, 4, 0]
    corrupted = [one.corrupted_hash for one in tokenized]
    assert [corrupted.index(one) for one in corrupted] == [0, 0, 2, 0, 0, 0]


def test_prompts_of_two_lengths_are_refused_with_their_tokens(tokenizer):
    with pytest.raises(PromptError) as error:
        PromptPairs(["a b", "a b c"], ["a c", "a d"], ["x", "x"], ["y", "y"]).check(tokenizer)

    assert str(error.value) == (
        "pair 1: 3 tokens in the clean prompt, 2 in the corrupted one:\n"
        "  clean     a|b|c\n"
        "  corrupted a|d\n"
        "Patching puts a position of one into the same position of the other."
    )


def test_a_line_break_in_a_prompt_breaks_no_message():
    with pytest.raises(PromptError) as error:
        pairs(clean="a\nb", corrupted="a\n", answer="a", wrong="b").check(splitting_tokenizer())

    assert str(error.value).splitlines()[1:3] == [
        r"  clean     a|\n|b",
        r"  corrupted a|\n",
    ]


def test_a_line_break_in_an_answer_breaks_no_message():
    with pytest.raises(PromptError) as error:
        pairs(clean="a", corrupted="b", answer="\nb", wrong="a").check(splitting_tokenizer())

    assert str(error.value).splitlines()[:2] == [
        r"pair 0: answer '\nb' is 2 tokens, not one:",
        r"  \n|b",
    ]


def test_an_empty_prompt_is_refused(tokenizer):
    with pytest.raises(PromptError, match="pair 0: 0 tokens in the clean prompt, 0 in the"):
        pairs(clean="", corrupted=" ").check(tokenizer)


@pytest.mark.parametrize(
    ("column", "text", "message"),
    [
        ("answer", " b", "pair 0: answer ' b' is 2 tokens, not one:\n   |b\n"),
        ("wrong", "abc", "pair 0: wrong answer 'abc' is 3 tokens, not one:\n  a|b|c\n"),
        ("answer", "", "pair 0: answer '' is 0 tokens, not one:\n"),
    ],
)
def test_an_answer_of_many_tokens_is_refused_with_its_tokens(column, text, message):
    made = pairs(**{"clean": "a", "corrupted": "b", "answer": "a", "wrong": "b", column: text})

    with pytest.raises(PromptError) as error:
        made.check(splitting_tokenizer())

    assert message in str(error.value)
    assert "mind the leading space" in str(error.value)


def test_a_word_that_the_tokenizer_refuses_is_named(tokenizer):
    with pytest.raises(PromptError, match="'a zebra' has words that this model's tokenizer") as e:
        pairs(corrupted="a zebra").check(tokenizer)

    assert "Write the prompt with words of its vocabulary." in str(e.value)


def test_a_word_that_becomes_the_unknown_token_is_named():
    with pytest.raises(PromptError, match="'az' has words that this model's tokenizer") as error:
        PromptPairs(["ab"], ["az"], ["a"], ["b"]).check(splitting_tokenizer())

    assert "a|<unk>" in str(error.value)


NAMED = {
    "clean": ["a b c", "a b", "b c d e"],
    "corrupted": ["a x c", "x b", "b x d e"],
    "answers": ["d", "d", "d"],
    "wrong_answers": ["e", "e", "e"],
    "positions": {"letter": ["a b", "a", "b c"], "last": ["a b c", "a b", "b c d e"]},
}


def test_a_named_token_has_an_index_in_every_prompt(tokenizer):
    tokenized = PromptPairs(**NAMED).check(tokenizer)

    assert tokenized.at("letter") == tokenized.positions["letter"] == (2, 1, 2)
    for clean, corrupted, at in zip(
        tokenized.clean, tokenized.corrupted, tokenized.at("letter"), strict=True
    ):
        assert [i for i in range(len(clean)) if clean[i] != corrupted[i]] == [at]
    assert tokenized.lengths == (3, 4, 5)


def test_the_last_position_is_named_anyway(tokenizer):
    tokenized = PromptPairs(**NAMED).check(tokenizer)

    assert tokenized.at("END") == tokenized.at("last") == tokenized.at(-1) == (3, 2, 4)


def test_an_index_counts_from_either_end(tokenizer):
    tokenized = PromptPairs(**NAMED).check(tokenizer)

    assert tokenized.at(0) == (0, 0, 0)
    assert tokenized.at(2) == (2, 2, 2)
    assert tokenized.at(-3) == (1, 0, 2)


@pytest.mark.parametrize(
    ("position", "message"),
    [
        ("S2", "these prompts name no position 'S2'; they name letter, last, END"),
        (3, "there is no position 3 in a prompt of 3 tokens"),
        (-4, "there is no position -4 in a prompt of 3 tokens"),
    ],
)
def test_a_position_that_a_prompt_lacks_is_refused(tokenizer, position, message):
    with pytest.raises(PromptError) as error:
        PromptPairs(**NAMED).check(tokenizer).at(position)

    assert str(error.value) == message


def test_without_bos_positions_count_from_the_first_word():
    made = PromptPairs(["abc"], ["acc"], ["a"], ["b"], positions={"b": ["ab"]})

    assert made.check(splitting_tokenizer()).at("b") == (1,)


def test_a_position_within_a_token_is_refused_with_the_tokens(tokenizer):
    made = PromptPairs(["a beta"], ["a gamma"], ["d"], ["e"], positions={"X": ["a b"]})

    with pytest.raises(PromptError) as error:
        made.check(tokenizer)

    assert str(error.value) == (
        "pair 0: position 'X' ends within a token:\n"
        "  a|beta\n"
        "  a|b\n"
        "Give the prompt up to and including the token that has the name."
    )


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        ({"X": ["a b"]}, "3 clean prompts, and 1 positions['X']"),
        ({"X": "abc"}, "positions['X'] is a list of texts, one for each pair"),
        ({"X": ["a", "", "b"]}, "pair 1: position 'X' is '', with which its clean prompt"),
        ({"X": ["a", "b", "b"]}, "pair 1: position 'X' is 'b', with which its clean prompt"),
        ({"END": ["a", "a", "b"]}, "END is the last position of every prompt"),
    ],
)
def test_positions_that_do_not_fit_the_prompts_are_refused(positions, message):
    with pytest.raises(PromptError) as error:
        PromptPairs(**{**NAMED, "positions": positions})

    assert str(error.value).startswith(message)


def test_templates_are_labels_that_tokenized_pairs_keep(tokenizer):
    labels = ("x", "y", "x")

    assert PromptPairs(**NAMED, templates=labels).check(tokenizer).templates == labels
    assert PromptPairs(**NAMED).check(tokenizer).templates == ("", "", "")
    with pytest.raises(PromptError, match="3 clean prompts, and 1 templates"):
        PromptPairs(**NAMED, templates=["x"])


def test_positions_and_templates_are_part_of_equality_and_not_of_the_hash_of_texts():
    named = PromptPairs(**NAMED)
    plain = PromptPairs(**{**NAMED, "positions": {}})

    assert named != plain
    assert named.hash == plain.hash
