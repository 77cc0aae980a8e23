"""What a run says and hands on: terminal, JUnit, and the same from xdist's workers."""

import json
import xml.etree.ElementTree as ET

import pytest
from circuit_suites import ONE_TEST, OTHER, RECALL, counts, edit_baseline

from pytest_circuits.session.outcomes import model_of

TWO = """
def test_heads(circuits, circuit_snapshot):
    assert circuits.induction_scores() == circuit_snapshot


def test_loose(circuits, circuit_snapshot):
    circuits.repeat_loss()
"""


NOTHING_JUDGED = "nothing was judged: no finding was held against a baseline, or by an assertion"


def section(result):
    lines = result.stdout.lines
    start = next(n for n, line in enumerate(lines) if line.strip("=") == " circuits ")
    end = next(n for n in range(start + 1, len(lines)) if lines[n][:3] in ("===", "---"))
    return lines[start + 1 : end]


def test_a_finding_that_was_never_compared_is_listed(suite):
    suite.write("test_heads.py", TWO)
    result = suite.run("--circuits")
    assert result.ret == 0
    assert section(result) == [
        "new        test_heads recall 4 heads, L1H0 0.99; repeat loss 0.003",
        "not judged test_loose recall repeat loss 0.003; repeat accuracy 1.00",
        "2 findings: 1 new, 1 not judged",
        NOTHING_JUDGED,
        "approve what is new: pytest --circuits --snapshot-update",
    ]


def test_a_plain_run_has_no_section(suite):
    suite.write("test_heads.py", TWO)
    suite.run().stdout.no_fnmatch_line("*= circuits =*")


def test_the_section_fits_a_narrow_terminal(one_test, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    result = one_test.run(
        "--circuits", "--circuits-model", "checkpoint-500=bundled:recall-regressed"
    )
    lines = section(result)
    assert lines[:3] == [
        "lost test_heads chec…500",
        "     repeat loss rose 0.00 → 4.16;",
        "     L1H3 0.97→0.00 +3",
    ]
    assert max(map(len, lines)) <= 40


def test_a_failed_setup_is_a_test_that_failed_without_a_finding(suite):
    suite.write(
        "test_heads.py",
        "import pytest\n\n@pytest.fixture\ndef broken():\n    raise OSError\n\n"
        "def test_it(circuits, broken):\n    pass\n\ndef test_plain(broken):\n    pass",
    )
    result = suite.run("--circuits")
    assert (result.ret, counts(result)) == (1, {"errors": 2})
    assert section(result) == [
        "no findings; 1 test failed without a finding",
    ]


def test_only_circuit_tests_that_fail_and_gave_no_finding_are_counted(suite):
    suite.write(
        "test_heads.py",
        """
import pytest


def test_fails(circuits):
    raise OSError


@pytest.fixture
def breaks_down():
    yield
    raise OSError


def test_breaks_down(circuit_source, breaks_down):
    pass


def test_measures_and_fails(circuits):
    circuits.repeat_loss()
    raise OSError


@pytest.mark.xfail
def test_is_expected_to_fail(circuits):
    raise OSError


@pytest.mark.parametrize("name", ["recall"])
def test_plain(name):
    raise OSError
""",
    )
    assert section(suite.run("--circuits"))[-4:] == [
        "failed test_measures_and_fails recall OSError",
        "1 finding: 1 not judged",
        "2 tests failed without a finding",
        "1 test failed whose findings all pass",
    ]


def test_a_test_that_runs_again_and_passes_did_not_fail(suite):
    suite.write("conftest.py", TWICE)
    suite.write(
        "test_light.py",
        "TRIES = []\n\ndef test_light(circuit_source):\n"
        "    TRIES.append(1)\n    assert len(TRIES) > 1",
    )
    assert section(suite.run("--circuits")) == ["no findings", NOTHING_JUDGED]


def test_something_changed_and_the_baseline_holds_no_canary(one_test):
    edit_baseline(one_test.baseline, lambda finding: finding.pop("canary"))
    result = one_test.run("--circuits", "--circuits-model", "c=bundled:recall-regressed")
    assert (
        "c: held against recall; its baselines hold no canary (approve anew to get one)"
        in section(result)
    )
    assert section(one_test.run("--circuits"))[-1].startswith("1 finding: 1 preserved")
    assert len(section(one_test.run("--circuits", "--circuits-fresh"))) == 2


def test_a_finding_without_a_canary_does_not_send_anyone_to_approve_anew(suite):
    # A measure that is called directly gives none, however often it is approved.
    suite.write(
        "test_heads.py",
        "from pytest_circuits import measures\n\n"
        "def test_heads(circuit_model, circuit_snapshot):\n"
        "    assert measures.induction_scores(circuit_model) == circuit_snapshot",
    )
    suite.approve()
    result = suite.run("--circuits", "--circuits-model", "c=bundled:recall-regressed")
    assert "c: held against recall" in section(result)


#: Every attempt is reported, the last one last.
TWICE = """
from _pytest.runner import runtestprotocol


def pytest_runtest_protocol(item, nextitem):
    for attempt in range(2):
        item._initrequest()
        for report in runtestprotocol(item, nextitem=nextitem, log=False):
            item.ihook.pytest_runtest_logreport(report=report)
    return True
"""


def test_a_test_that_runs_again_counts_with_its_last_attempt(one_test):
    one_test.write("conftest.py", TWICE)
    result = one_test.run("--circuits")
    assert section(result)[-1].startswith("1 finding: 1 preserved")


def rows_of(junit):
    """The rows in a JUnit file."""
    properties = ET.parse(junit).getroot().findall(".//testcase//property")  # noqa: S314
    return [json.loads(p.get("value")) for p in properties if p.get("name") == "circuits"]


def test_junit_prints_every_row_once(one_test):
    result = one_test.run(
        "--circuits", "--circuits-model", "c=bundled:recall-regressed", "--junitxml=out.xml"
    )
    assert result.ret == 1
    (row,) = rows_of(one_test.path / "out.xml")
    assert row["verdict"] == "lost"
    assert row["alias"] == "c"
    assert row["owner"] == "recall"
    assert row["headline"].endswith("repeat loss rose 0.00 → 4.16; L1H3 0.97→0.00 +3")
    assert row["passes"] is False
    assert row["written"] is False


TELLS = """
def pytest_runtest_logreport(report):
    if report.when == "teardown":
        print("has", sorted(name for name, _ in report.user_properties))
"""


def test_a_test_that_runs_again_says_once_why_it_is_not_remembered(one_test):
    one_test.write("conftest.py", f"import os\n{TWICE}\nos.environ.get('MODE')\n{TELLS}")
    said = [line for line in one_test.run("--circuits", "-s").stdout.lines if "has [" in line]
    assert [line.partition("has ")[2] for line in said] == [
        "['circuits', 'circuits_not_remembered']"
    ] * 2


def test_junit_says_what_was_written(suite):
    suite.write("test_heads.py", f"{ONE_TEST}\n\ndef test_fails(circuits, circuit_snapshot):\n"
                "    assert circuits.repeat_loss() == circuit_snapshot\n    assert 0")  # fmt: skip
    suite.run("--circuits", "--snapshot-update", "--junitxml=out.xml")
    rows = rows_of(suite.path / "out.xml")
    assert {row["test"]: row["written"] for row in rows} == {
        "test_heads.py::test_heads[recall]": True,
        "test_heads.py::test_fails[recall]": False,
    }


# xdist

RECORDS_WORKERS = """
import os
from pathlib import Path

from pytest_circuits.session.session import SESSION

HERE = Path(__file__).parent
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "serial")


def pytest_runtest_teardown(item):
    with (HERE / f"{WORKER}.tests").open("a") as file:
        file.write(f"{item.nodeid}\\n")


def pytest_unconfigure(config):
    if SESSION in config.stash:
        (HERE / f"{WORKER}.loads").write_text(str(config.stash[SESSION].models.pool.loads))
"""


def workers(suite):
    """The tests that each worker ran."""
    return {path.stem: path.read_text().split() for path in sorted(suite.path.glob("gw*.tests"))}


@pytest.mark.nightly
def test_two_workers_say_the_same_as_one_process_and_load_each_model_once(suite):
    suite.ini(RECALL, OTHER)
    suite.write("conftest.py", RECORDS_WORKERS)
    suite.write("test_heads.py", TWO)
    suite.write("test_more.py", f"{ONE_TEST}\n\ndef test_plain():\n    pass")
    models = ("--circuits-model", "recall", "--circuits-model", "tuned=bundled:recall-regressed")
    suite.approve("--circuits-model", "recall", "--circuits-model", "tuned")
    serial = suite.run("--circuits", "--circuits-fresh", *models)
    result = suite.run("--circuits", "--circuits-fresh", *models, "-n", "2")
    assert (
        (result.ret, counts(result))
        == (serial.ret, counts(serial))
        == (
            1,
            {"passed": 5, "failed": 2},
        )
    )
    assert section(result) == section(serial)
    assert "6 findings: 2 lost, 2 preserved, 2 not judged" in section(result)
    homes = {
        alias: {
            worker
            for worker, tests in workers(suite).items()
            if any(test.endswith(f"[{alias}]") for test in tests)
        }
        for alias in ("recall", "tuned")
    }
    assert [len(home) for home in homes.values()] == [1, 1]
    assert homes["recall"] != homes["tuned"]
    loads = [int((suite.path / f"{worker}.loads").read_text()) for worker in ("gw0", "gw1")]
    assert loads == [1, 1]


LIGHT = """
import time

import pytest


@pytest.mark.parametrize("n", range(8))
def test_light(circuit_source, n):
    time.sleep(0.05)
"""


@pytest.mark.parametrize(
    ("options", "used"),
    [
        pytest.param((), 1, id="by model"),
        pytest.param(("--dist", "load"), 2, id="as the user chose"),
    ],
)
def test_the_tests_of_a_model_go_to_one_worker_unless_the_user_chose_otherwise(
    suite, options, used
):
    suite.write("conftest.py", RECORDS_WORKERS)
    suite.write("test_light.py", LIGHT)
    result = suite.run("--circuits", "-n", "2", *options)
    assert (result.ret, counts(result)) == (0, {"passed": 8})
    assert len(workers(suite)) == used


def test_a_worker_that_is_lost_leaves_the_run_incomplete(suite):
    suite.write(
        "test_light.py",
        "import os\n\ndef test_dies(circuit_source):\n    os._exit(1)",
    )
    result = suite.run("--circuits", "-n", "1", "--max-worker-restart", "0")
    assert result.ret == 1
    assert section(result) == [
        "no findings",
        "incomplete: 1 circuit test(s) did not run to a verdict",
        "  test_light.py::test_dies[recall]",
    ]


@pytest.mark.parametrize(
    ("nodeid", "alias"),
    [
        ("test_a.py::test_b[recall]", "recall"),
        ("test_a.py::test_b[x-recall]", "recall"),
        ("test_a.py::TestC::test_b[x-y-recall]", "recall"),
        ("test_a.py::test_b[a[b]-recall]", "recall"),
        ("test_a.py::test_b[recall-tuned]", "tuned"),
        ("test_a.py::test_b[tuned-500]", "tuned-500"),
        ("test_a.py::test_b[x-500]", "500"),
        ("test_a.py::test_b[recalls]", None),
        ("test_a.py::test_b[recall-x]", None),
        ("test_a.py::test_recall", None),
        ("test_a.py::test_b", None),
    ],
)
def test_the_alias_is_read_off_the_end_of_a_node_id(nodeid, alias):
    assert model_of(nodeid, frozenset({"recall", "tuned", "tuned-500", "500"})) == alias
