"""Circuit baselines beside a user's own snapshots, expected failures, and other plugins' hooks."""

from circuit_suites import ONE_TEST, counts


def test_a_users_own_snapshot_works_in_the_same_test_and_its_matcher_stays_its_own(suite):
    suite.write(
        "test_heads.py",
        """
import pytest


@pytest.fixture
def snapshot(snapshot):
    def refuse(*, data, path):
        return "replaced"

    return snapshot.with_defaults(matcher=refuse)


def test_heads(circuits, circuit_snapshot, snapshot):
    assert {"seen": 1} == snapshot
    assert circuits.induction_scores() == circuit_snapshot
    assert circuits.induction_scores() == circuit_snapshot(name="again")
    assert "text" == snapshot
""",
    )
    (path,) = suite.approve().values()
    assert "replaced" not in path.read_text()
    own = (suite.path / "__snapshots__" / "test_heads.ambr").read_text()
    assert own.count("replaced") == 2
    result = suite.run("--circuits")
    assert (result.ret, counts(result)) == (0, {"passed": 1})
    result.stdout.fnmatch_lines(["4 snapshots passed."])


def test_a_users_own_snapshot_fails_in_syrupys_words(suite):
    suite.write(
        "test_heads.py",
        f"{ONE_TEST}\n\ndef test_text(snapshot):\n    assert 'x' == snapshot",
    )
    suite.approve()
    path = suite.path / "__snapshots__" / "test_heads.ambr"
    path.write_text(path.read_text().replace("'x'", "'y'"))
    result = suite.run("--circuits")
    assert (result.ret, counts(result)) == (1, {"passed": 1, "failed": 1})
    result.stdout.fnmatch_lines(["E  *- 'y'*", "E  *+ 'x'*"])


def test_plain_tests_doctests_and_classes_run_beside_circuit_tests(suite):
    suite.write("test_heads.py", ONE_TEST)
    suite.write(
        "test_plain.py",
        '''
import unittest

import pytest


def test_plain():
    """
    >>> 1 + 1
    2
    """


class TestMany:
    @pytest.mark.parametrize("n", [1, 2])
    def test_many(self, n):
        pass


class Old(unittest.TestCase):
    def test_old(self):
        pass
''',
    )
    suite.write("test_text.txt", ">>> 1\n1")
    result = suite.run("--circuits", "--snapshot-update", "--doctest-modules")
    assert (result.ret, counts(result)) == (0, {"passed": 7})
    assert list(suite.baseline_files()) == ["recall/test_heads/test_heads.json"]


def test_expected_failures_keep_their_verdicts_and_are_counted_apart(suite):
    suite.write(
        "test_heads.py",
        """
import pytest


def test_heads(circuits, circuit_snapshot):
    assert circuits.induction_scores() == circuit_snapshot


@pytest.mark.xfail(strict=False)
def test_unsure(circuits, circuit_snapshot):
    assert circuits.induction_scores() == circuit_snapshot


@pytest.mark.xfail(strict=False)
def test_doubtful(circuits, circuit_snapshot):
    assert circuits.induction_scores() == circuit_snapshot
    assert circuits.alias == "recall"
""",
    )
    suite.approve()
    result = suite.run("--circuits", "--circuits-model", "c=bundled:recall-regressed")
    assert (result.ret, counts(result)) == (1, {"failed": 1, "xfailed": 2})
    section = [line for line in result.stdout.lines if line.startswith("lost ")]
    assert [line.split()[1] for line in section] == ["test_heads", "test_doubtful", "test_unsure"]
    assert ["xfailed: " in line for line in section] == [False, True, True]
    result.stdout.fnmatch_lines(["3 findings: 1 lost, 2 lost (xfailed);*"])


def test_expected_failures_that_pass_keep_their_verdicts_too(suite):
    suite.write("test_heads.py", f"import pytest\n\n@pytest.mark.xfail(strict=False){ONE_TEST}")
    first = suite.run("--circuits", "--snapshot-update")
    assert (first.ret, counts(first)) == (0, {"xpassed": 1})
    result = suite.run("--circuits")
    assert (result.ret, counts(result)) == (0, {"xpassed": 1})
    result.stdout.fnmatch_lines(
        ["preserved test_heads recall xpassed: *", "1 finding: 1 preserved (xpassed)*"]
    )


def test_other_plugins_hear_every_verdict(suite):
    suite.write("test_heads.py", ONE_TEST)
    suite.write(
        "conftest.py",
        """
def pytest_circuits_verdict(item, verdict):
    print(f"heard {verdict.kind} of {item.name}")
""",
    )
    result = suite.run("--circuits", "-s")
    result.stdout.fnmatch_lines(["*heard new of test_heads?recall?*"])


def test_a_finding_of_a_measure_called_directly_can_be_compared(suite):
    suite.write(
        "test_heads.py",
        """
from pytest_circuits import measures


def test_heads(circuit_model, circuit_snapshot):
    assert measures.induction_scores(circuit_model) == circuit_snapshot
""",
    )
    suite.approve()
    result = suite.run("--circuits")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["preserved test_heads recall *"])


def test_the_snapshot_may_stand_on_either_side(suite):
    suite.write("test_heads.py", ONE_TEST)
    suite.approve()
    suite.write(
        "test_heads.py",
        """
def test_heads(circuits, circuit_snapshot):
    assert circuit_snapshot == circuits.induction_scores()
""",
    )
    assert suite.run("--circuits").ret == 0
    result = suite.run("--circuits", "--circuits-model", "bundled:recall-regressed")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["E  *assert lost: repeat loss rose 0.00 → 4.*L1H? ?.??→0.0? +3*"])
