"""Texts: what is held out, and how packages' own formats are read."""

import pytest

from evidence import storage, texts


@pytest.fixture
def source(monkeypatch, tmp_path):
    """A text of twelve documents, and how often it was put together."""
    monkeypatch.setenv(storage.VARIABLE, str(tmp_path))
    made = []

    def make():
        made.append(1)
        return [f"document {number}" for number in range(12)]

    monkeypatch.setitem(texts._SOURCES, "made", make)
    texts.documents.cache_clear()
    yield made
    texts.documents.cache_clear()


def test_one_document_in_five_is_held_out(source):
    train, held = texts.documents("made"), texts.documents("made", "held out")
    assert held == ("document 0", "document 5", "document 10")
    assert set(train) == {f"document {number}" for number in range(12)} - set(held)
    texts.documents.cache_clear()
    assert texts.documents("made") == train
    assert len(source) == 1  # the second time it came out of the cache


def test_a_text_that_there_is_not_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"no text 'klingon'; there are english, modern, french"):
        texts.documents("klingon")


def test_tagged_words_become_prose():
    words = "The jury said Friday : `` no evidence '' of it , ( and none ) . . Why ? ?"
    assert texts._prose(words) == 'The jury said Friday: "no evidence" of it, (and none). Why?'


def test_dialogues_of_two_lines_or_more():
    source = (
        "categories:\n- trivia\nconversations:\n"
        '- - Who was "first"?\n  - "It\'s him"\n'
        "- - What year\n    was it?\n  - '1963'\n  - 'It''s long ago'\n"
    )
    assert texts._dialogues(source) == [
        ['Who was "first"?', "It's him"],
        ["What year was it?", "1963", "It's long ago"],
    ]


def test_junk_is_the_same_whenever_it_is_made():
    junk = texts._junk()
    assert junk == texts._junk()
    assert len(set(junk)) == len(junk)
