"""Paths that no system has, or that nobody may look at, are usage errors and never tracebacks."""

import os
import shutil

import pytest

from pytest_circuits.cli import main
from pytest_circuits.models import ModelError, parse_source

LONG = "a" * 5000
NOBODY = "~nosuchuser/m"
WRONG = {"nobody's": NOBODY, "too long": f"./{LONG}", "through a file": "./pytest.ini/m"}


@pytest.mark.parametrize("path", WRONG.values(), ids=list(WRONG))
@pytest.mark.parametrize("option", ["model", "report", "html", "json", "markdown"])
def test_an_option_is_refused_in_a_sentence(suite, option, path):
    suite.write("test_heads.py", "def test_heads(circuits): pass")
    value = f"c={path}" if option == "model" else path
    result = suite.run("--circuits", f"--circuits-{option}={value}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    words = result.stderr.str() + result.stdout.str()
    assert "INTERNALERROR" not in words
    assert "Traceback" not in words
    assert len(words) < 3000


@pytest.mark.parametrize("path", [NOBODY, LONG])
def test_the_ini_and_the_environment_are_refused_in_a_sentence(suite, monkeypatch, path):
    suite.write("test_heads.py", "def test_heads(circuits): pass")
    suite.ini("recall = bundled:recall", circuits_report=path)
    assert suite.run("--circuits").ret == pytest.ExitCode.USAGE_ERROR
    suite.ini(f"recall = {path}/m")
    assert suite.run("--circuits").ret == pytest.ExitCode.USAGE_ERROR
    suite.ini()
    monkeypatch.setenv("PYTEST_CIRCUITS_HTML", path)
    result = suite.run("--circuits")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "INTERNALERROR" not in result.stderr.str() + result.stdout.str()


@pytest.mark.parametrize("text", [NOBODY, f"./{LONG}", LONG, "a\0b", "./a\0b", "./\ud800"])
def test_a_source_is_refused_as_one(text):
    with pytest.raises(ModelError, match="no model source") as error:
        parse_source(text)
    assert len(str(error.value)) < 1000


def test_an_adapters_base_is_refused_as_one(tmp_path):
    from pytest_circuits.models.sources.source import is_path

    for text in (NOBODY, LONG, "a\0b"):
        assert not is_path(text, tmp_path)
    (tmp_path / "base").mkdir()
    assert is_path("base", tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        *(
            [command, LONG]
            for command in ("show", "prune", "review", "accept", "report", "diff", "history")
        ),
        ["diff", "--markdown", f"{LONG}/a"],
        ["report", NOBODY],
        ["show", "pytest.ini/m"],
    ],
    ids=lambda arguments: " ".join(arguments)[:30],
)
def test_a_command_is_refused_in_a_sentence(suite, capsys, arguments):
    assert main(arguments) in (2, 3)
    told = capsys.readouterr()
    assert "Traceback" not in told.err
    assert told.err


def test_a_command_in_a_folder_that_is_gone_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gone").mkdir()
    os.chdir("gone")
    shutil.rmtree(tmp_path / "gone")
    for command in ("show", "diff", "review", "accept", "history", "prune", "report"):
        arguments = [command, *(["x"] if command in ("history", "report", "accept") else [])]
        assert main(arguments) == 2
        assert "the working directory is not there any more" in capsys.readouterr().err
