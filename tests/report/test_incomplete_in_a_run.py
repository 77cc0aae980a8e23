"""Runs that end early: what they leave says so, whatever ended them, and nothing is green."""

import json

import pytest
from circuit_suites import OTHER, QUIET, RECALL, counts, in_fresh_python

#: The text of a file, in a test.
READ = "__import__('pathlib').Path('{}').read_text('utf-8')"
FILES = ("report.json", "report.md", "report.html")
REPORTED = ("--circuits", "--circuits-report=out")
#: A suite of two tests; something ends the run in the first.
TWO = """
import os
import pytest

def test_one(circuit_source):
    {}

def test_two(circuit_source):
    pass
"""


def texts(suite):
    """What each report says, by its file's name."""
    return {name: (suite.path / "out" / name).read_text(encoding="utf-8") for name in FILES}


def read(suite):
    return json.loads(texts(suite)["report.json"])


def say_incomplete(said):
    """Whether all reports do, each where it is seen first."""
    document = json.loads(said["report.json"])
    heading = said["report.html"].partition("<h1>")[2].partition("</h1>")[0]
    return (
        document["status"] == "incomplete"
        and said["report.md"].startswith("**pytest-circuits: incomplete, ")
        and heading.endswith("</span> Incomplete")
    )


def interrupted(suite, *arguments):
    """Run what Ctrl-C ends."""
    run = suite.pytester.runpytest_inprocess
    return run(*QUIET, *REPORTED, *arguments, no_reraise_ctrlc=True)


#: A conftest that keeps what the reports say while tests are collected, and while one runs.
KEEPS = """
import shutil

def keep(name):
    if not shutil.os.path.exists(name):
        shutil.copytree("out", name)

def pytest_collectstart():
    keep("collecting")

def pytest_runtest_call():
    keep("running")
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_reports_say_incomplete_from_the_start_and_are_replaced_at_the_end(suite, workers):
    suite.write("conftest.py", KEEPS)
    suite.write("test_two.py", TWO.format("pass"))
    result = suite.run(*REPORTED, "-n", workers)
    assert (result.ret, counts(result)) == (0, {"passed": 2})
    for when in ("collecting", "running"):
        said = {name: (suite.path / when / name).read_text("utf-8") for name in FILES}
        assert say_incomplete(said), when
        assert json.loads(said["report.json"])["exit_status"] is None
        assert all("the run has not come to its end" in text for text in list(said.values())[1:])
    assert (read(suite)["status"], read(suite)["exit_status"]) == ("complete", 0)
    assert texts(suite)["report.md"] == "**pytest-circuits: nothing was judged**\n"
    assert "</span> Nothing judged</h1>" in texts(suite)["report.html"]


@pytest.mark.parametrize(
    "option",
    ["--circuits-json=out/report.json", "PYTEST_CIRCUITS_JSON", "circuits_json"],
)
def test_so_does_a_report_that_was_asked_for_in_another_way(suite, monkeypatch, option):
    suite.write(
        "test_two.py", TWO.format(f"assert 'incomplete' in {READ.format('out/report.json')}")
    )
    if option == "PYTEST_CIRCUITS_JSON":
        monkeypatch.setenv(option, "out/report.json")
    elif option == "circuits_json":
        suite.ini(RECALL, circuits_json="out/report.json")
    arguments = [option] if option.startswith("--") else []
    assert suite.run("--circuits", *arguments).ret == 0
    assert json.loads((suite.path / "out/report.json").read_text("utf-8"))["status"] == "complete"


def test_a_process_that_a_test_ends_with_success_leaves_an_incomplete_report(suite):
    suite.write("test_two.py", TWO.format("pass"))
    assert suite.run(*REPORTED).ret == 0
    suite.write("test_two.py", TWO.format("os._exit(0)"))
    result = suite.run_apart(*REPORTED)
    assert result.ret == 0  # which nobody can change
    assert say_incomplete(texts(suite))
    document = read(suite)
    assert (document["exit_status"], document["tests"]) == (None, [])
    report = str(suite.path / "out/report.json")
    code = f"from pytest_circuits.cli import main; print(main(['report', {report!r}]))"
    assert in_fresh_python(code).splitlines() == [
        "no findings", "incomplete: the run has not come to its end", "1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ends", "status", "left"),
    [
        pytest.param("pytest.exit('bye')", 2, ["test_one", "test_two"], id="exit"),
        pytest.param("pytest.exit('bye', returncode=0)", 2, ["test_one", "test_two"], id="as 0"),
        pytest.param("raise KeyboardInterrupt", 2, ["test_one", "test_two"], id="Ctrl-C"),
        pytest.param("assert False", 1, ["test_two"], id="-x"),
        pytest.param("raise SystemExit(0)", 1, ["test_two"], id="SystemExit"),
    ],
)
def test_a_run_that_stops_names_what_it_left(suite, ends, status, left):
    suite.write("test_two.py", TWO.format(ends))
    result = interrupted(suite, "-x")
    assert result.ret == status
    document = read(suite)
    assert (document["status"], document["exit_status"]) == ("incomplete", status)
    names = [f"test_two.py::{name}[recall]" for name in left]
    assert document["unfinished"] == names
    assert all(name in texts(suite)["report.md"] for name in names)
    assert [f"  {name}" for name in names] == [
        line for line in result.stdout.lines if line.startswith("  test_two.py::")
    ]
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize(
    "ends", ["pytest.exit('bye')", "raise KeyboardInterrupt", "raise SystemExit(0)", "1 / 0"]
)
def test_a_run_that_ends_while_it_collects_leaves_nothing_of_an_earlier_one(suite, ends):
    suite.write("test_two.py", TWO.format("pass"))
    assert suite.run(*REPORTED).ret == 0
    suite.write("test_two.py", f"import pytest\n{ends}")
    assert interrupted(suite).ret in (2, 3)
    assert read(suite)["status"] == "incomplete"
    assert texts(suite)["report.md"].startswith("**pytest-circuits: incomplete, ")


def test_an_internal_error_leaves_an_incomplete_report(suite):
    suite.write("test_two.py", TWO.format("pass"))
    suite.write("conftest.py", "def pytest_runtest_protocol():\n    1 / 0")
    assert suite.run(*REPORTED).ret == 3
    assert say_incomplete(texts(suite))


@pytest.mark.parametrize(
    "option", ["--collect-only", "--setup-only", "--setup-plan", "--fixtures", "--markers"]
)
def test_what_only_lists_tests_leaves_reports_alone(suite, option):
    suite.write("test_two.py", TWO.format("pass"))
    suite.run(*REPORTED)
    before = texts(suite)
    suite.run(*REPORTED, option)
    assert texts(suite) == before


def test_a_folder_that_can_not_be_written_is_told_before_anything_runs(suite):
    suite.write("test_two.py", TWO.format("pass"))
    spoil = "def pytest_sessionstart():\n    open('out', 'w').close()"
    suite.write("conftest.py", spoil)
    result = suite.run(*REPORTED)
    assert (result.ret, counts(result)) == (pytest.ExitCode.USAGE_ERROR, {})
    result.stderr.fnmatch_lines(["ERROR: report out/report.* (command line) could not be written*"])


# The step summary


@pytest.fixture
def summary(suite, monkeypatch):
    """The file that GitHub Actions shows, in which a line stands."""
    path = suite.write("summary.md", "Before.")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    return path


INCOMPLETE = "**pytest-circuits: incomplete, the run has not come to its end**\n"


def test_the_step_summary_says_incomplete_until_the_run_ends(suite, summary):
    adds = f"assert 'incomplete' in {READ.format('summary.md')}\n"
    adds += "    with open('summary.md', 'a') as file:\n        file.write('After.\\n')"
    suite.write("test_two.py", TWO.format(adds))
    inode = summary.stat().st_ino
    assert suite.run("--circuits").ret == 0
    text = summary.read_text("utf-8")
    assert text == "Before.\nAfter.\n\n\n**pytest-circuits: nothing was judged**\n"
    assert summary.stat().st_ino == inode


def test_a_run_that_died_stays_incomplete_in_the_step_summary(suite, summary):
    suite.write("test_two.py", TWO.format("pass"))
    # As a run leaves it whose process was ended.
    summary.write_text(INCOMPLETE)
    assert suite.run("--circuits").ret == 0
    text = summary.read_text("utf-8")
    assert text == f"{INCOMPLETE}\n\n**pytest-circuits: nothing was judged**\n"


# Ctrl-C

RAISES = """
import pytest

@pytest.hookimpl({order})
def {hook}():
    raise KeyboardInterrupt
"""


@pytest.mark.parametrize(
    ("hook", "order"),
    [
        pytest.param("pytest_sessionstart", "trylast=True", marks=pytest.mark.nightly),
        pytest.param("pytest_collection_modifyitems", "tryfirst=True", marks=pytest.mark.nightly),
        ("pytest_runtestloop", "tryfirst=True"),
        pytest.param("pytest_runtest_setup", "trylast=True", marks=pytest.mark.nightly),
        ("pytest_runtest_teardown", "tryfirst=True"),
        pytest.param("pytest_sessionfinish", "tryfirst=True", marks=pytest.mark.nightly),
        ("pytest_sessionfinish", "trylast=True"),
        pytest.param("pytest_terminal_summary", "tryfirst=True", marks=pytest.mark.nightly),
        ("pytest_terminal_summary", "trylast=True"),
    ],
)
def test_ctrl_c_in_any_hook_is_an_incomplete_run_without_a_traceback(suite, hook, order):
    suite.write("test_two.py", TWO.format("pass"))
    assert suite.run(*REPORTED).ret == 0
    suite.write("conftest.py", RAISES.format(hook=hook, order=order))
    result = interrupted(suite)
    assert result.ret == 2
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    if hook != "pytest_sessionstart":  # before which no tests were looked for
        assert say_incomplete(texts(suite))
    assert {path.name for path in (suite.path / "out").iterdir()} == set(FILES)


@pytest.mark.parametrize("nth", range(1, 8))
def test_ctrl_c_while_a_file_is_written_leaves_it_whole(suite, nth):
    suite.write("test_two.py", TWO.format("pass"))
    suite.write(
        "conftest.py",
        f"""
from pathlib import Path

replace, times = Path.replace, []

def interrupted(self, target):
    times.append(target)
    if len(times) == {nth}:
        raise KeyboardInterrupt
    return replace(self, target)

Path.replace = interrupted

def pytest_unconfigure():
    Path.replace = replace
""",
    )
    result = interrupted(suite)
    assert result.ret == (2 if nth < 7 else 0)
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    if nth > 3:
        assert say_incomplete(texts(suite)) == (nth < 7)
    names = {path.name for path in suite.path.rglob("*") if path.suffix == ".tmp"}
    assert names == set()


@pytest.mark.nightly
@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_in_a_worker_ends_the_run(suite, workers):
    suite.ini(RECALL, OTHER)
    suite.write("test_two.py", TWO.format("raise KeyboardInterrupt"))
    models = ("--circuits-model", "recall", "--circuits-model", "tuned")
    result = interrupted(suite, *models, "-n", str(workers))
    assert result.ret == 2
    assert say_incomplete(texts(suite))
    assert read(suite)["unfinished"]


def test_a_run_that_leaves_tests_of_no_model_is_not_green_either(suite):
    suite.write("test_plain.py", "import pytest\n\ndef test_a():\n    pytest.exit('bye', 0)")
    suite.write("test_two.py", "def test_b():\n    pass")
    result = suite.run(*REPORTED)
    assert result.ret == 2
    line = "the run ended before these tests: test_plain.py::test_a, test_two.py::test_b"
    assert line in result.stdout.lines


def test_workers_that_all_die_before_they_have_collected_leave_an_incomplete_run(suite):
    dies = "import os\nif 'PYTEST_XDIST_WORKER' in os.environ:\n    os._exit(0)\n"
    suite.write("test_two.py", dies + TWO.format("pass"))
    result = suite.run(*REPORTED, "-n", "1", "--max-worker-restart", "0")
    assert result.ret == 2
    assert read(suite)["status"] == "incomplete"
    assert texts(suite)["report.md"].startswith("**pytest-circuits: incomplete, ")
