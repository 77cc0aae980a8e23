"""pytest-circuits show: baselines in words, without a model."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from circuit_suites import EXAMPLES, edit_baseline, in_fresh_python

from pytest_circuits.cli import main
from pytest_circuits.findings import Canary, Direction, Null

INDUCTION = "__circuits__/recall/test_circuits/TestCircuits.test_induction_heads.json"


@pytest.fixture
def suite_folder(tmp_path):
    """The quickstart's baselines in the working directory."""
    shutil.copytree(EXAMPLES / "quickstart" / "__circuits__", tmp_path / "__circuits__")
    return tmp_path


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)


def show(capsys, *arguments):
    status = main(["show", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out.splitlines(), captured.err.splitlines()


def test_a_file_is_shown_as_a_short_table(suite_folder, capsys):
    status, lines, errors = show(capsys, INDUCTION)
    assert (status, errors) == (0, [])
    assert lines[:3] == [
        INDUCTION,
        "  induction_scores (attention probability, 15 samples)",
        "    L1H0       0.994 ± 0.001",
    ]
    assert any(line.strip().startswith("repeat_gain 4.242 ± ") for line in lines)
    assert any(line.startswith("  induction heads (0.4 or more): L1H0") for line in lines)
    assert lines[-1] == "  tolerance: default"


def test_members_are_shown_with_their_nulls_and_heads_that_theirs_explain(command, store, baseline):
    path = store(
        "recall",
        baseline(
            values=np.array([[0.6, 0.9, 0.5]]),
            errors=np.array([[0.1, 0.1, 0.1]]),
            nulls={"L0H1": Null(0.0213, 0.001), "L0H0": Null(0.58, 0.3)},
        ),
    )
    _, lines, _ = command("show", path)
    assert lines[-3:-1] == [
        "  induction heads (0.4 or more): L0H1 (null 0.021, p 0.001), L0H2",
        "  not told from their null: L0H0 (null 0.580, p 0.300)",
    ]


def test_a_role_without_members_and_either_way_says_so(command, store, baseline):
    path = store("recall", baseline(0.3, direction=Direction.TWO_SIDED))
    assert command("show", path)[1][-2] == "  induction heads (0.4 or more, either way): none"


def test_the_canary_and_a_tolerance_of_ones_own_are_shown(command, store, baseline):
    path = store("recall", baseline(canary=Canary(3.1234, "text", "abc"), tolerance=0.3))
    assert command("show", path)[1][-2:] == [
        "  canary 3.123 nats a token (text)",
        "  tolerance: mine",
    ]


def test_a_finding_of_one_number_has_no_role(command, store, baseline):
    one = baseline(values=np.array(1.5), errors=np.array(0.1), axes=(), role=None)
    assert command("show", store("recall", one))[1][-1:] == ["  tolerance: default"]


@pytest.mark.parametrize("suite", ["quickstart", "smollm2"])
def test_lines_fit_a_terminal(command, monkeypatch, suite):
    monkeypatch.chdir(EXAMPLES / suite)
    status, lines, errors = command("show")
    long = [line for line in lines if len(line) > 80 and not line.endswith(".json")]
    assert (status, errors, long) == (0, [], [])
    assert len(lines) > 30


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
    assert len(titles) == 5


def test_several_paths_are_shown_one_after_the_other(suite_folder, capsys):
    status, lines, _ = show(capsys, INDUCTION, INDUCTION)
    assert status == 0
    assert lines.count(INDUCTION) == 2


def test_a_further_finding_is_shown_with_its_name(suite_folder, capsys):
    path = Path(INDUCTION)
    path.write_text(path.read_text().replace('"name": ""', '"name": "late"'))
    _, lines, _ = show(capsys, path)
    assert lines[1] == "  late: induction_scores (attention probability, 15 samples)"


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
    assert len([line for line in lines if not line.startswith(" ")]) == 5


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


def test_it_says_which_findings_were_measured_on_a_model_of_the_test_s_own(suite_folder, capsys):
    def of_its_own(document):
        document["recorded_with"]["source"] = "a model of the test's own"

    assert "  measured on a model of the test's own" not in show(capsys, INDUCTION)[1]
    edit_baseline(suite_folder / INDUCTION, of_its_own)
    assert "  measured on a model of the test's own" in show(capsys, INDUCTION)[1]
