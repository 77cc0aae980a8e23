"""The JSON report: the table tests × models, and what a run comes to."""

import json

import pytest
from handmade_rows import failed, left, row, run

from pytest_circuits.report import FailedTest, document, json_report
from pytest_circuits.verdicts import About, Change, Reason

ROWS = [
    row(number=4.0, owner="recall", outcome="passed"),
    row(
        "lost", alias="tuned", number=0.5, owner="recall", headline="L1H0 1.00→0.00 +3",
        reasons=(
            Reason(Change.LEFT, About.HEAD, "L1H0", "score", 1.0, 0.0, 0.1, null=0.02),
            Reason(Change.MOVED, About.HEAD, "L1H1", "score", 0.9, 0.8, 0.09, other="L1H2"),
            Reason(Change.DIFFERS, About.FIELD, "prompts.hash", "", "1f", "2e"),
        ),
        more_reasons=3, passes=False,
        outcome="failed", scope="specific", canary=(4.75123456, 4.77), line=12,
        failure="assert lost",
    ),
    row("weakened", "t.py::test_b[x]", name="other", waived=True, waiver="until 2027-01-31: x"),
]  # fmt: skip


def test_a_cell_holds_all_there_is_to_say_of_a_finding():
    tests = document(run(*ROWS))["tests"]
    assert [(t["test"], t["name"], t["measure"], list(t["verdicts"])) for t in tests] == [
        ("t.py::test_b[x]", "other", "m", ["recall"]),
        ("test_a.py::test_heads", "", "m", ["recall", "tuned"]),
    ]
    assert tests[1]["verdicts"]["tuned"] == {
        "verdict": "lost",
        "number": 0.5,
        "headline": "L1H0 1.00→0.00 +3",
        "reasons": [
            {
                "subject": "L1H0",
                "about": "head",
                "change": "left",
                "quantity": "score",
                "before": 1.0,
                "after": 0.0,
                "tolerance": 0.1,
                "null": 0.02,
                "other": None,
                "identity": None,
                "text": "L1H0 left the role: score 1.00 → 0.00 (tolerance 0.10, null 0.02)",
            },
            {
                "subject": "L1H1",
                "about": "head",
                "change": "moved",
                "quantity": "score",
                "before": 0.9,
                "after": 0.8,
                "tolerance": 0.09,
                "null": None,
                "other": "L1H2",
                "identity": None,
                "text": "L1H1 moved to L1H2: score 0.90 → 0.80 (tolerance 0.09)",
            },
            {
                "subject": "prompts.hash",
                "about": "field",
                "change": "differs",
                "quantity": None,
                "before": "1f",
                "after": "2e",
                "tolerance": 0.0,
                "null": None,
                "other": None,
                "identity": None,
                "text": "prompts.hash differs: 1f → 2e",
            },
        ],
        "more_reasons": 3,
        "settlement": None,
        "passes": False,
        "outcome": "failed",
        "waived": False,
        "waiver": "",
        "owner": "recall",
        "written": False,
        "pending": False,
        "redundant": False,
        "own_tolerance": False,
        "claimed": False,
        "remembered": False,
        "scope": "specific",
        "canary": [4.7512, 4.77],
        "canary_of": "canary",
        "own": "",
        "no_canary": False,
        "line": 12,
        "failure": "assert lost",
        "details": None,
    }
    assert tests[0]["verdicts"]["recall"]["waived"] is True
    assert tests[0]["verdicts"]["recall"]["number"] is None
    assert tests[0]["verdicts"]["recall"]["scope"] is None


def test_models_have_their_source_as_written_their_owners_and_their_canary():
    models = document(run(*ROWS, models=["tuned", "recall"]))["models"]
    assert [len(model.pop("causes")) for model in models] == [1, 1]
    assert [model.pop("traded") for model in models] == [None, None]
    assert models == [
        {
            "alias": "tuned",
            "source": "bundled:tuned",
            "owners": ["tuned", "recall"],
            "declared": True,
            "options": [],
            "scope": "specific",
            "canary": {
                "of": "canary",
                "before": 4.7512,
                "after": 4.77,
                "text": "the canary held 4.75 → 4.77",
            },
        },
        {
            "alias": "recall",
            "source": "bundled:recall",
            "owners": ["recall"],
            "declared": True,
            "options": [],
            "scope": None,
            "canary": None,
        },
    ]


def test_the_summary_counts_findings():
    rows = [*ROWS, row("preserved", "t.py::test_c", own_tolerance=True, remembered=True)]
    assert document(run(*rows, gate="regression"))["summary"] == {
        "findings": 4,
        "verdicts": {"lost": 1, "weakened": 1, "preserved": 2},
        "causes": 2,
        "failing": 1,
        "judged": 4,
        "remembered": 1,
        "waived": 1,
        "failed_claims": 0,
        "failed_without_finding": 0,
        "uncollected": 0,
    }


def test_a_test_that_failed_though_its_findings_pass_is_counted_once():
    claim = {"outcome": "failed", "failure": "assert 3 >= 4"}
    rows = [row(name="one", **claim), row(name="two", **claim), row("preserved", "t.py::test_c")]
    made = document(run(*ROWS[1:], *rows))["summary"]
    assert (made["failing"], made["failed_claims"]) == (1, 1)


def test_a_module_that_could_not_be_collected_is_no_test_that_failed():
    module = FailedTest("test_b.py", "", "SyntaxError: invalid syntax")
    made = document(run(*ROWS, failed=(module, failed("t.py::test_c"))))["summary"]
    assert (made["failed_without_finding"], made["uncollected"]) == (1, 1)


def test_tests_that_failed_without_a_finding_are_named_with_their_failure_and_counted():
    first = failed(alias="nan")._replace(message="ValueError: NaN", line=9)
    silent = [failed("t.py::test_b[x]", "nan"), first, failed("t.py::test_c", "")]
    made = document(run(*ROWS, models=["recall", "nan"], failed=tuple(silent), unfinished=left(2)))
    assert [(each["test"], each["model"]) for each in made["failed"]] == [
        ("t.py::test_b[x-nan]", "nan"),
        ("t.py::test_c[]", ""),
        ("test_a.py::test_heads[nan]", "nan"),
    ]
    assert made["failed"][2]["message"] == "ValueError: NaN"
    assert [each["line"] for each in made["failed"]] == [None, None, 9]
    assert made["summary"]["failed_without_finding"] == 3
    assert made["unfinished"] == list(left(2))


def test_the_document_says_its_version_the_gate_and_how_pytest_ended():
    made = document(run(*ROWS, gate="change", exit_status=1, options=("--circuits-device=cpu",)))
    assert made["schema_version"] == 4
    assert (made["gate"], made["exit_status"]) == ("change", 1)
    assert made["options"] == ["--circuits-device=cpu"]
    assert made["compared"] is None
    assert document(run(compared=("main", "HEAD")))["compared"] == ["main", "HEAD"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, "complete"),
        ({"exit_status": 1, "failed": (failed(),)}, "complete"),
        ({"exit_status": 5}, "complete"),
        ({"exit_status": None}, "incomplete"),
        ({"exit_status": 2}, "incomplete"),
        ({"exit_status": 3}, "incomplete"),
        ({"exit_status": 1, "unfinished": left(1)}, "incomplete"),
        ({"exit_status": 1, "failed": (FailedTest("test_b.py", ""),)}, "incomplete"),
    ],
)
def test_the_document_says_whether_the_run_came_to_its_end(fields, status):
    made = document(run(*ROWS, **fields))
    assert (made["status"], made["exit_status"]) == (status, fields.get("exit_status", 0))


def test_the_order_in_which_workers_reported_does_not_matter():
    models = ["recall", "tuned"]
    there, back = (json_report(run(*r, models=models)) for r in (ROWS, ROWS[::-1]))
    assert there == back


def test_a_run_without_findings_is_a_document_too():
    made = document(run(models=["recall"], unfinished=left(1)))
    assert (made["tests"], made["unfinished"]) == ([], list(left(1)))


def test_the_report_is_the_document_as_json():
    text = json_report(run(*ROWS))
    assert json.loads(text) == document(run(*ROWS))
    assert text.endswith("}\n")
