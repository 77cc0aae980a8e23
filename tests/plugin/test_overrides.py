"""``circuit_model`` overridden: in two folders at once, and without regard to its source."""

import json

import pytest
from circuit_suites import CHILD, ONE_TEST, QUIET, RECALL, counts

#: A folder's conftest whose model is its own, with a hook on it.
OWN = """
import pytest

from pytest_circuits.models import load, parse_source


@pytest.fixture(scope="session")
def circuit_model(circuit_source):
    model = load(parse_source("bundled:{name}")).bridge
    model.own_name = "{name}"
    return model
"""
LOOKS = """

def test_model(circuits, circuit_model):
    assert circuit_model.own_name == "{name}"
    assert circuits.runs.bridge is circuit_model
    circuit_model.add_hook("blocks.1.attn.hook_z", lambda z, hook: z * 0)
    assert float(circuits.repeat_loss()) > 3


def test_hooks_are_gone(circuits, circuit_model):
    assert not any(point.fwd_hooks for point in circuit_model.hook_dict.values())
    assert float(circuits.repeat_loss()) {loss}
"""
IGNORES = """
import pytest


@pytest.fixture(scope="session")
def circuit_model():
    from pytest_circuits.testing import perfect_induction_model

    return perfect_induction_model()
"""
WARNING = [
    "this circuit_model takes no account of circuit_source: its tests are given the same",
    "model whatever --circuits-model and circuits_models say.",
    "Let it ask for circuit_source, and load what circuit_source.source names; or make it",
    "a source of its own: package.module:factory.",
]
BOTH = ("--circuits-model", "recall", "--circuits-model", "tuned")
LOSS = "def test_loss(circuits):\n    circuits.repeat_loss()\n"


def warned(suite, *arguments):
    """How often a run warns of an override; its result."""
    # Warnings are errors in this process, and would be in a run in it.
    result = suite.pytester.runpytest_inprocess(*QUIET, "-W", "default", "--circuits", *arguments)
    return result.stdout.str().count("IgnoredSourceWarning"), result


# Two folders


def test_two_folders_have_each_its_own_model(suite):
    for folder, name, loss in (("one", "recall", "< 0.1"), ("two", "recall-regressed", "> 1")):
        suite.write(f"{folder}/conftest.py", OWN.format(name=name))
        suite.write(f"{folder}/test_{folder}.py", ONE_TEST + LOOKS.format(name=name, loss=loss))
    suite.write("plain/test_plain.py", ONE_TEST + LOSS)
    for folders in (("one", "plain", "two"), ("two", "one", "plain")):
        result = suite.run("--circuits", *folders)
        assert (result.ret, counts(result)) == (0, {"passed": 8}), result.stdout.str()


def test_their_baselines_say_whose_model_it_was(suite):
    for folder, name in (("one", "recall"), ("two", "recall-finetuned")):
        suite.write(f"{folder}/conftest.py", OWN.format(name=name))
        suite.write(f"{folder}/test_{folder}.py", ONE_TEST)
    suite.write("plain/test_plain.py", ONE_TEST)
    recorded = {
        name.split("/")[1]: json.loads(path.read_text())["findings"][0]["recorded_with"]
        for name, path in suite.approve().items()
    }
    own = "a model of the test's own"
    assert {name: origin["source"] for name, origin in recorded.items()} == {
        "test_one": own,
        "test_two": own,
        "test_plain": "bundled:recall",
    }
    weights = [recorded[name]["weights"] for name in ("test_one", "test_two")]
    assert all(each.startswith("live-sha256:") for each in weights)
    assert len(set(weights)) == 2


# Sources that are ignored


def test_an_override_that_ignores_its_source_is_warned_of_once(suite):
    suite.ini(RECALL, CHILD)
    suite.write("conftest.py", IGNORES)
    suite.write("test_loss.py", LOSS + LOSS.replace("loss(c", "more(c"))
    number, result = warned(suite, *BOTH)
    assert (number, counts(result)) == (1, {"passed": 4})
    lines = [line.strip() for line in result.stdout.lines]
    start = next(n for n, line in enumerate(lines) if "IgnoredSourceWarning" in line)
    assert lines[start].endswith(f"conftest.py:5: IgnoredSourceWarning: {WARNING[0]}")
    assert lines[start + 1 : start + 4] == WARNING[1:]


def test_it_is_warned_of_where_only_the_reference_is_measured_too(suite):
    suite.write("conftest.py", IGNORES)
    suite.write("test_loss.py", LOSS)
    assert warned(suite)[0] == 1


def test_every_override_is_warned_of(suite):
    for folder in ("one", "two"):
        suite.write(f"{folder}/conftest.py", IGNORES)
        suite.write(f"{folder}/test_{folder}.py", LOSS)
    number, result = warned(suite)
    assert number == 2
    result.stdout.fnmatch_lines(["*one/conftest.py:5: *", "*two/conftest.py:5: *"])


def test_where_it_is_an_error_every_test_fails(suite):
    suite.write("conftest.py", IGNORES)
    suite.write("test_loss.py", LOSS + LOSS.replace("loss(c", "more(c"))
    name = "error::pytest_circuits.session.checks.IgnoredSourceWarning"
    result = warned(suite, "-W", name)[1]
    assert (result.ret, counts(result)) == (1, {"failed": 2})
    assert warned(suite, "-W", name.replace("error", "ignore"))[0] == 0


@pytest.mark.nightly
def test_workers_warnings_are_shown_as_one(suite):
    suite.ini(RECALL, CHILD)
    suite.write("conftest.py", IGNORES)
    suite.write("test_loss.py", LOSS)
    number, result = warned(suite, *BOTH, "-n", "2")
    assert (number, counts(result)) == (1, {"passed": 2})


ASKING = {
    "the source": "circuit_source):\n    return load(circuit_source.source).bridge",
    "the model that it overrides": "circuit_model):\n    return circuit_model",
    "another fixture": "loaded):\n    return loaded",
    "the source by name": (
        "request):\n    source = request.getfixturevalue('circuit_source')\n"
        "    return load(source.source).bridge"
    ),
}
HELPERS = """
import pytest

from pytest_circuits.models import load


@pytest.fixture(scope="session")
def named(circuit_source):
    return circuit_source.source


@pytest.fixture(scope="session")
def loaded(named):
    return load(named).bridge


@pytest.fixture(scope="session")
def circuit_model("""


@pytest.mark.parametrize("rest", ASKING.values(), ids=ASKING.keys())
def test_an_override_that_asks_for_its_source_is_not(suite, rest):
    suite.write("deep/conftest.py", HELPERS + rest)
    suite.write("deep/test_loss.py", LOSS)
    result = suite.run("--circuits")  # where a warning is an error
    assert (result.ret, counts(result)) == (0, {"passed": 1})


def test_a_request_for_something_else_is_no_excuse(suite):
    suite.write("conftest.py", IGNORES.replace("circuit_model()", "circuit_model(request)"))
    suite.write("test_loss.py", LOSS)
    assert warned(suite)[0] == 1


def test_an_override_of_an_override_is_not_to_blame(suite):
    suite.write("conftest.py", IGNORES)
    suite.write(
        "deep/conftest.py",
        "import pytest\n@pytest.fixture\ndef circuit_model(circuit_model):\n"
        "    return circuit_model",
    )
    suite.write("deep/test_loss.py", LOSS)
    number, result = warned(suite)
    assert number == 1
    assert "deep/conftest.py:" not in result.stdout.str()


def test_without_circuits_nobody_is_warned(suite):
    suite.write("conftest.py", IGNORES)
    suite.write("test_loss.py", LOSS)
    result = suite.run()
    assert (result.ret, counts(result)) == (0, {"skipped": 1})
