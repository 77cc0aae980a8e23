"""Prompts that are put to a chat model: what is said, and what the template makes of it."""

from __future__ import annotations

import json

import pytest
from prompts.small_tokenizers import CHATML, byte_level

from pytest_circuits.prompts import Chat, PromptError, PromptPairs

FRANCE, ITALY = "What is the capital of France?", "What is the capital of Italy?"
ENDS = {"answers": [" Paris"], "wrong_answers": [" Rome"]}
SAID = [
    {"role": "system", "content": "It is a city"},
    {"role": "user", "content": FRANCE},
    {"role": "assistant", "content": "It is"},
]


def said_of(country):
    return [*SAID[:1], {"role": "user", "content": f"What is the capital of {country}?"}, SAID[2]]


@pytest.fixture
def tokenizer():
    made = byte_level()
    made.chat_template = CHATML
    return made


def text_of(tokenizer, ids):
    return tokenizer.decode(list(ids))


def test_a_text_is_what_the_user_says(tokenizer):
    pairs = PromptPairs.from_chat([FRANCE], [ITALY], **ENDS, opening="It is")

    tokenized = pairs.check(tokenizer)

    start, end = "<|start|>user\n", "<|end|>\n<|start|>assistant\nIt is"
    assert text_of(tokenizer, tokenized.clean[0]) == f"{start}{FRANCE}{end}"
    assert text_of(tokenizer, tokenized.corrupted[0]) == f"{start}{ITALY}{end}"
    assert tokenizer.convert_ids_to_tokens(tokenized.answers[0]) == "ĠParis"
    assert (pairs.clean, pairs.corrupted) == ((FRANCE,), (ITALY,))


def test_messages_say_the_same_as_system_and_opening(tokenizer):
    by_messages = PromptPairs.from_chat([said_of("France")], [said_of("Italy")], **ENDS)
    by_words = PromptPairs.from_chat(
        [FRANCE], [ITALY], **ENDS, system="It is a city", opening="It is"
    )

    assert by_messages.check(tokenizer).clean == by_words.check(tokenizer).clean
    assert by_messages.clean == by_words.clean == (FRANCE,)
    assert by_messages.hash == by_words.hash


def test_chat_is_a_choice_for_texts_and_messages_alike(tokenizer):
    of_text = PromptPairs([FRANCE], [ITALY], **ENDS, chat=Chat(opening="It is"))
    plain = PromptPairs([FRANCE], [ITALY], **ENDS)

    assert of_text == PromptPairs.from_chat(
        [FRANCE], [ITALY], **ENDS, opening="It is", name="pairs"
    )
    assert of_text.hash != plain.hash
    assert plain.chat is None
    assert plain.check(tokenizer).chat is None
    start = {"answers": ["I"], "wrong_answers": ["t"]}
    bare = PromptPairs([FRANCE], [ITALY], **start, chat=True)
    assert bare.chat == Chat()
    assert text_of(tokenizer, bare.check(tokenizer).clean[0]).endswith("<|start|>assistant\n")


def test_a_named_token_is_found_in_what_the_user_says_last(tokenizer):
    earlier = [{"role": "user", "content": FRANCE}, {"role": "assistant", "content": FRANCE}]
    clean, corrupted = ([*earlier, *said_of(country)[1:]] for country in ("France", "Italy"))
    pairs = PromptPairs.from_chat(
        [clean], [corrupted], **ENDS, positions={"country": ["What is the capital of France"]}
    )

    tokenized = pairs.check(tokenizer)

    (place,) = tokenized.at("country")
    ids = tokenized.clean[0]
    assert ids[:place].count(ids[place]) == 2
    assert tokenizer.convert_ids_to_tokens(ids[place]) == "ĠFrance"
    assert [
        n for n, (a, b) in enumerate(zip(ids, tokenized.corrupted[0], strict=True)) if a != b
    ] == [place]


@pytest.mark.parametrize(
    ("word", "after"),
    [("assistant", []), ("system", [{"role": "tool", "content": "What is system"}])],
    ids=["as the template says", "as another message says"],
)
def test_a_named_token_is_the_users_whatever_else_is_rendered(tokenizer, word, after):
    clean, corrupted = (
        [{"role": "user", "content": f"What is {said}"}, *after] for said in (word, "your")
    )
    pairs = PromptPairs.from_chat(
        [clean], [corrupted], ["I"], ["t"], positions={"word": [f"What is {word}"]}
    )

    tokenized = pairs.check(tokenizer)

    (place,) = tokenized.at("word")
    begun = f"<|start|>user\nWhat is {word}"
    assert text_of(tokenizer, tokenized.clean[0][: place + 1]) == begun


def test_no_token_has_a_name_where_the_template_changes_what_is_said(tokenizer):
    tokenizer.chat_template = CHATML.replace("| trim", "| replace('What', 'The')")
    pairs = PromptPairs.from_chat(
        [FRANCE], [ITALY], **ENDS, opening="It is", positions={"what": ["What"]}
    )

    with pytest.raises(PromptError, match="the chat template changes what the user says"):
        pairs.check(tokenizer)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ([], "a chat is a text or a list of messages, not []"),
        (7, "a chat is a text or a list of messages, not 7"),
        (["hello"], 'a message is {"role": text, "content": text}, not \'hello\''),
        ([{"role": "user"}], 'a message is {"role": text, "content": text}, not'),
        ([{"role": "user", "content": ["x"]}], 'a message is {"role": text, "content": text}, not'),
        ([{"role": "system", "content": "x"}], "a chat has a message of the user"),
    ],
)
def test_what_is_no_chat_is_refused_by_its_pair(prompt, message):
    with pytest.raises(PromptError) as error:
        PromptPairs.from_chat([FRANCE, prompt], [ITALY] * 2, [" a"] * 2, [" b"] * 2)

    assert str(error.value).startswith(f"pair 1: clean: {message}")


@pytest.mark.parametrize(
    ("chat", "message"),
    [
        ({"system": 7}, "system and opening are texts"),
        ({"opening": None}, "system and opening are texts"),
        ({"tokenize": True}, "tokenize is no variable of a chat template"),
        ({"chat_template": "x"}, "chat_template is no variable of a chat template"),
        ({"tools": {1}}, "variables of a chat template are JSON values"),
        ({"temperature": float("nan")}, "variables of a chat template are JSON values"),
    ],
)
def test_what_no_chat_can_have_is_refused(chat, message):
    with pytest.raises(PromptError, match=message):
        PromptPairs.from_chat([FRANCE], [ITALY], **ENDS, **chat)


@pytest.mark.parametrize("chat", ["yes", 1, {"system": "x"}, None])
def test_chat_is_a_flag_or_a_chat(chat):
    with pytest.raises(PromptError, match="chat is True, False or a Chat, not"):
        PromptPairs([FRANCE], [ITALY], **ENDS, chat=chat)


def test_a_system_prompt_and_an_opening_are_given_once():
    with pytest.raises(PromptError, match="its messages have a system prompt; leave system= out"):
        PromptPairs.from_chat([said_of("France")], [said_of("Italy")], **ENDS, system="x")
    with pytest.raises(PromptError, match="end with the assistant's; leave opening= out"):
        PromptPairs.from_chat([said_of("France")], [said_of("Italy")], **ENDS, opening="x")


def test_what_the_template_refuses_is_told_in_its_words(tokenizer):
    tokenizer.chat_template = "{{ raise_exception('System role not supported') }}"

    with pytest.raises(PromptError) as error:
        PromptPairs.from_chat([FRANCE], [ITALY], **ENDS, system="x").check(tokenizer)

    assert str(error.value) == (
        "pair 0: the chat template refuses these messages: System role not supported"
    )


def test_a_variable_that_the_template_does_not_read_is_refused(tokenizer):
    pairs = PromptPairs.from_chat([FRANCE], [ITALY], **ENDS, opening="It is", thinkin=False)

    with pytest.raises(PromptError, match=r"chat template of .* has no variable thinkin$"):
        pairs.check(tokenizer)


def test_options_are_those_that_were_given():
    options = {"thinking": False}
    chat = Chat(options=options)

    options["thinking"] = True

    assert chat.options == {"thinking": False}


DATED = "{{ date_string if date_string is defined else strftime_now('%d %b %Y') }}" + CHATML


def test_a_template_that_writes_the_date_needs_a_fixed_one(tokenizer):
    tokenizer.chat_template = DATED
    pairs = [
        PromptPairs.from_chat([FRANCE], [ITALY], **ENDS, opening="It is", **date)
        for date in ({}, {"date_string": "26 Jul 2024"})
    ]

    with pytest.raises(PromptError, match=r"writes the date of the day, .*date_string"):
        pairs[0].check(tokenizer)
    assert text_of(tokenizer, pairs[1].check(tokenizer).clean[0]).startswith("26 Jul 2024<|start|>")


def test_equal_chats_are_refused_and_count_as_one_cluster():
    with pytest.raises(PromptError, match="its clean and its corrupted prompt are the same"):
        PromptPairs.from_chat([FRANCE], [FRANCE], **ENDS)
    # The same question after another system prompt is another prompt.
    chats = [said_of("France"), [{"role": "system", "content": "x"}, *said_of("France")[1:]]]
    pairs = PromptPairs.from_chat(
        [*chats, chats[0]], [said_of("Italy")] * 3, [" Paris"] * 3, [" Rome"] * 3
    )
    assert pairs.clusters == ("0", "1", "0")


def test_chats_are_read_from_files_and_rows(tmp_path, tokenizer):
    entry = {
        "clean": said_of("France"),
        "corrupted": said_of("Italy"),
        "answer": " Paris",
        "wrong_answer": " Rome",
        "positions": {"country": "What is the capital of France"},
    }
    file = tmp_path / "chats.json"
    file.write_text(json.dumps([entry]), encoding="utf-8")
    table = tmp_path / "chats.csv"
    table.write_text(
        f"clean,corrupted,answer,wrong_answer\n{FRANCE},{ITALY}, Paris, Rome\n", encoding="utf-8"
    )
    wanted = PromptPairs.from_chat([said_of("France")], [said_of("Italy")], **ENDS)
    chat = Chat(system="It is a city", opening="It is")

    for read in (
        PromptPairs.from_json(file, chat=True),
        PromptPairs.from_dataset([entry], chat=True),
        PromptPairs.from_csv(table, chat=chat),
        PromptPairs.from_dataset([{**entry, "clean": FRANCE, "corrupted": ITALY}], chat=chat),
    ):
        assert read.check(tokenizer).clean == wanted.check(tokenizer).clean
    with pytest.raises(PromptError, match=r"entry 0 has clean .*which is no text"):
        PromptPairs.from_json(file)
    file.write_text(json.dumps([{**entry, "clean": [1]}]), encoding="utf-8")
    with pytest.raises(PromptError, match=r"chats\.json: pair 0: clean: a message is"):
        PromptPairs.from_json(file, chat=True)
