"""Which tests are circuit tests, when they run, and how often."""

import pytest
from circuit_suites import CHILD, ONE_TEST, OTHER, RECALL, counts

REASON = "a circuit test: run it with --circuits"

EVERY_KIND = """
import pytest


def test_plain():
    pass


def test_handle(circuits):
    pass


def test_model(circuit_model):
    pass


def test_source(circuit_source):
    pass


def test_snapshot(circuit_snapshot):
    pass


@pytest.fixture
def scores(circuits):
    return circuits


def test_through_a_fixture(scores):
    pass


@pytest.mark.usefixtures("circuits")
def test_named():
    pass


@pytest.mark.circuits
def test_marked():
    pass


@pytest.mark.circuits
class TestMarked:
    def test_of_class(self):
        pass

    class TestInner:
        @pytest.mark.parametrize("n", [1, 2])
        def test_of_inner_class(self, n):
            pass


@pytest.mark.parametrize("n", [1, pytest.param(2, marks=pytest.mark.circuits)])
def test_partly(n):
    pass
"""
MARKED_MODULE = """
import pytest

pytestmark = pytest.mark.circuits


def test_of_module():
    pass


def test_of_module_too(circuits):
    pass
"""
#: test_partly's marker stands on one of its variants: it is skipped, but can't run per model.
CIRCUIT_TESTS = 13


@pytest.fixture
def every_kind(suite):
    suite.write("test_kinds.py", EVERY_KIND)
    suite.write("test_module.py", MARKED_MODULE)
    return suite


def test_without_the_flag_they_are_skipped_with_a_reason_that_names_it(every_kind):
    result = every_kind.run("-rs")
    assert (result.ret, counts(result)) == (0, {"passed": 2, "skipped": CIRCUIT_TESTS})
    reasons = [line for line in result.stdout.lines if line.startswith("SKIPPED")]
    assert reasons
    assert all(line.endswith(REASON) for line in reasons)


def test_with_the_flag_they_run(every_kind):
    result = every_kind.run("--circuits")
    assert (result.ret, counts(result)) == (0, {"passed": CIRCUIT_TESTS + 2})


@pytest.mark.parametrize("flags", [(), ("--circuits",)])
def test_the_marker_selects_and_deselects_them(every_kind, flags):
    others = every_kind.run(*flags, "-m", "not circuits")
    assert counts(others) == {"passed": 2, "deselected": CIRCUIT_TESTS}
    ours = every_kind.run(*flags, "-m", "circuits")
    outcome = "passed" if flags else "skipped"
    assert counts(ours) == {outcome: CIRCUIT_TESTS, "deselected": 2}


def test_they_run_once_for_every_model_also_where_only_a_marker_says_so(every_kind):
    every_kind.ini(RECALL, OTHER)
    result = every_kind.run("--circuits", "--circuits-model", "recall", "--circuits-model", "tuned")
    # The marked variant of test_partly can't: its function is not a circuit test.
    assert counts(result) == {"passed": 2 * (CIRCUIT_TESTS - 1) + 3}


def node_ids(suite, *arguments):
    lines = suite.run("--collect-only", "-q", *arguments).stdout.lines
    return [line for line in lines if "::" in line]


@pytest.mark.parametrize(
    "models", [(), ("--circuits-model", "tuned", "--circuits-model", "x=bundled:recall")]
)
def test_node_ids_are_the_same_with_and_without_the_flag(every_kind, models):
    every_kind.ini(RECALL, CHILD)
    plain, measured = node_ids(every_kind, *models), node_ids(every_kind, "--circuits", *models)
    assert plain == measured
    assert ("test_kinds.py::test_handle[recall]" in plain) == (not models)
    assert ("test_kinds.py::test_handle[x]" in plain) == bool(models)


def test_the_alias_ends_the_node_id(suite):
    suite.write(
        "test_heads.py",
        """
import pytest


@pytest.fixture(params=["p"])
def fixture(request):
    pass


@pytest.mark.parametrize("second", ["s"])
@pytest.mark.parametrize("first", ["f"])
def test_it(circuits, fixture, first, second):
    pass
""",
    )
    (node_id,) = node_ids(suite)
    assert node_id.endswith("-recall]")
    assert {"p", "f", "s"} < set(node_id.partition("[")[2].removesuffix("]").split("-"))


def test_without_any_model_declared_the_tests_are_skipped_once(suite):
    suite.write("pytest.ini", "[pytest]")
    suite.write("test_heads.py", ONE_TEST)
    assert node_ids(suite) == ["test_heads.py::test_heads[no-model]"]
    result = suite.run()
    assert (result.ret, counts(result)) == (0, {"skipped": 1})


# Fixtures asked for by name while a test runs

DYNAMIC = """
import pytest


@pytest.mark.parametrize("name", ["circuits", "circuit_model", "circuit_snapshot"])
def test_dynamic(request, name):
    request.getfixturevalue(name)
"""


def test_a_fixture_asked_for_in_the_test_skips_it_without_the_flag(suite):
    suite.write("test_heads.py", DYNAMIC)
    result = suite.run("-rs")
    assert (result.ret, counts(result)) == (0, {"skipped": 3})
    result.stdout.fnmatch_lines([f"SKIPPED * {REASON}"])


def test_a_fixture_asked_for_in_the_test_is_one_clear_error_with_the_flag(suite):
    suite.write("test_heads.py", DYNAMIC)
    result = suite.run("--circuits")
    assert (result.ret, counts(result)) == (1, {"failed": 3})
    assert result.stdout.str().count("a circuit fixture was asked for where the test can't") >= 3
    result.stdout.fnmatch_lines(
        [
            "Name it among the test function's arguments, or mark the test @pytest.mark.circuits",
            "(unittest classes can't do either: use a plain function).",
        ]
    )


def test_a_fixture_asked_for_in_a_marked_test_is_there(suite):
    suite.write("test_heads.py", DYNAMIC.replace("@pytest", "@pytest.mark.circuits\n@pytest", 1))
    result = suite.run("--circuits")
    assert (result.ret, counts(result)) == (0, {"passed": 3})


# What can't be a circuit test


@pytest.mark.parametrize("scope", ["class", "module", "package", "session"])
@pytest.mark.parametrize("ours", ["circuits", "circuit_snapshot"])
def test_a_wider_fixture_that_asks_for_ours_is_an_error_that_names_the_fix(suite, scope, ours):
    suite.write(
        "test_heads.py",
        f"""
import pytest


@pytest.fixture(scope="{scope}")
def shared({ours}):
    pass


def test_it(shared):
    pass
""",
    )
    result = suite.run("--circuits")
    assert (result.ret, counts(result)) == (1, {"errors": 1})
    result.stdout.fnmatch_lines(
        [
            f"the {scope}-scoped fixture 'shared' asks for {ours!r}, which belongs to one test.",
            (
                "Give 'shared' function scope, or let it ask for 'circuit_model' and measure with "
                "pytest_circuits.measures."
            ),
            "no findings; 1 test failed without a finding",
        ],
        consecutive=False,
    )
    assert "ScopeMismatch" not in result.stdout.str()
    plain = suite.run()
    assert (plain.ret, counts(plain)) == (0, {"skipped": 1})


def test_a_session_fixture_may_measure_on_the_model(suite):
    suite.write(
        "test_heads.py",
        """
import pytest

from pytest_circuits import measures


@pytest.fixture(scope="session")
def scores(circuit_model):
    return measures.induction_scores(circuit_model)


def test_it(scores, circuit_snapshot):
    assert scores == circuit_snapshot
""",
    )
    suite.approve()
    assert suite.run("--circuits").ret == 0


@pytest.mark.parametrize(
    "uses",
    [
        '@pytest.mark.usefixtures("circuits")\n    def test_it(self):\n        pass',
        (
            "@pytest.fixture(autouse=True)\n    def _take(self, circuits):\n        pass\n\n"
            "    def test_it(self):\n        pass"
        ),
    ],
)
def test_a_unittest_class_gets_one_clear_error(suite, uses):
    suite.write(
        "test_old.py",
        f"import unittest\n\nimport pytest\n\n\nclass TestOld(unittest.TestCase):\n    {uses}",
    )
    plain = suite.run()
    assert (plain.ret, counts(plain)) == (0, {"skipped": 1})
    result = suite.run("--circuits")
    assert result.ret == 1
    assert counts(result) in ({"errors": 1}, {"failed": 1})
    result.stdout.fnmatch_lines(
        [
            "*a circuit fixture was asked for where the test can't run once for every model.",
            "(unittest classes can't do either: use a plain function).",
        ]
    )
    assert "Traceback" not in result.stdout.str()


def test_an_async_test_gets_pytests_own_error(suite):
    suite.write("test_later.py", "async def test_it(circuits):\n    assert circuits")
    result = suite.run("--circuits")
    assert (result.ret, counts(result)) == (1, {"failed": 1})
    result.stdout.fnmatch_lines(["*async def functions are not natively supported*"])


def test_subtests_keep_their_verdicts(suite):
    suite.write(
        "test_heads.py",
        """
def test_heads(circuits, circuit_snapshot, subtests):
    for name in ("induction", "previous_token"):
        with subtests.test(name):
            scores = getattr(circuits, f"{name}_scores")()
            assert scores == circuit_snapshot(name=name)
""",
    )
    suite.approve()
    result = suite.run("--circuits", "--circuits-model", "c=bundled:recall-regressed")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "lost     heads (i…uction) c repeat loss rose *",
            "weakened heads (p…_token) c same cause: L0H3 *",
            "2 findings: 1 lost, 1 weakened; 1 cause*",
        ]
    )


# Looking around loads nothing


@pytest.mark.parametrize(
    "option", ["--collect-only", "--fixtures", "--fixtures-per-test", "--markers", "--setup-plan"]
)
def test_looking_around_loads_no_model(one_test, option):
    one_test.write(
        "conftest.py",
        """
from pytest_circuits.session.session import SESSION


def pytest_unconfigure(config):
    if SESSION in config.stash:
        print(f"loads: {config.stash[SESSION].models.pool.loads}")
""",
    )
    result = one_test.run("--circuits", option)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["loads: 0"])
    result.stdout.no_fnmatch_line("*= circuits =*")


@pytest.mark.parametrize(
    ("option", "line"),
    [
        (
            "--markers",
            "@pytest.mark.circuits(accept, until, reason): a circuit test; *",
        ),
        ("--fixtures", "circuits -- *pytest_circuits/fixtures.py:*"),
        ("--help", "*--circuits-model=?ALIAS=?SOURCE*"),
    ],
)
def test_help_names_what_there_is(suite, option, line):
    suite.run(option).stdout.fnmatch_lines([line])
