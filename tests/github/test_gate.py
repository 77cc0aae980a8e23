"""The gate's step: what it hands to pytest, what it tells the steps behind it, how it ends."""

import json

import pytest

GATE = ("circuits-gate", "gate.sh")
#: A pytest that writes down what it was asked and leaves the report that it was told to.
RECORDING = """
import json, pathlib, sys
given = pathlib.Path("given.json")
given.write_text(json.dumps(sys.argv[1:]))
told = json.loads(pathlib.Path("told.json").read_text())
if told["report"] is not None:
    (name,) = [each for each in sys.argv if each.startswith("--circuits-report=")]
    folder = pathlib.Path(name.partition("=")[2])
    folder.mkdir(exist_ok=True)
    (folder / "report.json").write_text(told["report"])
sys.exit(told["status"])
"""
HOSTILE = ["$(touch made)", "`touch made`", "; touch made", "-x", "a b", "'\"", "a\\nb", "*"]


#: The reports' places, as pytest is told them where no input names a folder.
REPORTS = [
    "--circuits-report=circuits-report",
    "--circuits-html=circuits-report/report.html",
    "--circuits-markdown=circuits-report/report.md",
    "--circuits-json=circuits-report/report.json",
]


def summary(
    *,
    findings=1,
    judged=1,
    failing=0,
    claims=0,
    silent=0,
    broken=0,
    unfinished=0,
    ended=True,
    exit_status=0,
    **verdicts,
):
    figures = {"findings": findings, "verdicts": verdicts, "judged": judged, "failing": failing}
    figures |= {"failed_claims": claims, "failed_without_finding": silent, "uncollected": broken}
    complete = ended and not (broken or unfinished)
    status = "complete" if complete else "incomplete"
    tests = [f"t.py::test_{n}[recall]" for n in range(unfinished)]
    told = {"status": status, "exit_status": exit_status if ended else None}
    return json.dumps({**told, "summary": figures, "unfinished": tests})


def counts(judged=0, failing=0, claims=0, silent=0, unfinished=0, **verdicts):
    figures = {
        "judged": judged,
        "failing": failing,
        "failed_claims": claims,
        "failed_without_finding": silent,
    }
    return {**verdicts, **figures, "uncollected": 0, "unfinished": unfinished}


@pytest.fixture
def told(runner):
    """Run the gate with a pytest that ends as told, and return what that pytest was asked."""
    runner.tool("pytest", RECORDING)

    def run(status=0, text="", **given):
        (runner.workspace / "given.json").unlink(missing_ok=True)
        text = summary(preserved=1) if text == "" else text
        told = json.dumps({"status": status, "report": text})
        (runner.workspace / "told.json").write_text(told)
        result = runner.run(*GATE, **({"suite": "suite"} | given))
        asked = runner.workspace / "given.json"
        return result, json.loads(asked.read_text()) if asked.exists() else None

    run.runner = runner
    return run


@pytest.fixture
def small(runner):
    """Lay down a suite that needs no model: a file of tests, and what the ini says beside one."""

    def lay(code, *ini):
        suite = runner.workspace / "suite"
        suite.mkdir()
        # jaxtyping and typeguard come with transformer-lens as pytest plugins; they only cost time.
        quiet = "addopts = -p no:jaxtyping -p no:typeguard"
        lines = ["[pytest]", "circuits_models = recall = bundled:recall", quiet, *ini]
        (suite / "pytest.ini").write_text("\n".join(lines), encoding="utf-8")
        (suite / "test_small.py").write_text(code, encoding="utf-8")

    return lay


def test_a_lost_circuit_fails_the_step_after_the_outputs_are_written(runner):
    runner.copy("example_suites/quickstart", "our suite")
    result = runner.run(
        *GATE,
        suite="our suite/test_circuits.py::TestCircuits::test_previous_tokens",
        source="tuned = bundled:recall-regressed\n",
        reference="recall",
        report="the report",
    )
    assert result.returncode == 1, result.stdout + result.stderr
    found = json.loads(runner.outputs["counts"])
    assert found == counts(judged=2, failing=1, weakened=1, preserved=1)
    assert runner.outputs["verdict"] == "failed"
    assert runner.outputs["report"] == "the report"
    for kind in ("html", "md", "json"):
        assert (runner.workspace / "the report" / f"report.{kind}").stat().st_size
    report = json.loads((runner.workspace / "the report/report.json").read_text())
    assert [model["alias"] for model in report["models"]] == ["recall", "tuned"]
    annotations = [line for line in result.stdout.splitlines() if line.startswith("::")]
    assert [line[: line.index(",")] for line in annotations] == [
        "::error file=our suite/test_circuits.py"
    ]
    # Once: the plugin writes it, and the action doesn't write it again.
    summary = runner.files["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8")
    assert summary.count("1 of 2 findings fails") == 1


def test_a_suite_that_puts_its_reports_elsewhere_leaves_them_in_the_folder_too(runner, small):
    small("def test_plain(): pass", "circuits_json = out.json", "circuits_html = out.html")
    runner.run(*GATE, suite="suite", args="--circuits-json=o.json\n--circuits-markdown=o.md")
    assert {made for made in runner.made if made.startswith("circuits-report/")} == {
        f"circuits-report/report.{kind}" for kind in ("html", "md", "json")
    }
    assert runner.outputs["report"] == "circuits-report"


def test_a_test_that_measures_nothing_and_fails_is_said_to_be_the_reason(runner, small):
    small("def test_plain(): assert 1 == 2")
    result = runner.run(*GATE, suite="suite")
    assert (result.returncode, runner.outputs["verdict"]) == (1, "failed")
    assert json.loads(runner.outputs["counts"]) == counts()
    told = [line for line in result.stdout.splitlines() if line.startswith("::error title=")]
    what = "what failed is not in the report, as a test that is no circuit test: see its output"
    assert told == [f"::error title=circuits-gate::{what}"]


def test_a_lost_worker_is_an_error_and_no_regression(runner, small):
    small("import os\ndef test_dies(circuits): pass\ndef setup_function(): os._exit(3)")
    result = runner.run(*GATE, suite="suite", args="-n1\n--max-worker-restart=0")
    assert (result.returncode, runner.outputs["verdict"]) == (1, "error")
    assert json.loads(runner.outputs["counts"]) == counts(unfinished=1)


def test_a_process_that_a_test_ends_with_success_is_an_error(runner, small):
    small("import os\ndef test_ends(circuit_source): os._exit(0)")
    result = runner.run(*GATE, suite="suite")
    assert (result.returncode, runner.outputs["verdict"]) == (2, "error")
    assert "the run is incomplete" in result.stdout
    assert runner.outputs["report"] == "circuits-report"
    for name in ("GITHUB_STEP_SUMMARY", None):
        file = runner.files[name] if name else runner.workspace / "circuits-report/report.md"
        assert file.read_text("utf-8").startswith("**pytest-circuits: incomplete, the run has not")


def test_a_source_that_is_not_there_is_an_error_and_no_regression(runner):
    runner.copy("example_suites/quickstart", "suite")
    result = runner.run(*GATE, suite="suite", source="./no-such-checkpoint")
    assert result.returncode == 4
    assert runner.outputs == {"verdict": "error", "counts": "{}", "report": ""}
    assert "no-such-checkpoint" in result.stderr


def test_an_earlier_report_is_not_taken_for_this_ones(runner, told):
    told()
    result, _ = told(status=4, text=None)
    assert result.returncode == 4
    assert runner.outputs == {"verdict": "error", "counts": "{}", "report": ""}


@pytest.mark.parametrize(
    ("status", "report", "verdict", "ends"),
    [
        (0, summary(findings=2, preserved=2), "passed", 0),
        (0, summary(findings=1, lost=1), "passed", 0),
        (0, summary(findings=1, failing=1, lost=1), "failed", 1),
        (0, summary(findings=1, claims=1, preserved=1), "failed", 1),
        (0, summary(findings=1, silent=1, preserved=1), "error", 1),
        (0, summary(findings=1, exit_status=1, preserved=1), "failed", 1),
        (0, summary(findings=1, exit_status=4, preserved=1), "error", 4),
        (1, summary(findings=1, failing=1, lost=1), "failed", 1),
        (1, summary(findings=1, failing=1, silent=3, lost=1), "failed", 1),
        (1, summary(findings=1, failing=1, unfinished=3, lost=1), "failed", 1),
        (1, summary(findings=1, claims=1, preserved=1), "failed", 1),
        (1, summary(findings=1, claims=1, silent=1, unfinished=1, preserved=1), "failed", 1),
        (1, summary(findings=1, preserved=1), "failed", 1),
        (1, summary(findings=0, silent=4), "error", 1),
        (1, summary(findings=2, silent=4, preserved=2), "error", 1),
        (1, summary(findings=1, broken=1, preserved=1), "error", 1),
        (1, summary(findings=1, unfinished=1, preserved=1), "error", 1),
        (2, summary(findings=1, failing=1, lost=1), "error", 2),
        (0, summary(findings=1, unfinished=1, preserved=1), "error", 2),
        (0, summary(findings=0, judged=0), "error", 5),
        (0, summary(findings=2, judged=0, new=2), "error", 5),
        (0, None, "error", 5),
        (1, None, "error", 1),
        (1, '{"summ', "error", 1),
        (5, None, "error", 5),
        (0, summary(findings=0, ended=False), "error", 2),
        (0, summary(findings=2, ended=False, preserved=2), "error", 2),
        (137, summary(findings=0, ended=False), "error", 137),
        (0, '{"summary": {}, "unfinished": 0}', "error", 5),
    ],
    ids=[
        "preserved",
        "lost, but the gate is never",
        "lost, and the status was hidden",
        "a claim that does not hold, and the status was hidden",
        "some could not be measured, and the status was hidden",
        "red, and the status was hidden",
        "called wrongly, and the status was hidden",
        "lost",
        "lost, and some could not be measured",
        "lost, and some did not run",
        "a claim that does not hold",
        "a claim that does not hold, and some could not be measured",
        "a test that is no circuit test",
        "nothing could be measured",
        "some could not be measured",
        "some could not be collected",
        "some did not run",
        "stopped",
        "green, and some did not run",
        "green, and nothing was measured",
        "green, and nothing was judged",
        "green without a report",
        "red without a report",
        "red with half a report",
        "nothing to run",
        "ended with success by a test",
        "ended with success after it had found something",
        "killed",
        "another report",
    ],
)
def test_the_verdict_is_one_of_three(told, status, report, verdict, ends):
    result, _ = told(status, report)
    assert result.returncode == ends
    assert told.runner.outputs["verdict"] == verdict
    assert result.stderr == ""


def test_inputs_become_pytests_arguments(told):
    _, asked = told(
        suite="my suite",
        reference="recall=org/name@main",
        source="one=./a b\r\n\n  two = ./c",
        gate="change",
        args="-n\n2\n--maxfail=1",
        report="out dir",
    )
    assert asked == [
        "--circuits",
        "-n",
        "2",
        "--maxfail=1",
        "--circuits-model=recall=org/name@main",
        "--circuits-model=one=./a b",
        "--circuits-model=two = ./c",
        "--circuits-gate=change",
        "--circuits-report=out dir",
        "--circuits-html=out dir/report.html",
        "--circuits-markdown=out dir/report.md",
        "--circuits-json=out dir/report.json",
        "my suite",
    ]


def test_an_empty_input_is_none(told):
    _, asked = told()
    assert asked == ["--circuits", *REPORTS, "suite"]


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_no_input_is_run_or_taken_apart(runner, told, value):
    _, asked = told(suite=value, source=value, gate=value, args=value)
    assert asked == [
        "--circuits",
        value,
        f"--circuits-model={value}",
        f"--circuits-gate={value}",
        *REPORTS,
        f"./{value}" if value.startswith("-") else value,
    ]
    assert runner.made == {"given.json", "told.json", "circuits-report/report.json"}


def test_a_suite_named_like_an_option_is_a_path_to_pytest_too(runner):
    runner.copy("example_suites/quickstart", "-x")
    result = runner.run(*GATE, suite="-x", args="--collect-only")
    assert "test_induction_heads" in result.stdout
    assert result.returncode == 5


@pytest.mark.parametrize("report", ["", "a*", "a?b", "[a]", "!a", "~/a", "a\nverdict=passed"])
def test_a_report_folder_that_the_upload_would_misread_is_refused(runner, told, report):
    result, asked = told(report=report)
    assert (result.returncode, asked, runner.outputs) == (2, None, {})
    assert result.stdout.startswith("::error title=circuits-gate::report takes a folder")
    assert len(result.stdout.splitlines()) == 1


@pytest.mark.parametrize("reference", ["org/name", "./a", "a b", "x="])
def test_a_reference_without_an_alias_is_refused(runner, told, reference):
    result, asked = told(reference=reference)
    assert (result.returncode, asked, runner.outputs) == (2, None, {})
    assert "alias" in result.stdout


def test_an_empty_suite_is_refused(told):
    result, asked = told(suite="")
    assert (result.returncode, asked) == (2, None)


def test_outputs_cannot_be_forged(runner, told):
    report = summary(**{"lost\nEOF\nverdict=passed": 1}, failing=1)
    told(1, report, report="out\tdir")
    assert runner.outputs["verdict"] == "failed"
    assert set(runner.outputs) == {"verdict", "counts", "report"}
