"""A verdict that a marker accepts for a while."""

from datetime import date, timedelta

import pytest
from circuit_suites import block, counts, edit_baseline

TODAY = date.today()
YESTERDAY = TODAY - timedelta(days=1)

TEST = """
import pytest

@pytest.mark.circuits({arguments})
def test_heads(circuits, circuit_snapshot):
    assert circuits.induction_scores() == circuit_snapshot
"""


def weaken(suite):
    def change(document):
        document["values"][1][0] += 0.3

    edit_baseline(suite.baseline, change)


def mark(suite, arguments):
    suite.write("test_heads.py", TEST.format(arguments=arguments))


def waiver(accept="weakened", until=TODAY, reason="retrained on code"):
    return f'accept={accept!r}, until="{until}", reason="{reason}"'


@pytest.mark.parametrize("accept", ["weakened", ("lost", "weakened")])
@pytest.mark.parametrize("until", [TODAY, date.max])
def test_an_accepted_verdict_passes_and_is_shown_with_its_reason(one_test, accept, until):
    weaken(one_test)
    mark(one_test, waiver(accept, until))
    result = one_test.run("--circuits")
    assert (result.ret, counts(result)) == (0, {"passed": 1})
    text = " ".join(result.stdout.str().split())
    assert f"until {until}: retrained on code" in text
    assert "L1H0 1.29→0.99" in text


def test_from_the_day_after_its_last_one_it_is_void_and_the_failure_says_so(one_test):
    weaken(one_test)
    mark(one_test, waiver(until=YESTERDAY))
    result = one_test.run("--circuits")
    assert (result.ret, counts(result)) == (1, {"failed": 1})
    explained = block(result.stdout.str(), "assert weakened")
    assert explained[1] == f"waiver ended {YESTERDAY}: retrained on code"


def test_it_accepts_no_other_verdict(one_test):
    weaken(one_test)
    mark(one_test, waiver(accept="lost"))
    result = one_test.run("--circuits")
    assert (result.ret, counts(result)) == (1, {"failed": 1})


def test_it_accepts_what_a_stricter_gate_fails(one_test):
    def change(document):
        document["values"][1] = [value - 0.3 for value in document["values"][1]]

    edit_baseline(one_test.baseline, change)
    assert one_test.run("--circuits", "--circuits-gate", "change").ret == 1
    mark(one_test, waiver(accept="strengthened"))
    assert one_test.run("--circuits", "--circuits-gate", "change").ret == 0


def test_a_waiver_writes_nothing(one_test):
    weaken(one_test)
    mark(one_test, waiver())
    before = one_test.age()
    assert one_test.run("--circuits").ret == 0
    assert one_test.stamps() == before


def test_an_assertion_beside_the_comparison_still_holds(one_test):
    weaken(one_test)
    one_test.write("test_heads.py", TEST.format(arguments=waiver()) + "    assert False")
    assert one_test.run("--circuits").ret == 1


def test_a_module_may_have_one_for_all_its_tests(one_test):
    weaken(one_test)
    text = TEST.format(arguments="").replace(
        "import pytest", f"import pytest\npytestmark = pytest.mark.circuits({waiver()})"
    )
    one_test.write("test_heads.py", text)
    assert one_test.run("--circuits").ret == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ('"weakened"', "a waiver needs accept, until, reason, as in"),
        ('accept="weakened"', "a waiver needs until, reason, as in"),
        (f"{waiver()}, for_ever=True", "a waiver does not know 'for_ever', as in"),
        (waiver(accept="worse"), "a waiver's accept is one or more of relocated, "),
        (waiver(until="soon"), "a waiver's until is its last day, written as 2027-01-31, not"),
        (waiver(reason=" "), "a waiver's reason is a text that says why, not"),
    ],
)
def test_a_marker_that_is_no_waiver_fails_its_test_and_says_why(one_test, arguments, message):
    mark(one_test, arguments)
    result = one_test.run("--circuits")
    assert result.ret == 1
    assert counts(result) == {"errors": 1}
    result.stdout.fnmatch_lines([f"{message}*"])
    assert "Traceback" not in result.stdout.str()


def test_without_the_flag_a_marker_with_arguments_is_a_skip_as_any_other(one_test):
    mark(one_test, waiver())
    result = one_test.run()
    assert (result.ret, counts(result)) == (0, {"skipped": 1})
