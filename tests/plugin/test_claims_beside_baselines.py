"""A claim beside a comparison: what it is a share of, and where it can't hold."""

import pytest
from circuit_suites import WITHOUT_MODELS, counts

CONFTEST = """
@pytest.fixture
def heads(circuit_source):
    def make(scale, *, tokens="a", block=4, measure="head_attribution"):
        values = scale * np.array([[0.1, -0.9], [2.0, 1.0]])
        return Finding(
            measure, measure.replace("_", " "), "logits", Direction.TWO_SIDED,
            ("layer", "head"), values, np.full((2, 2), 0.01), 3, 3,
            {"block": block}, {"kind": "pairs", "tokens": tokens},
        )

    return make
"""
IMPORTS = """
import pytest

from pytest_circuits import assert_attends, assert_behaviour, assert_head_ranking

TOP = ["L1H0", "L1H1"]
"""


@pytest.fixture
def approved(suite):
    """Stores what a test finds, and writes it anew to run what it says then."""

    def write(body):
        lines = "\n    ".join(body.strip().splitlines())
        test = f"\n\ndef test_it(heads, found, circuit_snapshot):\n    {lines}\n"
        suite.write("test_it.py", IMPORTS + test)

    def store(body="assert heads(1.0) == circuit_snapshot"):
        write(body)
        suite.approve()

    def run(body, *arguments):
        write(body)
        return suite.run("--circuits", *arguments)

    suite.write("conftest.py", WITHOUT_MODELS + CONFTEST)
    suite.store, suite.now = store, run
    return suite


RANKED = """
found = heads({scale})
{compared}
assert_head_ranking(found, top=TOP{options})
"""
COMPARED = "assert found == circuit_snapshot"


@pytest.mark.parametrize(
    ("scale", "compared", "options", "passes"),
    [
        (0.6, COMPARED, "", True),
        (0.4, COMPARED, "", False),
        (0.4, COMPARED, ", at_least=0.1", True),
        (0.4, COMPARED, ", at_least=0.9", False),
        # Also where it is not compared itself, or not yet.
        (0.4, "", "", False),
        (0.4, "", ", at_least=0.1", True),
        (0.6, "", "", True),
        (0.4, "circuit_snapshot.judge(found)", "", False),
        (0.4, "assert heads(0.4) == circuit_snapshot", "", False),
        (0.4, COMPARED, ", at_least=0.3, of=circuit_snapshot.approved", True),
        (0.4, COMPARED, ", at_least=0.5, of=circuit_snapshot.approved", False),
    ],
)
def test_beside_its_baseline_each_head_that_is_named_has_half_of_it(
    approved, scale, compared, options, passes
):
    approved.store()
    body = RANKED.format(scale=scale, compared=compared, options=options)
    result = approved.now(body, "--circuits-gate=never")
    assert counts(result) == ({"passed": 1} if passes else {"failed": 1})


def test_a_claim_before_the_comparison_has_the_same_default(approved):
    approved.store()
    body = (
        "found = heads({})\nassert_head_ranking(found, top=TOP)\nassert found == circuit_snapshot"
    )
    for scale, expected in ((0.4, {"failed": 1}), (0.6, {"passed": 1})):
        assert counts(approved.now(body.format(scale), "--circuits-gate=never")) == expected


def test_the_share_is_said_in_words(approved):
    approved.store()
    body = RANKED.format(scale=0.4, compared=COMPARED, options="")
    result = approved.now(body, "--circuits-gate=never")
    result.stdout.fnmatch_lines(
        [
            (
                "E *head attribution: the ranking should begin L1H0, L1H1, each with at least 0.5 "
                "of the baseline's"
            ),
            "E *  L1H0 0.800: 0.200 short of 1.000",
            "E *  L1H1 0.400: 0.100 short of 0.500",
        ]
    )


@pytest.mark.parametrize("arguments", [(), ("--snapshot-update",)])
def test_what_is_new_or_approved_is_a_share_of_nothing(approved, arguments):
    body = RANKED.format(scale=0.4, compared=COMPARED, options="")
    if arguments:
        approved.store()
    assert counts(approved.now(body, *arguments)) == {"passed": 1}


# Another quantity


NOT_CLAIMED = {
    "of itself": """
found = heads(1.0, tokens="b")
_ = found == circuit_snapshot
assert_head_ranking(found, top=TOP)
""",
    "before it is compared": """
found = heads(1.0, tokens="b")
assert_head_ranking(found, top=TOP)
_ = found == circuit_snapshot
""",
    "a share of its baseline": """
found = heads(1.0, tokens="b")
_ = found == circuit_snapshot
assert_head_ranking(found, top=TOP, at_least=0.1, of=circuit_snapshot.approved)
""",
    "a share of it": """
found = heads(1.0, tokens="b")
_ = found == circuit_snapshot
assert_head_ranking(heads(1.0, tokens="b"), top=TOP, at_least=0.1, of=found)
""",
    "of another finding": """
_ = heads(1.0, tokens="b") == circuit_snapshot
assert_behaviour(found(1.0), at_least=0.5)
""",
    "of another finding, before": """
assert_behaviour(found(1.0), at_least=0.5)
_ = heads(1.0, tokens="b") == circuit_snapshot
""",
    "by another convention": """
found = heads(1.0, block=5)
_ = found == circuit_snapshot
assert_head_ranking(found, top=TOP)
""",
    "caught": """
found = heads(1.0, tokens="b")
_ = found == circuit_snapshot
with pytest.raises(AssertionError):
    assert_head_ranking(found, top=["L0H0"])
""",
    "in a test that is skipped then": """
found = heads(1.0, tokens="b")
assert_head_ranking(found, top=TOP)
_ = found == circuit_snapshot
pytest.skip("later")
""",
}


@pytest.mark.parametrize("body", NOT_CLAIMED.values(), ids=NOT_CLAIMED)
def test_no_claim_holds_of_another_quantity_than_the_baseline(approved, body):
    approved.store()
    result = approved.now(body, "--circuits-gate=never")
    assert counts(result) == {"failed": 1}
    result.stdout.fnmatch_lines(
        ["E *: no claim holds, as *is another quantity than its baseline", "E *incomparable: *"]
    )
    # The gate lets the comparison pass, and has no say in claims.
    assert "The test went on after this" not in result.stdout.str()


def test_it_says_what_differs_and_in_which_finding(approved):
    approved.store()
    result = approved.now(NOT_CLAIMED["of another finding"], "--circuits-gate=never")
    result.stdout.fnmatch_lines(
        [
            (
                "E *induction score: no claim holds, as head_attribution, which this test "
                "compares, is another quantity than its baseline"
            ),
            "E *incomparable: *",
            "E *prompts.tokens differs: a → b",
        ]
    )


CLAIMED = {
    "approved": (
        """
found = heads(1.0, tokens="b")
assert found == circuit_snapshot
assert_head_ranking(found, top=TOP)
""",
        "--snapshot-update",
    ),
    "compared itself": (
        """
found = heads(1.0)
assert found == circuit_snapshot
_ = heads(1.0, tokens="b") == circuit_snapshot(name="other")
assert_head_ranking(found, top=TOP)
""",
        "--circuits-gate=never",
    ),
    "only judged": (
        """
found = heads(1.0, tokens="b")
assert circuit_snapshot.judge(found).kind == "incomparable"
assert_head_ranking(found, top=TOP)
""",
        "--circuits-gate=never",
    ),
    "in another test": (
        """
assert heads(1.0) == circuit_snapshot


def test_other(heads, circuit_snapshot):
    _ = heads(1.0, tokens="b") == circuit_snapshot


def test_third(heads):
    assert_head_ranking(heads(1.0, tokens="b"), top=TOP)
""",
        "--circuits-gate=never",
    ),
}


@pytest.mark.parametrize(("body", "gate"), CLAIMED.values(), ids=CLAIMED)
def test_claims_hold_of_what_is_compared_or_approved(approved, body, gate):
    approved.store(
        """
assert heads(1.0) == circuit_snapshot
assert heads(1.0) == circuit_snapshot(name="other")
"""
    )
    assert "failed" not in counts(approved.now(body, gate))


def test_under_the_default_gate_the_comparison_fails_the_test_by_itself(approved):
    approved.store()
    result = approved.now(NOT_CLAIMED["before it is compared"])
    assert counts(result) == {"failed": 1}
    assert "no claim holds" not in result.stdout.str()
    result.stdout.fnmatch_lines(["E *incomparable: *"])


def test_a_waiver_lets_the_comparison_pass_and_no_claim(approved):
    approved.store()
    approved.write(
        "test_it.py",
        f"{IMPORTS}\n"
        "@pytest.mark.circuits(accept='incomparable', until='2999-01-01', reason='new words')\n"
        "def test_it(heads, circuit_snapshot):\n"
        "    found = heads(1.0, tokens='b')\n"
        "    assert found == circuit_snapshot\n"
        "    assert_head_ranking(found, top=TOP)\n",
    )
    result = approved.run("--circuits")
    assert counts(result) == {"failed": 1}
    result.stdout.fnmatch_lines(["E *head attribution: no claim holds, as it is *"])
