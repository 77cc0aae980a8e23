"""``--circuits-report`` and its like: what a run leaves in files."""

import json
import xml.etree.ElementTree as ET

import pytest
from circuit_suites import ONE_TEST, OTHER, RECALL, WITHOUT_MODELS, copy_of_recall, counts
from report.rendered import Page

from pytest_circuits.report import json_report, read_report

MODELS = (
    "--circuits-model", "recall",
    "--circuits-model", "fine=bundled:recall-finetuned",
    "--circuits-model", "regressed=bundled:recall-regressed",
)  # fmt: skip
#: A test that measures nothing takes no time, and its run is reported all the same.
LIGHT = "def test_light(circuit_source):\n    pass"


def lose_numbers(tensors):
    """Make a checkpoint's weights NaN, so that no measure gives a finding."""
    for tensor in tensors.values():
        tensor[...] = float("nan")


def read(path):
    return json.loads((path / "report.json").read_text(encoding="utf-8"))


def header(result):
    return [line for line in result.stdout.lines if line.startswith("circuits: report")]


def test_one_model(one_test):
    result = one_test.run("--circuits", "--circuits-report=out")
    assert result.ret == 0
    assert header(result) == ["circuits: report in out (command line)"]
    result.stdout.fnmatch_lines([f"report: out/report.{end}" for end in ("html", "md", "json")])
    report = read(one_test.path / "out")
    assert (report["schema_version"], report["exit_status"], report["gate"]) == (4, 0, "regression")
    assert report["status"] == "complete"
    (model,) = report["models"]
    assert [model[key] for key in ("alias", "source", "owners")] == [
        "recall",
        "bundled:recall",
        ["recall"],
    ]
    (test,) = report["tests"]
    assert (test["test"], test["measure"]) == ("test_heads.py::test_heads", "induction_scores")
    verdict = test["verdicts"]["recall"]
    assert verdict["verdict"] == "preserved"
    assert verdict["outcome"] == "passed"
    assert verdict["owner"] == "recall"
    assert verdict["number"] == pytest.approx(3.8, abs=0.1)
    assert str(one_test.path) not in json.dumps(report)


@pytest.mark.nightly
def test_three_models_in_one_process_and_in_two_workers(one_test):
    one_test.write("test_loose.py", "def test_loose(circuits):\n    circuits.repeat_loss()")
    assert one_test.run("--circuits", "--circuits-fresh", *MODELS, "--circuits-report=one").ret == 1
    assert (
        one_test.run(
            "--circuits", "--circuits-fresh", *MODELS, "--circuits-report=two", "-n", "2"
        ).ret
        == 1
    )
    report = read(one_test.path / "one")
    assert report["exit_status"] == 1
    assert [model["alias"] for model in report["models"]] == ["recall", "fine", "regressed"]
    assert {
        test["test"]: {alias: cell["verdict"] for alias, cell in test["verdicts"].items()}
        for test in report["tests"]
    } == {
        "test_heads.py::test_heads": {
            "recall": "preserved",
            "fine": "preserved",
            "regressed": "lost",
        },
        "test_loose.py::test_loose": dict.fromkeys(("recall", "fine", "regressed"), "not judged"),
    }
    assert report["summary"]["failing"] == 1
    files = sorted(path.name for path in (one_test.path / "two").iterdir())
    assert files == ["report.html", "report.json", "report.md"]
    for name in files:
        one, two = (one_test.path / folder / name for folder in ("one", "two"))
        assert one.read_bytes() == two.read_bytes(), name


@pytest.mark.parametrize("origin", ["command line", "PYTEST_CIRCUITS_REPORT", "pytest.ini"])
def test_the_nearest_wish_wins_and_the_header_says_which(suite, monkeypatch, origin):
    suite.write("test_light.py", LIGHT)
    suite.ini(RECALL, circuits_report="from-ini")
    arguments = ["--circuits"]
    if origin != "pytest.ini":
        monkeypatch.setenv("PYTEST_CIRCUITS_REPORT", "from-environment")
    if origin == "command line":
        arguments.append("--circuits-report=from-line")
    result = suite.run(*arguments)
    (folder,) = suite.path.glob("from-*")
    assert header(result) == [f"circuits: report in {folder.name} ({origin})"]
    assert read(folder)["tests"] == []


def test_what_the_ini_names_lies_beside_the_ini(suite, monkeypatch):
    suite.ini(RECALL, circuits_report="out")
    suite.write("below/test_light.py", LIGHT)
    monkeypatch.chdir(suite.path / "below")
    suite.run("--circuits")
    suite.run("--circuits", "--circuits-report", "out")
    assert (suite.path / "out/report.json").exists()
    assert (suite.path / "below/out/report.json").exists()


def test_a_run_that_measures_nothing_writes_nothing(one_test):
    one_test.run("--circuits", "--collect-only", "--circuits-report=out")
    assert not (one_test.path / "out").exists()


@pytest.mark.parametrize("arguments", [("--circuits-report=out",), ("--circuits-report", "out")])
def test_a_report_of_a_run_without_circuits_is_a_usage_error(one_test, arguments):
    result = one_test.run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.stderr.lines if line] == [
        "ERROR: --circuits-report reports a run with --circuits: add --circuits"
    ]


@pytest.mark.parametrize("key", ["circuits_report", "addopts"])
def test_a_report_that_the_ini_asks_for_waits_for_a_run_with_circuits(suite, key):
    suite.write("test_light.py", LIGHT)
    suite.ini(RECALL, **{key: "out" if key == "circuits_report" else "--circuits-report=out"})
    result = suite.run()
    assert (result.ret, counts(result)) == (0, {"skipped": 1})
    assert not (suite.path / "out").exists()
    suite.run("--circuits")
    assert (suite.path / "out/report.json").exists()


def test_a_test_that_never_came_to_measure_is_counted(suite):
    suite.write("test_light.py", f"import missing\n\n{LIGHT}")
    suite.write("test_other.py", LIGHT.replace("pass", "raise OSError"))
    assert suite.run("--circuits", "--circuits-report=out").ret == 2
    report = read(suite.path / "out")
    assert (report["status"], report["exit_status"]) == ("incomplete", 2)
    assert report["unfinished"] == ["test_other.py::test_light[recall]"]


def test_a_model_whose_measures_fail_is_seen(one_test):
    folder = copy_of_recall(one_test.path / "nan", lose_numbers)
    models = ("--circuits-model", "recall", "--circuits-model", f"nan={folder}")
    assert one_test.run("--circuits", *models, "--circuits-report=out").ret == 1
    report = read(one_test.path / "out")
    (silent,) = report["failed"]
    assert (silent["test"], silent["model"]) == ("test_heads.py::test_heads[nan]", "nan")
    assert "not finite" in silent["message"]
    assert silent["line"] == 2
    assert report["summary"]["failed_without_finding"] == 1
    assert report["unfinished"] == []


@pytest.mark.parametrize(("folder", "what"), [("out", "is a file"), ("out/a/b", "lies in a file")])
def test_a_folder_that_cannot_be_one_is_a_usage_error(suite, folder, what):
    suite.write("out", "")
    suite.write("test_heads.py", ONE_TEST)
    result = suite.run("--circuits", "--circuits-report", folder)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.stderr.lines if line] == [
        f"ERROR: circuits: report {folder} (command line) {what}: name a folder for it"
    ]


#: What a test does so that its run can't write into the folder ``out`` any more.
SPOIL = "\n    shutil.rmtree('out')\n    open('out', 'w').close()"


def test_a_report_that_could_not_be_written_turns_a_green_run_red_and_says_why(suite):
    suite.write("test_light.py", "import shutil\n\n" + LIGHT + SPOIL)
    result = suite.run("--circuits", "--circuits-report=out")
    assert (result.ret, counts(result)) == (pytest.ExitCode.USAGE_ERROR, {"passed": 1})
    result.stdout.fnmatch_lines(["report out/report.* (command line) could not be written: *"])
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


#: A conftest in which one kind of report raises what no report should.
BREAK_ONE = """
from pytest_circuits import report

render = report.render

def rendered(kind, run):
    if kind == {broken!r}:
        raise IndexError("list index\\n::error::out of range")
    return render(kind, run)

report.render = rendered

def pytest_unconfigure():
    report.render = render
"""
#: One in which the step summary does.
BREAK_SUMMARY = """
from pytest_circuits.report import markdown

markdown_report = markdown.markdown_report

def broken(run, *room):
    if room:
        raise KeyError("L9H9")
    return markdown_report(run)

markdown.markdown_report = broken

def pytest_unconfigure():
    markdown.markdown_report = markdown_report
"""


@pytest.mark.parametrize("broken", ["html", "markdown", "json"])
def test_a_report_that_cannot_be_made_costs_no_other_and_turns_the_run_red(
    suite, monkeypatch, broken
):
    suite.write("test_light.py", LIGHT)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(suite.path / "summary.md"))
    suite.write("conftest.py", BREAK_ONE.format(broken=broken))
    result = suite.run("--circuits", "--circuits-report=out", "--color=yes")
    assert (result.ret, counts(result)) == (pytest.ExitCode.USAGE_ERROR, {"passed": 1})
    names = {"html": "report.html", "markdown": "report.md", "json": "report.json"}
    missing = names.pop(broken)
    why = "IndexError: list index ::error::out of range; please report it"
    said = f"report out/{missing} could not be made: {why}"
    (line,) = [line for line in result.stdout.lines if "could not be made" in line]
    assert line == f"\x1b[31m{said}\x1b[0m"
    assert {path.name for path in (suite.path / "out").iterdir()} == {*names.values(), missing}
    # As the run left it when it began.
    assert "ncomplete" in (suite.path / "out" / missing).read_text(encoding="utf-8")
    assert (suite.path / "summary.md").read_text(encoding="utf-8").startswith("**pytest-circuits")


def test_a_summary_that_cannot_be_made_is_said_and_fails_nothing(suite, monkeypatch):
    suite.write("test_light.py", LIGHT)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(suite.path / "summary.md"))
    suite.write("conftest.py", BREAK_SUMMARY)
    result = suite.run("--circuits", "--circuits-report=out")
    assert (result.ret, counts(result)) == (0, {"passed": 1})
    result.stdout.fnmatch_lines(
        ["the summary in GITHUB_STEP_SUMMARY could not be made: KeyError: 'L9H9'; please report it"]
    )


def test_a_run_that_an_ordinary_test_fails_is_reported_as_failed(suite):
    suite.write("test_light.py", LIGHT)
    suite.write("test_plain.py", "def test_plain():\n    assert 0")
    assert suite.run("--circuits", "--circuits-report=out").ret == 1
    assert (read(suite.path / "out")["failed"], read(suite.path / "out")["exit_status"]) == ([], 1)
    why = "pytest ended with status 1, for a reason outside the circuits"
    page = (suite.path / "out/report.html").read_text(encoding="utf-8")
    assert "</span> Failed</h1>" in page
    assert why in page
    text = (suite.path / "out/report.md").read_text(encoding="utf-8")
    assert text == f"**pytest-circuits: nothing fails but the run**\n\n- {why}\n"


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_module_that_cannot_be_collected_is_told(suite, workers):
    suite.write("test_broken.py", f"import missing\n\n{LIGHT}")
    suite.write("test_light.py", LIGHT)
    result = suite.run(
        "--circuits", "--circuits-report=out", "--continue-on-collection-errors", "-n", workers
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines(["incomplete: 1 module could not be collected"])
    report = read(suite.path / "out")
    assert report["failed"] == [
        {
            "test": "test_broken.py",
            "model": "",
            "message": "ModuleNotFoundError: No module named 'missing'",
            "line": None,
        }
    ]
    assert report["summary"]["failed_without_finding"] == 0
    text = (suite.path / "out/report.md").read_text(encoding="utf-8")
    assert text.startswith("**pytest-circuits: incomplete, 1 module could not be collected**\n")
    assert "pytest ended" not in text


#: Shapes of findings, claims and outcomes that a suite may have.
ALL_KINDS = """
import pytest
from pytest_circuits import assert_induction_score, prompts


def test_heads(circuits, circuit_snapshot):
    scores = circuits.induction_scores()
    assert scores == circuit_snapshot
    assert circuits.repeat_loss() == circuit_snapshot(name="a|b`<i>")


def test_claim(circuits, circuit_snapshot):
    scores = circuits.previous_token_scores()
    assert scores == circuit_snapshot
    assert_induction_score(circuits.induction_scores(), at_least=2.0)


@pytest.mark.xfail
def test_expected(circuits, circuit_snapshot):
    assert circuits.duplicate_token_scores() == circuit_snapshot
    assert False


@pytest.mark.parametrize("name", ["<script>", "a|b`c", "@x #1"])
def test_named(circuits, name):
    circuits.repeat_loss()


def test_broken(circuits, no_such_fixture):
    pass
"""


def test_what_a_run_wrote_is_read_back_byte_for_byte(suite):
    suite.write("test_kinds.py", ALL_KINDS)
    files = ("--circuits-json=out/report.json", "--circuits-markdown=out/report.md")
    suite.run("--circuits", *files)
    path = suite.path / "out/report.json"
    read = read_report(path)
    assert json_report(read).encode() == path.read_bytes()
    assert {row.verdict for row in read.rows} == {"new", "asserted", "not judged"}
    (broken,) = read.failed
    assert broken.message == "fixture 'no_such_fixture' not found"
    claim = next(row for row in read.rows if "test_claim" in row.test)
    assert (claim.passes, claim.outcome, claim.line) == (True, "failed", 15)
    assert claim.failure.endswith("0 of 1 heads with a value of at least 2")
    page = Page((suite.path / "out/report.md").read_text(encoding="utf-8")).check()
    assert len(page.tables[0]) > 6


def verdicts_in_junit(path):
    """The texts of the properties that carry verdicts."""
    tree = ET.parse(path)  # noqa: S314
    found = [each for each in tree.iter("property") if each.get("name") == "circuits"]
    return sorted(each.get("value") for each in found)


#: The same and more, of no model.
KINDS_FOUND = """
import pytest


def test_two(found, circuit_snapshot):
    assert found(0.9) == circuit_snapshot
    assert found(0.5) == circuit_snapshot(name="a|b`<i>")


def test_claim(found, circuit_snapshot):
    assert found(0.9) == circuit_snapshot
    assert 1 == 2, "the claim"


@pytest.mark.xfail
def test_expected(found, circuit_snapshot):
    assert found(0.9) == circuit_snapshot
    assert False


@pytest.mark.parametrize("name", ["<script>", "a|b`c", "@x #1"])
def test_named(found, circuit_snapshot, name):
    assert found(0.9) == circuit_snapshot


def test_without_a_finding(circuit_source):
    if circuit_source.alias == "tuned":
        raise ValueError("not finite")


def test_broken(circuits, no_such_fixture):
    pass
"""


def test_one_process_and_two_workers_write_the_same(suite):
    suite.write("conftest.py", WITHOUT_MODELS)
    suite.write("test_kinds.py", KINDS_FOUND)
    suite.ini(RECALL, OTHER, junit_family="xunit1")
    models = ("--circuits-model", "recall", "--circuits-model", "tuned")
    for folder, workers in (("one", "0"), ("two", "2")):
        files = [f"--circuits-{kind}={folder}/{kind}" for kind in ("json", "markdown", "html")]
        options = ("--circuits-fresh", f"--junitxml={folder}/junit", "-n", workers)
        suite.run("--circuits", *models, *files, *options)
    one, two = suite.path / "one", suite.path / "two"
    for kind in ("json", "markdown", "html"):
        assert (one / kind).read_bytes() == (two / kind).read_bytes()
    told = verdicts_in_junit(one / "junit")
    assert told == verdicts_in_junit(two / "junit")
    assert len(told) == len(read_report(one / "json").rows) == 14
    assert {failed.message for failed in read_report(one / "json").failed} == {
        "ValueError: not finite",
        "fixture 'no_such_fixture' not found",
    }


def test_junit_has_each_verdict_as_a_short_property(suite):
    suite.write("test_kinds.py", ALL_KINDS)
    suite.ini(RECALL, junit_family="xunit1")
    suite.run("--circuits", "--junitxml=junit.xml", "--circuits-json=report.json")
    told = verdicts_in_junit(suite.path / "junit.xml")
    rows = [json.loads(text) for text in told]
    assert len(rows) == len(read_report(suite.path / "report.json").rows) == 8
    assert max(len(text.encode()) for text in told) <= 2048
    assert "a|b`<i>" in {row["name"] for row in rows}
    assert {"details", "values"}.isdisjoint({key for row in rows for key in row})


def test_a_finding_that_no_file_can_hold_has_its_line_all_the_same(suite):
    suite.write(
        "test_odd.py",
        "from dataclasses import replace\nimport numpy as np\n\n"
        "def test_odd(circuits):\n    finding = circuits.induction_scores()\n"
        "    object.__setattr__(finding, 'convention', {'odd': np.int64(3)})",
    )
    assert suite.run("--circuits", "--circuits-json=report.json").ret == 0
    (row,) = read_report(suite.path / "report.json").rows
    assert (row.verdict, row.details) == ("not judged", None)
