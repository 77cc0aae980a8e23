"""Judged is what was compared, or held by an assertion; in CI a test that judged nothing fails."""

import json

import pytest
from circuit_suites import WITHOUT_MODELS, counts

JUDGES = {
    "compares": "assert found(1.0) == circuit_snapshot",
    "looks": "assert circuit_snapshot.judge(found(1.0)).kind == 'new'",
    "asserts": "assert_behaviour(found(1.0), at_least=0.5)",
    "expects_a_false_claim": (
        "with pytest.raises(AssertionError):\n        assert_behaviour(found(1.0), at_least=5.0)"
    ),
    "asserts_in_a_thread": (
        "with ThreadPoolExecutor(1) as pool:\n"
        "        pool.submit(assert_behaviour, found(1.0), at_least=0.5).result()"
    ),
}
JUDGES_NOTHING = {
    "measures": "found(1.0)",
    "asserts_plainly": "assert float(found(1.0)) > 0.5",
    "looks_at_no_finding": (
        "with pytest.raises(TypeError):\n        assert_behaviour('no finding', at_least=1)"
    ),
    "has_a_snapshot": "assert circuit_snapshot is not None",
}
DOES_NOT_COUNT = {
    "skips": "pytest.skip('later')",
    "is_expected_to_fail": "pytest.xfail('known')",
    "fails": "assert 1 == 2",
}
IMPORTS = """
from concurrent.futures import ThreadPoolExecutor

import pytest

from pytest_circuits import assert_behaviour
"""


def module_of(bodies):
    return IMPORTS + "".join(
        f"\n\ndef test_{name}(found, circuit_snapshot):\n    {body}\n"
        for name, body in bodies.items()
    )


@pytest.fixture
def found(suite):
    suite.write("conftest.py", WITHOUT_MODELS)
    return suite


def failed(result):
    """What failed, and the first line of why."""
    lines = [line for line in result.stdout.lines if line.startswith("FAILED ")]
    parted = (
        line.removeprefix("FAILED test_all.py::test_").partition("[recall] - ") for line in lines
    )
    return {name: why for name, _, why in parted}


def test_a_test_that_judged_nothing_fails_where_it_is_to(found):
    found.write("test_all.py", module_of(JUDGES | JUDGES_NOTHING | DOES_NOT_COUNT))
    result = found.run("--circuits", "--circuits-unjudged=fail")
    assert failed(result).keys() == JUDGES_NOTHING.keys() | {"fails"}
    assert counts(result) == {"passed": 5, "failed": 5, "skipped": 1, "xfailed": 1}
    assert "circuits: unjudged fail (command line)" in result.stdout.lines
    result.stdout.fnmatch_lines(
        [
            "nothing was judged: `circuits` measured no finding.",
            "  against its baseline:  assert finding == circuit_snapshot",
            "  by a claim:            assert_behaviour(finding, at_most=…), or another assert_[*]",
            "  by its verdict alone:  circuit_snapshot.judge(finding).kind",
            "*all tests of the suite*set `circuits_unjudged = allow` in the ini.",
        ]
    )


def test_the_failure_says_how_many_findings_nothing_was_made_of(suite):
    suite.write(
        "test_all.py",
        "def test_bare(circuits):\n"
        "    assert float(circuits.repeat_loss()) < 0.1\n"
        "    circuits.repeat_loss()\n",
    )
    result = suite.run("--circuits", "--circuits-unjudged=fail")
    assert counts(result) == {"failed": 1}
    result.stdout.fnmatch_lines(
        ["nothing was judged: of the 2 findings that `circuits` measured none was held."]
    )


@pytest.mark.parametrize(
    ("ci", "ini", "fails"),
    [
        ("", "", False),
        ("1", "", True),
        ("1", "allow", False),
        ("", "fail", True),
        ("1", "auto", True),
    ],
)
def test_in_ci_it_is_to_unless_the_ini_says_otherwise(found, monkeypatch, ci, ini, fails):
    monkeypatch.setenv("CI", ci)
    found.ini(**({"circuits_unjudged": ini} if ini else {}))
    found.write("test_all.py", module_of({"measures": "found(1.0)"}))
    result = found.run("--circuits")
    assert (result.ret, counts(result)) == ((1, {"failed": 1}) if fails else (0, {"passed": 1}))
    assert ("circuits: unjudged" in result.stdout.str()) == bool(ini)


def test_a_word_that_is_none_is_refused(found):
    found.ini(circuits_unjudged="never")
    result = found.run("--circuits")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*unjudged 'never' (pytest.ini) is not one of auto, fail, allow"])


def test_what_passes_though_it_should_fail_is_not_taken_for_an_expected_failure(found):
    found.write(
        "test_all.py",
        "import pytest\n"
        "@pytest.mark.xfail(strict=True)\n"
        "def test_strict(found): found(1.0)\n"
        "@pytest.mark.xfail\n"
        "def test_loose(found): found(1.0)\n",
    )
    result = found.run("--circuits", "--circuits-unjudged=fail")
    assert counts(result) == {"failed": 1, "xpassed": 1}


def test_tests_that_are_no_circuit_tests_are_left_alone(found):
    found.write("test_all.py", "def test_plain(): pass")
    assert found.run("--circuits", "--circuits-unjudged=fail").ret == 0


TWO = """
def test_two(found, circuit_snapshot):
    assert found(1.0) == circuit_snapshot
    assert found(2.0) == circuit_snapshot(name="an other")
"""
ONE = "\n".join(TWO.splitlines()[:-1])


def test_stored_findings_that_were_not_compared_fail_their_test_and_can_be_removed(found):
    from pytest_circuits.cli import main

    found.write("test_all.py", TWO)
    found.approve()
    assert found.run("--circuits", "--circuits-unjudged=fail").ret == 0
    found.write("test_all.py", ONE)
    result = found.run("--circuits", "--circuits-unjudged=fail")
    assert counts(result) == {"failed": 1}
    file = "__circuits__/recall/test_all/test_two.json"
    result.stdout.fnmatch_lines(
        [
            "1 stored finding is not compared by this test: 'an other'.",
            "Compare what is still wanted, and remove what isn't:",
            f"  pytest-circuits remove {file} 'an other'",
        ]
    )
    assert found.run("--circuits").ret == 0
    assert main(["remove", file, "an other"]) == 0
    assert found.run("--circuits", "--circuits-unjudged=fail").ret == 0


def test_having_only_the_verdict_is_a_comparison_here(found):
    found.write("test_all.py", TWO)
    found.approve()
    looks = '    assert circuit_snapshot(name="an other").judge(found(1.0)).kind == "weakened"'
    found.write("test_all.py", f"{ONE}\n{looks}")
    assert found.run("--circuits", "--circuits-unjudged=fail").ret == 0


def test_what_a_parent_holds_is_to_be_compared_on_its_children_too(found):
    found.write("test_all.py", TWO)
    found.approve()
    found.ini("recall = bundled:recall", "tuned = bundled:recall-finetuned < recall")
    skips = ONE.replace("    assert", "    if circuit_source.alias == 'tuned': return\n    assert")
    found.write("test_all.py", skips.replace("(found", "(circuit_source, found"))
    arguments = ("--circuits", "--circuits-unjudged=fail", "--circuits-model=tuned")
    result = found.run(*arguments)
    assert counts(result) == {"failed": 1}
    result.stdout.fnmatch_lines(["nothing was judged: *"])
    found.write("test_all.py", ONE)
    result = found.run(*arguments, "--circuits-gate=never")
    assert counts(result) == {"failed": 1}
    result.stdout.fnmatch_lines(["  pytest-circuits remove __circuits__/recall/*"])


def test_reports_say_how_many_were_judged(found):
    found.write("test_all.py", module_of(JUDGES))
    result = found.run("--circuits", "--circuits-json=r.json")
    figures = json.loads((found.path / "r.json").read_text())["summary"]
    # A new one has nothing that it was held against, and of a verdict alone there is no row.
    assert figures["verdicts"] == {"new": 1, "asserted": 3}
    assert figures["judged"] == 3
    result.stdout.fnmatch_lines(["asserted test_asserts *recall induction score 1.06"])


def test_a_measured_finding_that_others_are_held_against_is_judged(suite):
    suite.write(
        "test_all.py",
        "from pytest_circuits import assert_behaviour\n"
        "def test_loss(circuits):\n"
        "    first, second = circuits.repeat_loss(), circuits.repeat_loss()\n"
        "    circuits.repeat_loss()\n"
        "    assert_behaviour(first, at_most=1.1, of=second)\n",
    )
    result = suite.run("--circuits", "--circuits-unjudged=fail")
    assert counts(result) == {"passed": 1}
    result.stdout.fnmatch_lines(["3 findings: 2 asserted, 1 not judged*"])


def test_under_dash_o_a_run_holds_what_it_holds_or_is_refused(found, monkeypatch):
    stored = dict.fromkeys(("asserted", "not_asserted"), JUDGES["compares"])
    found.write("test_all.py", module_of(stored))
    found.approve()
    changed = {
        "asserted": "assert found(0.2) == circuit_snapshot",
        "not_asserted": "found(0.2) == circuit_snapshot",
        "claimed": "assert_behaviour(found(1.0), at_least=5.0)",
    }
    found.write("test_all.py", module_of(changed))
    monkeypatch.setenv("PYTHONOPTIMIZE", "1")
    refused = found.run_apart("--circuits", "--assert=plain")
    assert refused.ret == 4
    refused.stderr.fnmatch_lines(["*ERROR: --circuits with `python -O` * and --assert=plain: *"])
    result = found.run_apart("--circuits")
    assert counts(result) == {"failed": 3}


HOLDS_TOO = """
from pytest_circuits import assert_behaviour

def test_two(found, circuit_snapshot):
    first, second, third = found(1.0), found(1.0), found(1.0)
    assert first == circuit_snapshot
    assert second == circuit_snapshot(name="second")
    assert third == circuit_snapshot(name="third")
    assert_behaviour(second, at_least=0.5)
"""
NEW_ONE = """
def test_one(found, circuit_snapshot):
    assert found(1.0) == circuit_snapshot
"""
APPROVE = "approve what is new: pytest --circuits --snapshot-update"


def test_a_new_finding_that_an_assertion_holds_too_is_judged(found):
    found.write("test_all.py", HOLDS_TOO)
    result = found.run("--circuits", "--circuits-json=r.json")
    figures = json.loads((found.path / "r.json").read_text())["summary"]
    assert (figures["verdicts"], figures["judged"]) == ({"new": 3}, 1)
    assert "nothing was judged" not in result.stdout.str()


def test_a_run_says_how_to_approve_what_is_new(found, monkeypatch):
    found.ini("recall = bundled:recall", "tuned = bundled:recall-finetuned")
    found.write("test_all.py", NEW_ONE)
    assert APPROVE in found.run("--circuits").stdout.lines
    result = found.run("--circuits", "--circuits-model=tuned")
    result.stdout.fnmatch_lines(
        ["approve what is new: pytest --circuits --circuits-model tuned --snapshot-update"]
    )
    others = [
        ("--circuits-pending",),
        ("--circuits-model=bundled:recall-regressed",),
        ("--snapshot-update",),
        (),
    ]
    for arguments in others:
        assert "approve what" not in found.run("--circuits", *arguments).stdout.str(), arguments
    monkeypatch.setenv("CI", "1")
    found.write("test_all.py", NEW_ONE.replace("one", "two"))
    result = found.run("--circuits")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "approve what" not in result.stdout.str()
