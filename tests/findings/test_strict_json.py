"""JSON is read whole or refused with the line at which it goes wrong."""

import json

import pytest

from pytest_circuits.findings.strict_json import DEEPEST, JsonError, parse_json

REFUSED = {
    "brackets": ("[" * 200_000, "line 1: is nested more than 64 levels deep"),
    "closed brackets": ("\n[" * 70 + "]" * 70, "line 66: is nested more than 64 levels deep"),
    "objects": ('{"a":\n' * 5000, "line 65: is nested more than 64 levels deep"),
    "a float": ('{"a":\n 1e999}', "line 2: holds 1e999, which is larger than any number can be"),
    "a negative float": ("[\n\n-1e400]", "line 3: holds -1e400, which is larger than any"),
    "an int": (
        "[1,\n" + "9" * 5000 + "]",
        f"line 2: holds {'9' * 40}…, which is larger than any number can be",
    ),
    "NaN": ("[\nNaN]", "line 2: holds NaN, which is no JSON"),
    "infinity": ("[-Infinity]", "line 1: holds -Infinity, which is no JSON"),
    "a field twice": ('{"a": 1,\n"b": {"a": 2,\n"a": 3}}', 'line 3: has the field "a" twice'),
    "a field twice, escaped": ('{"a": 1,\n"\\u0061": 3}', 'line 2: has the field "\\u0061" twice'),
    "half a character": ('{"a": 1,\n"b": "\\ud800"}', 'line 2: holds half a character ("\\ud800")'),
    "half a character in a name": ('{\n"\\udc00": 1}', "line 2: holds half a character"),
    "a conflict": ('{\n<<<<<<< HEAD\n"a": 1\n=======\n', "line 2: has a merge conflict"),
    "a conflict's end": ('{"a": 1\n>>>>>>> other\n}', "line 2: has a merge conflict"),
    "no end": ('{"a": 1,\n', "line 2: is not JSON (Expecting property name"),
    "nothing": ("", "line 1: is not JSON (Expecting value)"),
    "more": ("{}\n{}", "line 2: is not JSON (Extra data)"),
    "a mark": ("\ufeff{}", "line 1: begins with a byte order mark"),
    "a NUL": ("{\n\0}", "line 2: is not JSON (Expecting property name"),
    "a NUL in a text": ('{"a": "\n\0"}', "line 1: is not JSON (Invalid control character at)"),
}  # fmt: skip
BYTES = {
    "Latin-1": ('{\n"a": "é"}'.encode("latin-1"), "line 2: is not UTF-8 (byte 0xe9)"),
    "UTF-16": ("{}".encode("utf-16"), "line 1: is not UTF-8 (byte 0xff)"),
    "surrogates": (b'{\n\n"a": "\xed\xa0\x80"}', "line 3: is not UTF-8 (byte 0xed)"),
}


@pytest.mark.parametrize(("text", "said"), REFUSED.values(), ids=list(REFUSED))
def test_what_is_wrong_is_told_with_its_line(text, said):
    for data in (text, text.encode()):
        with pytest.raises(JsonError) as error:
            parse_json(data)
        assert str(error.value).startswith(said)
        assert error.value.is_conflict == ("conflict" in said)


@pytest.mark.parametrize(("data", "said"), BYTES.values(), ids=list(BYTES))
def test_another_encoding_is_told(data, said):
    with pytest.raises(JsonError) as error:
        parse_json(data)
    assert str(error.value) == said


@pytest.mark.parametrize(
    "document",
    [
        {"a": [1, -2.5, None, True, "é\u2028\U0001f600"], "b": {"a": {}}},
        "[" * 100,
        {"a": "NaN", "NaN": "1e999", "c": ["a", "a"], "d": [{"a": 1}, {"a": 1}]},
        [10**300, 1e308, 5e-324],
    ],
)
@pytest.mark.parametrize("escaped", [True, False])
def test_what_json_has_is_read_as_python_reads_it(document, escaped):
    text = json.dumps(document, ensure_ascii=escaped)
    assert parse_json(text) == parse_json(text.encode()) == document


def test_as_deep_as_may_be_is_read():
    text = "[" * DEEPEST + "]" * DEEPEST
    assert parse_json(text) == json.loads(text)


def test_what_other_programs_write_is_read_on_request():
    assert parse_json('{"a": 1, "a": Infinity}', strict=False) == {"a": float("inf")}
    with pytest.raises(JsonError, match="line 1: is nested"):
        parse_json("[" * 200_000, strict=False)
