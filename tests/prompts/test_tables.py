"""Pairs from CSV files and from datasets: the same as from JSON, or refused with the place."""

from __future__ import annotations

import csv
import doctest
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_circuits.prompts import PromptError, PromptPairs, pairs as pairs_module
from pytest_circuits.session.cache_keys import described

if TYPE_CHECKING:
    from pathlib import Path

ENTRIES = [
    {
        "clean": 'Then, Ann said "hi" to Bob. Bob saw',
        "corrupted": 'Then, Ann said "hi" to Bob. Ann saw',
        "answer": " Ann",
        "wrong_answer": " Bob",
        "cluster": "Ann-Bob",
        "template": "said",
        "positions": {"IO": "Then, Ann", "S2": 'Then, Ann said "hi" to Bob. Bob'},
    },
    {
        "clean": "Zoë\nmet Ann. Ann gave Zoë a",
        "corrupted": "Zoë\nmet Ann. Bob gave Zoë a",
        "answer": " ring ",
        "wrong_answer": "\tcup",
        "positions": {"IO": "Zoë", "S2": "Zoë\nmet Ann. Ann"},
    },
]
HEADER = "clean,corrupted,answer,wrong_answer"


def flat(entry: dict) -> dict:
    positions = {f"position:{name}": text for name, text in entry["positions"].items()}
    return {k: v for k, v in entry.items() if k != "positions"} | positions


@pytest.fixture
def from_json(tmp_path):
    file = tmp_path / "pairs.json"
    file.write_text(json.dumps(ENTRIES), encoding="utf-8")
    return PromptPairs.from_json(file)


@pytest.fixture(scope="module")
def datasets():
    import datasets

    return datasets


def content(pairs: PromptPairs) -> dict:
    return {name: value for name, value in vars(pairs).items() if name != "name"}


def write(path: Path, rows, encoding="utf-8", **dialect) -> Path:
    with path.open("w", encoding=encoding, newline="") as file:
        columns = [*HEADER.split(","), "cluster", "template", "position:S2", "position:IO"]
        writer = csv.DictWriter(file, columns, restval="", **dialect)
        writer.writeheader()
        writer.writerows(rows)
    return path


def refused(tmp_path, text: str | bytes) -> str:
    file = tmp_path / "pairs.csv"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(PromptError) as error:
        PromptPairs.from_csv(file)
    where, colon, message = str(error.value).partition(": ")
    assert where == str(file)
    assert colon
    return message


@pytest.mark.parametrize(
    ("encoding", "dialect"),
    [
        ("utf-8", {}),
        ("utf-8", {"lineterminator": "\r", "quoting": csv.QUOTE_ALL}),
        ("utf-8-sig", {"lineterminator": "\n", "quoting": csv.QUOTE_ALL}),
    ],
)
def test_csv_gives_the_pairs_that_json_does(tmp_path, from_json, encoding, dialect):
    file = write(tmp_path / "pairs.csv", map(flat, ENTRIES), encoding, **dialect)

    read = PromptPairs.from_csv(str(file))

    assert content(read) == content(from_json)
    assert read.hash == from_json.hash
    assert read.clusters == ("Ann-Bob", "1")
    assert read.name == "pairs.csv"


def test_spaces_around_texts_are_kept(tmp_path):
    file = tmp_path / "pairs.csv"
    file.write_text(f'{HEADER}\n a b, a c,  Mary ," John"\n', encoding="utf-8")

    read = PromptPairs.from_csv(file)

    assert (read.clean, read.corrupted) == ((" a b",), (" a c",))
    assert (read.answers, read.wrong_answers) == (("  Mary ",), (" John",))


def test_empty_lines_are_no_rows(tmp_path):
    file = tmp_path / "pairs.csv"
    file.write_text(f"\n{HEADER}\n\na b,a c,d,e\n\n", encoding="utf-8")

    assert len(PromptPairs.from_csv(file)) == 1


COLUMNS = f"{HEADER.replace(',', ', ')} and perhaps cluster, template, position:NAME"
QUOTES = "a text with a comma or a line break stands in double quotes"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"is empty; its first line names the columns {COLUMNS}"),
        ("\n\n", f"is empty; its first line names the columns {COLUMNS}"),
        (f"{HEADER}\n", "holds no prompt pairs, not a row"),
        (
            "clean,corrupted\na,b\n",
            f"line 1 lacks 'answer', 'wrong_answer'; the columns are {COLUMNS}",
        ),
        (
            f"{HEADER},position:,answers\n",
            f"line 1 has unknown 'position:', 'answers'; the columns are {COLUMNS}",
        ),
        (
            "clean, corrupted, answer, wrong_answer\na, b, c, d\n",
            "line 1 has unknown ' corrupted', ' answer', ' wrong_answer'; the columns are "
            + COLUMNS,
        ),
        (f"{HEADER},clean\na,b,c,d,e\n", f"line 1 has twice 'clean'; the columns are {COLUMNS}"),
        (f"{HEADER}\na,b,c,d\na,b, c, d,e\n", f"line 3 has 5 fields for 4 columns; {QUOTES}"),
        (f'{HEADER}\n"a\nb",b,c,d\n\na,b\n', f"line 5 has 2 fields for 4 columns; {QUOTES}"),
        (f"{HEADER}\na,b,,d\n", "line 2 has answer '', which is no text"),
        (
            f"{HEADER},position:X\na b,a c,d,e,a\na b,a c,d,e,\n",
            (
                "line 3: position 'X' is '', with which its clean prompt does not begin:\n  a b\n"
                "Give the prompt up to and including the token that has the name."
            ),
        ),
        (
            f'{HEADER},position:X\n"a\nb",a c,d,e,a\na b,a c,d,e,b\n',
            (
                "line 4: position 'X' is 'b', with which its clean prompt does not begin:\n  a b\n"
                "Give the prompt up to and including the token that has the name."
            ),
        ),
        (
            f"{HEADER},position:END\na,b,c,d,a\n",
            "END is the last position of every prompt; choose another name",
        ),
        (f'{HEADER}\na,b,c,"d\n', "line 2 can't be read as CSV (unexpected end of data)"),
        (f'{HEADER}\na,b,c,"d"e\n', "line 2 can't be read as CSV (',' expected after '\"')"),
        (
            f"{HEADER}\na,b,c,d\nZo\xeb,b,c,d\n".encode("latin-1"),
            "line 3 is not UTF-8; save the file as UTF-8",
        ),
        (
            f"{HEADER}\na,b,c,d\n".encode("utf-16"),
            "line 1 is not UTF-8; save the file as UTF-8",
        ),
    ],
)
def test_a_bad_csv_file_is_refused_with_its_line_and_column(tmp_path, text, message):
    assert refused(tmp_path, text) == message


def test_a_csv_file_that_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(PromptError, match=r"nowhere\.csv: can't be read"):
        PromptPairs.from_csv(tmp_path / "nowhere.csv")


def test_what_a_run_remembers_can_tell_pairs_of_tables_by_their_content(tmp_path):
    file = write(tmp_path / "pairs.csv", map(flat, ENTRIES))
    other = write(tmp_path / "more.csv", map(flat, ENTRIES[:1]))

    assert described(PromptPairs.from_csv(file)) == described(PromptPairs.from_csv(file))
    assert described(PromptPairs.from_csv(file)) != described(PromptPairs.from_csv(other))
    json.dumps(described(PromptPairs.from_dataset([flat(entry) for entry in ENTRIES])))


@pytest.mark.parametrize("layout", ["positions in one column", "a column for each position"])
def test_a_dataset_gives_the_pairs_that_json_does(datasets, from_json, layout):
    rows = ENTRIES if layout == "positions in one column" else [flat(entry) for entry in ENTRIES]
    dataset = datasets.Dataset.from_list([{"id": 7, **row} for row in rows])

    read = PromptPairs.from_dataset(dataset)

    assert content(read) == content(from_json)
    assert read.hash == from_json.hash
    assert read.name == "dataset"


def test_a_dataset_may_call_its_columns_as_it_likes(datasets, from_json):
    ours = {"answer": "target", "wrong_answer": "answer", "position:S2": "upto", "cluster": "pair"}
    rows = [{ours.get(k, k): v for k, v in flat(entry).items()} for entry in ENTRIES]

    read = PromptPairs.from_dataset(datasets.Dataset.from_list(rows), columns=ours)

    assert content(read) == content(from_json)


def test_a_column_with_another_meaning_is_not_taken_for_what_it_is_called():
    rows = [{"template": text, "cluster": "d", **ROW} for text in ("a b", "f b")]

    read = PromptPairs.from_dataset(rows, columns={"clean": "template", "answer": "cluster"})

    assert read.clean == ("a b", "f b")
    assert read.templates == ("", "")
    assert read.clusters == ("0", "1")


def test_empty_cells_of_what_a_pair_may_have_say_nothing():
    row = {**ROW, "positions": None, "cluster": None, "template": None}

    read = PromptPairs.from_dataset([row, row])

    assert content(read) == content(PromptPairs.from_dataset([ROW, ROW]))


def test_a_dataset_with_a_format_gives_plain_texts(datasets, from_json):
    dataset = datasets.Dataset.from_list([flat(entry) for entry in ENTRIES]).with_format("numpy")

    read = PromptPairs.from_dataset(dataset)

    assert content(read) == content(from_json)
    json.dumps(described(read))


def test_pairs_are_called_by_dataset_and_split(datasets):
    info = datasets.DatasetInfo(dataset_name="names", builder_name="json")
    dataset = datasets.Dataset.from_list(
        [flat(ENTRIES[0])], info=info, split=datasets.Split.VALIDATION
    )

    assert PromptPairs.from_dataset(dataset).name == "names validation"


def test_the_first_rows_of_a_stream_are_taken(datasets):
    rows = [{**flat(ENTRIES[0]), "answer": f" {n}"} for n in range(5)]
    stream = datasets.Dataset.from_list(rows).to_iterable_dataset()

    assert PromptPairs.from_dataset(stream, n=3).answers == (" 0", " 1", " 2")
    assert PromptPairs.from_dataset(rows, n=2).answers == (" 0", " 1")
    with pytest.raises(PromptError) as error:
        PromptPairs.from_dataset(stream)
    assert str(error.value) == "dataset: is a stream of rows; n= says how many of them to take"


def test_a_dataset_of_splits_is_refused_with_their_names(datasets):
    split = datasets.Dataset.from_list([flat(ENTRIES[0])])

    with pytest.raises(PromptError) as error:
        PromptPairs.from_dataset(datasets.DatasetDict({"train": split, "test": split}))

    assert str(error.value) == (
        "a dataset of splits ('train', 'test'), not a split; pass one of them"
    )


ROW = {"clean": "a b", "corrupted": "a c", "answer": "d", "wrong_answer": "e"}
HINT = 'Say which column is which: columns={"answer": "target"}'


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([], {}, "dataset: holds no prompt pairs, not a row"),
        (
            [{"clean": "a", "target": "b"}],
            {"columns": {"answer": "target"}},
            "dataset: row 0 has no column 'corrupted', 'wrong_answer'; it has 'clean', 'target'\n"
            + HINT,
        ),
        (
            [ROW],
            {"columns": {"cluster": "pair"}},
            "dataset: row 0 has no column 'pair'; it has 'clean', 'corrupted', 'answer', "
            "'wrong_answer'\n" + HINT,
        ),
        (
            [ROW],
            {"columns": {"target": "answer"}},
            (
                "columns has unknown 'target'; a pair has clean, corrupted, answer, wrong_answer "
                "and perhaps cluster, template, positions, position:NAME"
            ),
        ),
        (
            [ROW, {**ROW, "answer": None}],
            {},
            "dataset: row 1 has answer None, which is no text",
        ),
        (
            [ROW, {**ROW, "answer": ""}],
            {},
            "dataset: row 1 has answer '', which is no text",
        ),
        (
            [{**ROW, "target": 3}],
            {"columns": {"answer": "target"}},
            "dataset: row 0 has target 3, which is no text",
        ),
        (
            [{**ROW, "topic": 0.5}],
            {"columns": {"cluster": "topic"}},
            "dataset: row 0 has topic 0.5, which is neither a text nor a whole number",
        ),
        (
            [{**ROW, "positions": {"X": "a"}}, {**ROW, "positions": {"X": None}}],
            {},
            "dataset: row 1 has position 'X' at None, which is no text",
        ),
        (
            [{**ROW, "positions": {"X": "a"}}, ROW],
            {},
            "dataset: row 1 names the positions (none), row 0 'X'; every pair names the same",
        ),
        (
            [ROW, {**ROW, "positions": {}, "position:X": "a"}],
            {},
            "dataset: has positions in one column, and in columns of their own",
        ),
        (
            [{**ROW, "positions": {"X": "b"}}],
            {},
            (
                "dataset: row 0: position 'X' is 'b', with which its clean prompt does not begin:\n"
                "  a b\nGive the prompt up to and including the token that has the name."
            ),
        ),
        (["a b"], {}, "dataset: row 0 is of type str, not a dictionary of columns"),
        ([ROW], {"n": 2}, "dataset: has 1 rows, not n=2"),
        ([ROW], {"n": 0}, "n=0: at least one row is taken"),
    ],
)
def test_a_bad_dataset_is_refused_with_its_row_and_column(rows, options, message):
    with pytest.raises(PromptError) as error:
        PromptPairs.from_dataset(rows, **options)

    assert str(error.value) == message


def test_the_examples_of_prompt_pairs_run():
    result = doctest.testmod(pairs_module)

    assert result.failed == 0
    assert result.attempted > 5


def test_prompts_are_there_without_datasets_and_pandas():
    code = (
        "import sys, pytest_circuits.prompts; "
        "sys.exit(bool({'datasets', 'pandas', 'torch'} & set(sys.modules)))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
