"""A memory budget for loaded models: who leaves, who stays, and that findings stay the same."""

from types import SimpleNamespace

import pytest
from circuit_suites import RECALL, copy_of_recall, counts

from pytest_circuits.session.progress import ProgressLine

#: The three bundled models take 179 kB each.
FOR_TWO = "400kB"
#: The least that there is: every model but those in use leaves.
FOR_NONE = "0"
MODELS = [
    argument for alias in ("recall", "tuned", "broken") for argument in ("--circuits-model", alias)
]

#: Tells which models are loaded, and how many are in memory then, itself among them.
WATCHED = """
import gc
import weakref

import pytest

from pytest_circuits.models import pool
from pytest_circuits.session.session import circuits_session

ALIVE, LOADS = weakref.WeakSet(), []


@pytest.fixture(scope="session", autouse=True)
def watched():
    with pytest.MonkeyPatch.context() as patch:
        load = pool.load

        def watch(source, *arguments):
            model = load(source, *arguments)
            ALIVE.add(model.bridge)
            LOADS.append(f"{source.location}/{len(ALIVE)}")
            return model

        patch.setattr(pool, "load", watch)
        yield


def pytest_collection_finish(session):
    session.items.sort(key=lambda item: item.originalname)


def pytest_terminal_summary(terminalreporter, config):
    terminalreporter.write_line(f"loads: {' '.join(LOADS)}")
    terminalreporter.write_line(f"at the end: {len(ALIVE)}")
"""

#: Tells how many models were loaded, without a function in another's place: nothing would be
#: remembered then.
COUNTED = """
from pytest_circuits.session.session import circuits_session


def pytest_collection_finish(session):
    session.items.sort(key=lambda item: item.originalname)


def pytest_terminal_summary(terminalreporter, config):
    terminalreporter.write_line(f"loads: {circuits_session(config).models.pool.loads}")
"""

PAIRS = """
from pytest_circuits import PromptPairs

PAIRS = PromptPairs(
    ["cat dog fox cat", "cup egg hat cup"], ["dog cat fox dog", "egg cup hat egg"],
    ["dog", "egg"], ["cat", "cup"],
)
"""


@pytest.fixture
def three(suite):
    suite.ini(RECALL, "tuned = bundled:recall-finetuned", "broken = bundled:recall-regressed")
    suite.write("conftest.py", WATCHED)
    return suite


def told(result, what):
    """What the conftest told."""
    line = next(line for line in result.stdout.lines if line.startswith(f"{what}: "))
    return line.removeprefix(f"{what}: ").split()


def loads(result):
    return told(result, "loads")


def circuits_section(result):
    """What the run found."""
    lines = result.stdout.lines
    start = next(n for n, line in enumerate(lines) if line.strip("= ") == "circuits")
    end = next(n for n in range(start, len(lines)) if lines[n].startswith("loads: "))
    return lines[start:end]


def test_the_least_recently_used_leave_and_verdicts_are_the_same(three):
    three.write(
        "test_heads.py",
        """
def test_one(circuits, circuit_snapshot):
    assert circuits.induction_scores() == circuit_snapshot


def test_two(circuits, circuit_snapshot):
    assert circuits.repeat_loss() == circuit_snapshot
""",
    )
    three.approve()
    whole = three.run("--circuits", *MODELS, "--circuits-fresh")
    tight = three.run("--circuits", *MODELS, "--circuits-fresh", "--circuits-memory", FOR_TWO)

    assert loads(whole) == ["recall/1", "recall-finetuned/2", "recall-regressed/3"]
    assert loads(tight) == [
        *("recall/1", "recall-finetuned/2", "recall-regressed/2"),
        *("recall/2", "recall-finetuned/2", "recall-regressed/2"),
    ]
    assert told(tight, "at the end") == ["2"]
    assert counts(tight) == counts(whole)
    assert circuits_section(tight) == circuits_section(whole)


def test_models_that_one_test_needs_at_once_stay_for_that_test(three):
    three.write(
        "test_heads.py",
        PAIRS
        + """

def test_one(circuits):
    first = float(circuits.kl_divergence(PAIRS, to="recall"))
    circuits.kl_divergence(PAIRS, to="broken")
    assert float(circuits.kl_divergence(PAIRS, to="recall")) == first
    assert (first == 0) == (circuits.alias == "recall")


def test_two(circuits):
    circuits.accuracy(PAIRS)
""",
    )
    result = three.run("--circuits", *MODELS[:4], "--circuits-memory", FOR_NONE)

    assert counts(result) == {"passed": 4}, result.stdout.str()
    assert loads(result) == [
        *("recall/1", "recall-regressed/2"),
        *("recall-finetuned/1", "recall/2", "recall-regressed/3"),
    ]


def test_the_model_that_a_test_holds_stays_the_same_object(three):
    three.write(
        "test_heads.py",
        PAIRS
        + """

def test_one(circuits, circuit_model):
    circuits.kl_divergence(PAIRS, to="broken")
    assert circuits.runs.bridge is circuit_model


def test_two(circuits):
    circuits.accuracy(PAIRS)
    circuits.kl_divergence(PAIRS, to="tuned")


def test_two_with_the_model(circuits, circuit_model):
    assert circuits.runs.bridge is circuit_model
""",
    )
    # Between the first and the last nobody but pytest holds the model: as its fixture's value.
    result = three.run("--circuits", *MODELS[:2], "--circuits-memory", FOR_NONE)

    assert counts(result) == {"passed": 3}, result.stdout.str()
    assert loads(result) == ["recall/1", "recall-regressed/2", "recall-finetuned/2"]


def test_a_model_that_pytest_has_given_up_leaves(three):
    three.write("test_heads.py", "def test_one(circuit_model):\n    pass")
    result = three.run("--circuits", *MODELS, "--circuits-memory", FOR_NONE)

    assert counts(result) == {"passed": 3}
    assert loads(result) == ["recall/1", "recall-finetuned/1", "recall-regressed/1"]


def test_a_model_that_a_test_has_changed_is_as_it_was_when_it_comes_back(three):
    three.write("conftest.py", COUNTED)
    three.write(
        "test_heads.py",
        """
SEEN = {}


def test_a(circuits):
    SEEN[circuits.alias] = float(circuits.repeat_loss())


def test_b(circuit_model):
    for weight in circuit_model.parameters():
        weight.data.mul_(2)


def test_c(circuits):
    assert float(circuits.repeat_loss()) == SEEN[circuits.alias]
    circuits.induction_scores()
""",
    )
    arguments = ["--circuits", *MODELS[:4], "--circuits-memory", FOR_NONE]
    ignored = "ignore::pytest_circuits.session.isolation.ChangedModelWarning"
    first = three.run(*arguments, "-W", ignored)
    again = three.run(*arguments, "-k", "test_a or test_c")

    assert counts(first) == {"passed": 6}
    assert counts(again) == {"passed": 4, "deselected": 2}
    # As it has come back untouched, what it gives is remembered.
    assert loads(first) != loads(again) == ["0"]


def test_what_is_remembered_needs_no_model_that_has_left(three):
    three.write("conftest.py", COUNTED)
    three.write(
        "test_heads.py",
        PAIRS
        + """

def test_one(circuits):
    circuits.kl_divergence(PAIRS, to="recall")
    circuits.kl_divergence(PAIRS, to="broken")
""",
    )
    arguments = ["--circuits", *MODELS, "--circuits-memory", FOR_NONE]
    assert int(*loads(three.run(*arguments))) > 3
    assert loads(three.run(*arguments)) == ["0"]


def test_the_terminal_tells_of_a_model_whenever_it_is_loaded(three, monkeypatch):
    shown = []
    screen = SimpleNamespace(show=shown.append, erase=lambda: None)
    # Where a test runs there is no terminal.
    monkeypatch.setattr("pytest_circuits.session.models.RunModels._progress", ProgressLine(screen))
    for name in ("one", "other"):
        copy_of_recall(three.path / name)
    three.ini("one = ./one", "other = ./other")
    three.write(
        "test_heads.py",
        "def test_one(circuits):\n    circuits.repeat_loss()\n\n\n"
        "def test_two(circuits):\n    circuits.repeat_loss()",
    )
    three.run("--circuits", "--circuits-model=one", "--circuits-model=other", "--circuits-memory=0")
    assert shown == ["loading ./one", "loading ./other"] * 2


# In processes of their own: pytester's records of a run hold what its failed tests did


@pytest.mark.nightly
def test_a_model_that_a_failed_test_held_leaves(three):
    (three.path / "empty").mkdir()
    three.write(
        "test_heads.py",
        PAIRS
        + """

def test_fails(circuits):
    model = circuits.runs.bridge
    assert circuits.repeat_loss() is None, model.cfg


def test_has_another_that_cannot_be_loaded(circuits):
    circuits.kl_divergence(PAIRS, to="./empty")


def test_passes(circuits):
    circuits.accuracy(PAIRS)
""",
    )
    result = three.run_apart("--circuits", *MODELS[:4], "--circuits-memory", FOR_NONE)

    assert counts(result) == {"failed": 4, "passed": 2}
    assert loads(result) == ["recall/1", "recall-finetuned/1"] * 3


@pytest.mark.nightly
def test_each_worker_has_a_budget_of_its_own(three):
    watched = """

@pytest.fixture(autouse=True)
def _at_most_one(circuit_source):
    yield
    assert len(ALIVE) == 1
"""
    three.write("conftest.py", WATCHED + watched)
    three.write("test_heads.py", "def test_one(circuits):\n    circuits.repeat_loss()")
    result = three.run_apart("--circuits", *MODELS, "--circuits-memory", FOR_NONE, "-n2")
    assert counts(result) == {"passed": 3}


# What somebody sets


@pytest.mark.parametrize("where", ["command line", "PYTEST_CIRCUITS_MEMORY", "pytest.ini"])
def test_what_somebody_set_is_shown(suite, monkeypatch, where):
    arguments = ["--circuits-memory=12GiB"] if where == "command line" else []
    if where == "PYTEST_CIRCUITS_MEMORY":
        monkeypatch.setenv(where, "12GiB")
    if where == "pytest.ini":
        suite.ini(circuits_memory="12GiB")
    result = suite.run("--circuits", "--collect-only", *arguments)
    assert f"circuits: models kept in 12GiB ({where})" in result.stdout.lines


SIZES = "auto, a size such as 8GB, 800MB, 12GiB"


@pytest.mark.parametrize("size", ["lots", "8 gigs", "-1GB", "8Gb/s", "1e9", "50%"])
def test_what_is_no_size_is_a_usage_error(suite, size):
    result = suite.run("--circuits", f"--circuits-memory={size}")
    assert result.ret == 4
    assert [line for line in result.stderr.lines if line] == [
        f"ERROR: circuits: memory {size!r} (command line) is not one of {SIZES}"
    ]
