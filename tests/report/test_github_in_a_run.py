"""A run under GitHub Actions: annotations in its log, its report in the step summary."""

import json

import pytest
from circuit_suites import RECALL, counts
from report.rendered import Page

from pytest_circuits.report import read_report
from pytest_circuits.report.github import SUMMARY_LIMIT

REGRESSED = ("--circuits-model", "tuned=bundled:recall-regressed")
#: What GitHub would take for a command at the beginning of a line.
HOSTILE = "::error title=x::y"
LIGHT = "def test_light(circuit_source):\n    assert False, '100%'"


@pytest.fixture
def github(suite, monkeypatch):
    """A suite as a workflow runs it, and the file of its step summary."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(suite.path))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(suite.path / "summary.md"))
    suite.summary = suite.path / "summary.md"
    return suite


def commands(result):
    return [line for line in result.stdout.lines if line.startswith("::")]


def test_a_red_run_annotates_and_tells_the_summary(one_test, github):
    result = github.run("--circuits", *REGRESSED, "--circuits-markdown=report.md")
    (command,) = commands(result)
    assert command.startswith(
        "::error file=test_heads.py,line=3,title=lost%3A test_heads on tuned::repeat loss rose "
    )
    report = (github.path / "report.md").read_text(encoding="utf-8")
    assert github.summary.read_text(encoding="utf-8") == report
    assert len(Page(report).check().summaries) == 1


def test_a_green_run_annotates_nothing_and_tells_the_summary(one_test, github):
    result = github.run("--circuits")
    assert (result.ret, commands(result)) == (0, [])
    assert github.summary.read_text(encoding="utf-8").startswith("**pytest-circuits: no changes**")


def test_nothing_is_told_elsewhere_or_where_it_is_not_wanted(one_test, github, monkeypatch):
    for arguments in (["--circuits-github=never"], ["--collect-only"]):
        assert commands(github.run("--circuits", *REGRESSED, *arguments)) == []
    assert commands(github.run()) == []
    monkeypatch.setenv("GITHUB_ACTIONS", "")
    assert commands(github.run("--circuits", *REGRESSED)) == []
    assert not github.summary.exists()


def test_without_a_summary_there_are_annotations_all_the_same(github, monkeypatch):
    monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    github.write("test_light.py", LIGHT)
    result = github.run("--circuits")
    assert len(commands(result)) == 1
    assert "GITHUB_STEP_SUMMARY" not in result.stdout.str()


@pytest.mark.parametrize("arguments", [(), ("-q",), ("-qq",), ("-s",), ("--tb=no",), ("-v",)])
def test_annotations_begin_a_line_however_much_pytest_says(arguments, github):
    github.write("test_light.py", LIGHT.replace("assert", "print('x', end=''); assert"))
    (command,) = commands(github.run("--circuits", *arguments))
    assert command.startswith("::error file=test_light.py,line=")
    assert "100%25" in command


def test_workers_tell_nothing_by_themselves(github):
    github.write("sub/test_light.py", LIGHT)
    result = github.run("--circuits", "-n", "2")
    assert [line.partition("::Assert")[0] for line in commands(result)] == [
        "::error file=sub/test_light.py,line=2,title=failed%3A test_light on recall"
    ]
    assert github.summary.read_text(encoding="utf-8").count("pytest-circuits:") == 1


@pytest.mark.parametrize(
    ("workspace", "file"),
    [("..", "{name}/test_light.py"), (".", "test_light.py"), ("", "test_light.py"), ("x", None)],
)
def test_files_are_named_from_the_workspace(workspace, file, github, monkeypatch):
    github.write("test_light.py", LIGHT)
    monkeypatch.setenv("GITHUB_WORKSPACE", workspace and str(github.path / workspace))
    (command,) = commands(github.run("--circuits"))
    if file is None:
        assert "file=" not in command
    else:
        assert f"file={file.format(name=github.path.name)},line=2," in command


# The step summary


def test_what_others_told_the_summary_stays(github):
    github.write("test_light.py", LIGHT)
    github.summary.write_bytes("# Büild".encode())
    github.run("--circuits")
    github.run("--circuits")
    text = github.summary.read_text(encoding="utf-8")
    assert text.startswith("# Büild\n\n**pytest-circuits: 1 test failed without a finding**\n\n|")
    assert text.count("\n\n**pytest-circuits:") == 2
    page = Page(text.removeprefix("# Büild")).check()
    assert len(page.tables) == 2


@pytest.mark.parametrize("room", [300_000, 2000, 1100])
def test_the_summary_keeps_to_what_github_takes(room, github):
    lines = "\n".join(
        f"def test_{n}(circuit_source):\n    assert False, 'ü' * 250" for n in range(9)
    )
    github.write("test_light.py", lines)
    github.summary.write_bytes(b"x" * (SUMMARY_LIMIT - room))
    github.run("--circuits")
    told = github.summary.read_bytes()
    assert SUMMARY_LIMIT - room < len(told) <= SUMMARY_LIMIT
    text = told.decode()
    assert "**pytest-circuits: 9 tests failed without a finding**" in text
    assert ("not shown here" in text) == (room < 3000)


def test_a_summary_that_is_full_is_said_and_stays(github):
    github.write("test_light.py", LIGHT.replace("False", "True"))
    full = b"x" * (SUMMARY_LIMIT - 100)
    github.summary.write_bytes(full)
    result = github.run("--circuits")
    assert (result.ret, github.summary.read_bytes()) == (0, full)
    result.stdout.fnmatch_lines(
        ["GITHUB_STEP_SUMMARY is full: the summary of this run is not in it"]
    )


def test_a_summary_that_can_not_be_written_is_said_and_fails_nothing(github, monkeypatch):
    github.write("test_light.py", LIGHT.replace("False", "True"))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(github.path / "no/where.md"))
    result = github.run("--circuits")
    assert (result.ret, counts(result)) == (0, {"passed": 1})
    result.stdout.fnmatch_lines(["GITHUB_STEP_SUMMARY could not be written: No such file*"])


# The line of a failure

HELPERS = """
def check(value):
    assert value
"""

#: Each failing line says so.
FAILING = """
import pytest
from helpers import check


def here(value):
    assert value  # fails: test_in_a_helper_of_its_own


def test_plain(circuit_source):
    x = 1

    assert x == 2  # fails: test_plain


class TestIn:
    class TestDeeper:
        def test_in_a_class(self, circuit_source):
            assert [
                1,
                2,
            ] == []  # spans: test_in_a_class

    @pytest.mark.parametrize("value", [0, 1])
    def test_each(self, circuit_source, value):
        check(True)
        check(value)  # fails: test_each


def test_in_a_helper_of_its_own(circuit_source):
    here(False)


def test_raises(circuit_source):
    try:
        raise KeyError("a")
    except KeyError as error:
        raise ValueError("b") from error  # fails: test_raises


def test_without_a_traceback(circuit_source):
    pytest.fail("c", pytrace=False)  # fails: test_without_a_traceback


@pytest.fixture
def broken():
    raise OSError  # fails: test_setup


def test_setup(circuit_source, broken):
    pass
"""


def failing_lines(text):
    marked = [(n, line) for n, line in enumerate(text.splitlines(), 1) if "# fails: " in line]
    return {line.partition("# fails: ")[2]: n for n, line in marked}


@pytest.fixture
def failing(suite):
    """Two folders with files that are called alike, in which tests fail."""
    suite.ini(RECALL, pythonpath=".")
    suite.write("helpers.py", HELPERS)
    suite.write("one/test_it.py", FAILING)
    # A file that is called alike, through which a failure goes too.
    suite.write("two/helpers/test_it.py", "\n" * 50 + "def check(value):\n    assert value")
    other = "from importlib.util import module_from_spec as m, spec_from_file_location as s"
    suite.write(
        "two/test_it.py",
        f"from pathlib import Path\n{other}\n"
        "spec = s('alike', Path(__file__).parent / 'helpers/test_it.py')\n"
        "alike = m(spec)\nspec.loader.exec_module(alike)\n\n\n"
        "def test_alike(circuit_source):\n    alike.check(False)",
    )
    suite.write("two/helpers/conftest.py", "collect_ignore = ['test_it.py']")
    return suite


def lines_of(suite):
    document = json.loads((suite.path / "report.json").read_text(encoding="utf-8"))
    return {
        each["test"].rpartition("::")[2].partition("[")[0]: each["line"]
        for each in document["failed"]
    }


@pytest.mark.parametrize("arguments", [(), ("--tb=short",), ("-n", "2")])
def test_the_line_is_the_one_in_the_tests_own_file(arguments, failing):
    failing.run("--circuits", "--circuits-json=report.json", "--import-mode=importlib", *arguments)
    lines = lines_of(failing)
    assert lines.pop("test_alike") == 9
    expected = failing_lines((failing.path / "one/test_it.py").read_text(encoding="utf-8"))
    assert 19 <= lines.pop("test_in_a_class") <= 22
    assert lines == expected


@pytest.mark.parametrize("style", ["line", "no", "native"])
def test_styles_without_code_know_where_a_test_begins_or_failed_itself(style, failing):
    failing.run(
        "--circuits", "--circuits-json=report.json", "--import-mode=importlib", f"--tb={style}"
    )
    lines, text = lines_of(failing), (failing.path / "one/test_it.py").read_text(encoding="utf-8")
    assert lines["test_plain"] == failing_lines(text)["test_plain"]
    begins = text.splitlines().index('    @pytest.mark.parametrize("value", [0, 1])') + 1
    assert lines["test_each"] in (begins, begins + 1)


def test_a_test_that_is_inherited_from_another_file_has_no_line_of_that_one(suite):
    suite.ini(RECALL, pythonpath=".")
    suite.write("base.py", "\n" * 9 + "class Base:\n    def test_it(self, circuit_source):\n"
                "        assert False")  # fmt: skip
    suite.write("test_a.py", "from base import Base\n\n\nclass TestIt(Base):\n    pass")
    suite.run("--circuits", "--circuits-json=report.json")
    (failed,) = read_report(suite.path / "report.json").failed
    assert (failed.test, failed.line) == ("test_a.py::TestIt::test_it[recall]", None)


def test_a_test_that_moves_elsewhere_fails_in_its_own_line(suite):
    suite.write("sub/test_a.py", "def test_it(circuit_source, monkeypatch, tmp_path):\n"
                "    monkeypatch.chdir(tmp_path)\n    assert False")  # fmt: skip
    suite.run("--circuits", "--circuits-json=report.json")
    (failed,) = read_report(suite.path / "report.json").failed
    assert failed.line == 3


def test_a_label_that_reads_as_a_command_is_broken_and_annotations_are_not(github):
    github.write(
        "test_labels.py",
        "def test_labels(circuits):\n"
        "    finding = circuits.repeat_loss()\n"
        f"    object.__setattr__(finding, 'quantity', {HOSTILE!r})\n",
    )
    result = github.run("--circuits", "--circuits-verbose")
    title = "title=not judged%3A test_labels on recall"
    assert commands(result) == [
        f"::warning file=test_labels.py,line=1,{title}::{HOSTILE} 0.003; repeat accuracy 1.00"
    ]
    (cell,) = [line for line in result.stdout.lines if line.startswith("  :")]
    assert cell.split()[:3] == [":?error", "title=x::y", "0.003"]
