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


def summary(findings=1, failing=0, silent=0, **verdicts):
    figures = {"findings": findings, "verdicts": verdicts, "failing": failing}
    return json.dumps({"summary": figures | {"failed_without_finding": silent}})


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


def test_a_lost_circuit_fails_the_step_after_the_outputs_are_written(runner):
    runner.copy("example_suites/quickstart", "our suite")
    result = runner.run(
        *GATE,
        suite="our suite/test_recall.py::test_previous_token_head",
        source="bundled:recall-regressed",
        report="the report",
    )
    assert result.returncode == 1, result.stdout + result.stderr
    counts = runner.outputs.pop("counts")
    assert json.loads(counts) == {"lost": 1, "failing": 1, "failed_without_finding": 0}
    assert runner.outputs["verdict"] == "failed"
    assert runner.outputs["report"] == "the report"
    for kind in ("html", "md", "json"):
        assert (runner.workspace / "the report" / f"report.{kind}").stat().st_size
    annotations = [line for line in result.stdout.splitlines() if line.startswith("::")]
    assert [line[: line.index(",")] for line in annotations] == [
        "::error file=our suite/test_recall.py"
    ]
    # Once: the plugin writes it, and the action doesn't write it again.
    summary = runner.files["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8")
    assert summary.count("1 finding fails") == 1


def test_a_candidate_that_does_what_it_did_passes_beside_the_reference(runner):
    runner.copy("example_suites/quickstart", "suite")
    result = runner.run(
        *GATE,
        suite="suite/test_recall.py::test_previous_token_head",
        source="tuned = bundled:recall-finetuned\n",
        reference="recall",
    )
    assert result.returncode == 0, result.stdout + result.stderr
    counts = json.loads(runner.outputs["counts"])
    assert counts == {"preserved": 2, "failing": 0, "failed_without_finding": 0}
    assert runner.outputs["verdict"] == "passed"
    report = json.loads((runner.workspace / "circuits-report/report.json").read_text())
    assert [model["alias"] for model in report["models"]] == ["recall", "tuned"]


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
        (0, summary(findings=1, failing=1, lost=1), "passed", 0),
        (1, summary(findings=1, failing=1, lost=1), "failed", 1),
        (1, summary(findings=1, failing=1, silent=3, lost=1), "failed", 1),
        (1, summary(findings=1, preserved=1), "failed", 1),
        (1, summary(findings=0, silent=4), "error", 1),
        (1, summary(findings=2, silent=4, preserved=2), "error", 1),
        (2, summary(findings=1, failing=1, lost=1), "error", 2),
        (0, summary(findings=0), "error", 5),
        (0, None, "error", 5),
        (1, None, "error", 1),
        (1, '{"summ', "error", 1),
        (5, None, "error", 5),
    ],
    ids=[
        "preserved",
        "lost, but the gate is never",
        "lost",
        "lost, and some could not be measured",
        "a claim that does not hold",
        "nothing could be measured",
        "some could not be measured",
        "stopped",
        "green, and nothing was measured",
        "green without a report",
        "red without a report",
        "red with half a report",
        "nothing to run",
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
        "my suite",
    ]


def test_an_empty_input_is_none(told):
    _, asked = told()
    assert asked == ["--circuits", "--circuits-report=circuits-report", "suite"]


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_no_input_is_run_or_taken_apart(runner, told, value):
    _, asked = told(suite=value, source=value, gate=value, args=value)
    assert asked == [
        "--circuits",
        value,
        f"--circuits-model={value}",
        f"--circuits-gate={value}",
        "--circuits-report=circuits-report",
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
