"""pytest-circuits show: baselines in words, without a model."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from circuit_suites import EXAMPLES, in_fresh_python

from pytest_circuits.cli import main

INDUCTION = "__circuits__/recall/test_recall/test_induction_heads.json"


@pytest.fixture
def suite_folder(tmp_path, monkeypatch):
    """The quickstart's baselines in the working directory."""
    shutil.copytree(EXAMPLES / "quickstart" / "__circuits__", tmp_path / "__circuits__")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def show(capsys, *arguments):
    status = main(["show", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out.splitlines(), captured.err.splitlines()


def test_a_file_is_shown_as_a_short_table(suite_folder, capsys):
    status, lines, errors = show(capsys, INDUCTION)
    assert (status, errors) == (0, [])
    assert lines[:3] == [
        INDUCTION,
        "  induction_scores (attention probability, 10 samples)",
        "    L1H0       0.999 ± 0.000",
    ]
    assert lines[-1].strip().startswith("repeat_gain 4.288 ± ")


@pytest.mark.parametrize("arguments", [(), (".",), ("__circuits__",)])
def test_a_folder_shows_every_baseline_below_it_in_order(suite_folder, capsys, arguments):
    (suite_folder / "other.json").write_text("not a baseline")
    status, lines, errors = show(capsys, *arguments)
    assert (status, errors) == (0, [])
    titles = [line for line in lines if not line.startswith(" ")]
    assert titles == sorted(
        path.relative_to(suite_folder).as_posix()
        for path in suite_folder.rglob("__circuits__/**/*.json")
    )
    assert len(titles) == 4


def test_several_paths_are_shown_one_after_the_other(suite_folder, capsys):
    status, lines, _ = show(capsys, INDUCTION, INDUCTION)
    assert status == 0
    assert lines.count(INDUCTION) == 2


def test_a_further_finding_is_shown_with_its_name(suite_folder, capsys):
    path = Path(INDUCTION)
    path.write_text(path.read_text().replace('"name": ""', '"name": "late"'))
    _, lines, _ = show(capsys, path)
    assert lines[1] == "  late: induction_scores (attention probability, 10 samples)"


def test_no_baselines_are_said(tmp_path, capsys):
    assert show(capsys, tmp_path) == (0, ["no baselines"], [])


def test_a_path_that_is_not_there_is_a_usage_error(tmp_path, capsys):
    missing = tmp_path / "nowhere"
    assert show(capsys, tmp_path, missing) == (2, [], [f"pytest-circuits: there is no {missing}"])


def test_a_damaged_file_is_named_and_the_others_are_shown(suite_folder, capsys):
    Path(INDUCTION).write_text("{\n  nothing")
    status, lines, errors = show(capsys)
    assert status == 3
    assert errors == [
        f"{INDUCTION}:2: is not JSON (Expecting property name enclosed in double quotes).",
        "Restore the file from version control, or delete it and approve it anew.",
    ]
    assert len([line for line in lines if not line.startswith(" ")]) == 4


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["show", "--nonsense"]])
def test_anything_else_is_a_usage_error(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage: pytest-circuits" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["show", "--help"]])
def test_help_says_what_there_is(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert "usage: pytest-circuits" in text
    assert "baselines" in text


def test_the_command_is_installed():
    command = Path(sys.executable).with_name("pytest-circuits")
    done = subprocess.run(
        [command, "show", EXAMPLES / "quickstart"], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("__circuits__") == 4
    assert done.stderr == ""


def test_it_needs_no_model():
    code = f"""
import contextlib, io, sys
from pytest_circuits.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    main(["show", {str(EXAMPLES / "quickstart")!r}])
heavy = {{"torch", "transformer_lens", "transformers", "syrupy", "pytest"}}
print(sorted(heavy & set(sys.modules)))
"""
    assert in_fresh_python(code) == "[]\n"
