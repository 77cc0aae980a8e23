"""Whatever stands where JSON should be, every command says so with file and line."""

from pathlib import Path

import pytest
from handmade_pending import left

from pytest_circuits import Circuit, PromptPairs
from pytest_circuits.findings.circuit import CircuitError
from pytest_circuits.prompts.tokens import PromptError

HOSTILE = {
    "brackets": b"[" * 200_000,
    "objects": b'{"schema":' * 100_000,
    "a float": b'{\n"schema": 1e999}',
    "an int": b'{\n"schema": ' + b"9" * 5000 + b"}",
    "NaN": b'{\n"schema": NaN}',
    "a field twice": b'{"schema": 1,\n"schema": 2}',
    "half a character": b'{\n"schema": "\\ud800"}',
    "Latin-1": b'{\n"schema": "\xe9"}',
    "UTF-16": "{}".encode("utf-16"),
    "a mark": b"\xef\xbb\xbf{}",
    "a NUL": b"{\n\0}",
    "a conflict": b"{\n<<<<<<< HEAD\n=======\n>>>>>>> other\n}",
    "nothing": b"",
    "a text": b'"text"',
}
every_kind = pytest.mark.parametrize("data", HOSTILE.values(), ids=list(HOSTILE))


def said(errors, file):
    """That the first line on stderr names the file, and none is a traceback's."""
    assert errors
    assert file.name in errors[0]
    assert not any("Traceback" in line or "recursion" in line for line in errors)
    return True


@every_kind
def test_a_baseline(repository, command, store, data):
    path = store("recall")
    repository.commit("Approve it")
    path.write_bytes(data)
    for arguments in (["show", "."], ["diff"]):
        status, out, errors = command(*arguments)
        assert (status, said(errors, path)) == (3, True)
        assert "Traceback" not in "\n".join(out)
    repository.commit("Damage it")
    status, out, _ = command("history", "test_heads")
    assert status == 3
    assert "unreadable" in "\n".join(out)


@every_kind
def test_a_pending_file(repository, command, store, baseline, data):
    path = left(baseline(0.8))
    path.write_bytes(data)
    for action in ("accept", "reject"):
        status, _, errors = command(action, "--all")
        assert (status, said(errors, path)) == (3, True)


@every_kind
def test_a_report(repository, command, data):
    path = Path("report.json")
    path.write_bytes(data)
    status, _, errors = command("report", path)
    assert (status, said(errors, path)) == (3, True)


@every_kind
@pytest.mark.parametrize(
    ("read", "error"),
    [(PromptPairs.from_json, PromptError), (Circuit.from_json, CircuitError)],
    ids=["prompts", "a circuit"],
)
def test_prompts_and_circuits(tmp_path, read, error, data):
    path = tmp_path / "file.json"
    path.write_bytes(data)
    with pytest.raises(error) as told:
        read(path)
    assert str(told.value).startswith(f"{path}: ")
    assert "recursion" not in str(told.value)
