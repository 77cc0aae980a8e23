"""``--circuits-report``: a run leaves report.json in a folder."""

import json

import pytest
from circuit_suites import ONE_TEST, RECALL, copy_of_recall, counts

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
    result.stdout.fnmatch_lines(["report: out/report.json"])
    report = read(one_test.path / "out")
    assert (report["schema_version"], report["exit_status"], report["gate"]) == (1, 0, "regression")
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
    assert verdict["number"] == pytest.approx(3.9, abs=0.1)
    assert str(one_test.path) not in json.dumps(report)


def test_three_models_in_one_process_and_in_two_workers(one_test):
    one_test.write("test_loose.py", "def test_loose(circuits):\n    circuits.repeat_loss()")
    assert one_test.run("--circuits", *MODELS, "--circuits-report=one").ret == 1
    assert one_test.run("--circuits", *MODELS, "--circuits-report=two", "-n", "2").ret == 1
    report = read(one_test.path / "one")
    assert report == read(one_test.path / "two")
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
    assert report["summary"]["false_alarms"]["findings"] == 3
    files = sorted(path.name for path in (one_test.path / "two").iterdir())
    assert files == ["report.json"]


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
    assert (report["exit_status"], report["summary"]["incomplete"]) == (2, 1)


def test_a_model_whose_measures_fail_is_seen(one_test):
    folder = copy_of_recall(one_test.path / "nan", lose_numbers)
    models = ("--circuits-model", "recall", "--circuits-model", f"nan={folder}")
    assert one_test.run("--circuits", *models, "--circuits-report=out").ret == 1
    assert one_test.run("--circuits", *models, "--circuits-report=two", "-n", "2").ret == 1
    report = read(one_test.path / "out")
    assert report == read(one_test.path / "two")
    assert [model["failed_without_finding"] for model in report["models"]] == [
        [],
        ["test_heads.py::test_heads"],
    ]
    assert report["summary"]["failed_without_finding"] == 1
    assert report["summary"]["incomplete"] == 0


@pytest.mark.parametrize(("folder", "what"), [("out", "is a file"), ("out/a/b", "lies in a file")])
def test_a_folder_that_cannot_be_one_is_a_usage_error(suite, folder, what):
    suite.write("out", "")
    suite.write("test_heads.py", ONE_TEST)
    result = suite.run("--circuits", "--circuits-report", folder)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert [line for line in result.stderr.lines if line] == [
        f"ERROR: circuits: report {folder} (command line) {what}: name a folder for it"
    ]


def test_a_report_that_could_not_be_written_turns_a_green_run_red_and_says_why(suite):
    suite.write("test_light.py", LIGHT + "\n    open('out', 'w').close()")
    result = suite.run("--circuits", "--circuits-report=out")
    assert (result.ret, counts(result)) == (pytest.ExitCode.USAGE_ERROR, {"passed": 1})
    result.stdout.fnmatch_lines(["report out (command line) could not be written: File exists"])
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
