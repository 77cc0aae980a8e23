"""What a test changes of a model or of torch, no other one is measured with."""

import random

import pytest
from circuit_suites import OTHER, RECALL, counts, few
from plugin.spoiling import SUITE

#: A test that measures, and one that measures on the other model.
MEASURES = """
def test_measures(circuits, circuit_snapshot):
    assert circuits.repeat_loss() == circuit_snapshot
"""
SPOILS = """
def test_spoils(circuit_model):
    {change}
"""
PAIRS = """PAIRS = PromptPairs(
    clean=["dog star candle farm dog star", "bread duck house bird bread duck"],
    corrupted=["dog star gold farm dog star", "bread duck book bird bread duck"],
    answers=["candle", "house"], wrong_answers=["gold", "book"])
"""
ZEROED = "circuit_model.unembed.weight.data.zero_()"
LINEAR = "import torch; torch.nn.functional.linear = lambda x, w, b=None: x @ w.T * 0"
EPS = "circuit_model.cfg.eps = 10.0"


def warned(result):
    """What was changed, by the run's summary of warnings, for each warning."""
    lines = result.outlines
    return [lines[n + 1].strip() for n, line in enumerate(lines) if "ChangedModelWarning" in line]


def run(suite, *arguments):
    """A run in which a warning is none but what is looked for."""
    return suite.pytester.runpytest_inprocess(
        "-p",
        "no:jaxtyping",
        "-p",
        "no:typeguard",
        "-W",
        "default",
        "--circuits",
        *map(str, arguments),
    )


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.nightly)])
def test_whatever_a_test_did_the_next_one_has_the_same_numbers(suite, every):
    suite.write("test_spoiling.py", SUITE.replace("EVERY = 1", f"EVERY = {every}"))
    result = run(suite, "-p", "no:cacheprovider")
    assert result.ret == 0, result.stdout.str()
    assert counts(result)["passed"] > 200 // every


@pytest.mark.parametrize("change", [ZEROED, LINEAR, EPS])
def test_a_test_that_changed_something_is_named_and_passes(suite, change):
    suite.write("test_heads.py", SPOILS.format(change=change) + MEASURES)
    result = run(suite)
    assert counts(result) == {"passed": 2}
    assert len(warned(result)) == 1
    assert "test_heads.py::test_spoils[recall]" in result.stdout.str()


@pytest.mark.parametrize("change", [ZEROED, LINEAR, EPS])
def test_it_can_fail(suite, change):
    suite.ini(circuits_isolation="fail")
    suite.write("test_heads.py", SPOILS.format(change=change) + MEASURES)
    result = run(suite)
    assert counts(result) == {"passed": 2, "errors": 1}
    assert "ERROR test_heads.py::test_spoils[recall]" in result.stdout.str()
    assert result.ret == 1


def test_another_word_is_refused(suite):
    suite.ini(circuits_isolation="never")
    result = run(suite)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "circuits: isolation 'never' (pytest.ini) is not one of warn, fail" in (
        result.stderr.str()
    )


@pytest.mark.parametrize("change", [ZEROED, LINEAR, EPS])
def test_what_is_measured_after_a_change_of_its_own_test_is_not_approved(suite, change):
    suite.write(
        "test_heads.py",
        "def test_loss(circuit_model, circuits, circuit_snapshot):\n"
        f"    {change}\n"
        "    assert circuits.repeat_loss() == circuit_snapshot\n",
    )
    result = run(suite, "--snapshot-update")
    assert counts(result) == {"failed": 1}
    assert "which is never approved." in result.stdout.str()
    assert "Of a model: change a private_circuit_model" in result.stdout.str()
    assert "Of torch: use monkeypatch, or a context manager" in result.stdout.str()
    assert suite.stamps() == {}


def test_nor_is_it_left_to_be_decided_on_and_the_report_says_so(suite):
    suite.write(
        "test_heads.py",
        "def test_loss(circuit_model, circuits, circuit_snapshot):\n"
        f"    {EPS}\n"
        "    assert circuits.repeat_loss() == circuit_snapshot\n",
    )
    result = run(suite, "--circuits-pending")
    assert "after the test changed cfg.eps" in result.stdout.str()
    assert (
        "1 finding that differs can't be approved: its test had changed what it was measured on"
    ) in result.stdout.str()
    assert "there would be nothing to hold" not in result.stdout.str()
    assert suite.stamps() == {}


UNDONE = {
    "another model is there": """
    circuit_model.cfg.eps = 10.0
    found = measures.repeat_loss(circuit_model)
""",
    "config": """
    before = circuit_model.cfg.eps
    circuit_model.cfg.eps = 10.0
    found = measures.repeat_loss(circuit_model)
    circuit_model.cfg.eps = before
""",
    "weights": """
    weights = circuit_model.unembed.weight.data
    kept = weights.clone()
    weights.zero_()
    found = measures.repeat_loss(circuit_model)
    weights.copy_(kept)
""",
    "autocast": """
    with torch.autocast("cpu"):
        found = measures.repeat_loss(circuit_model)
""",
    "autocast, private": """
    with torch.autocast("cpu"):
        found = measures.repeat_loss(private_circuit_model)
""",
    "function": """
    linear = torch.nn.functional.linear
    torch.nn.functional.linear = lambda x, w, b=None: linear(x, w, b) * 0.5
    found = circuits.repeat_loss()
    torch.nn.functional.linear = linear
""",
    "another finding of it": """
    with torch.autocast("cpu"):
        found = dataclasses.replace(circuits.repeat_loss(), canary=None)
""",
    "the other model": """
    circuit_model.cfg.eps = 10.0
    found = measures.kl_divergence(private_circuit_model, PAIRS, to=circuit_model)
""",
    "in a thread": """
    with ThreadPoolExecutor() as pool:
        circuit_model.cfg.eps = 10.0
        found = pool.submit(measures.repeat_loss, circuit_model).result()
""",
}


@pytest.mark.parametrize("name", few(UNDONE, 5))
def test_nor_is_it_where_the_change_is_undone_or_another_model_is_there(suite, name):
    suite.write(
        "test_heads.py",
        "import dataclasses\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "import torch\n"
        "from pytest_circuits import PromptPairs, measures\n"
        f"{PAIRS}"
        "def test_loss(circuits, circuit_model, private_circuit_model, circuit_snapshot):\n"
        f"{UNDONE[name]}"
        "    assert found == circuit_snapshot\n",
    )
    result = run(suite, "--snapshot-update")
    assert counts(result)["failed"] == 1
    assert "which is never approved." in result.stdout.str()
    assert suite.stamps() == {}


@pytest.mark.parametrize(
    ("measured", "source"),
    [
        ("circuit_model", "bundled:recall"),
        ("private_circuit_model", "a model of the test's own"),
        ("load(parse_source('bundled:recall-finetuned')).bridge", "a model of the test's own"),
    ],
)
def test_a_baseline_says_which_model_was_measured_directly(suite, measured, source):
    suite.write(
        "test_heads.py",
        "import json\n"
        "from pytest_circuits import measures\n"
        "from pytest_circuits.models import load, parse_source\n"
        "def test_loss(circuit_model, private_circuit_model, circuit_snapshot):\n"
        f"    assert measures.repeat_loss({measured}) == circuit_snapshot\n",
    )
    assert counts(run(suite, "--snapshot-update")) == {"passed": 1}
    (file,) = suite.baseline_files().values()
    assert f'"source": "{source}"' in file.read_text()


def test_a_hook_of_the_test_is_no_change(suite):
    suite.write(
        "test_heads.py",
        "def test_loss(circuit_model, circuits, circuit_snapshot):\n"
        "    circuit_model.add_hook('blocks.1.attn.hook_z', lambda z, hook: z * 0.9)\n"
        "    assert circuits.repeat_loss() == circuit_snapshot\n",
    )
    assert counts(suite.run("--circuits", "--snapshot-update")) == {"passed": 1}
    assert list(suite.stamps()) == ["recall/test_heads/test_loss.json"]


def test_a_plain_test_that_changes_torch_is_named_too(suite):
    suite.write("test_heads.py", MEASURES.replace("measures", "first") + MEASURES)
    suite.write(
        "test_a.py",
        "import torch\n"
        "def test_plain():\n    torch.nn.functional.softmax = torch.softmax = lambda x, *a: x\n"
        "def test_default():\n    torch.set_default_device('meta')\n",
    )
    suite.approve("test_heads.py")
    result = run(suite, "--circuits-fresh", "-p", "no:randomly")
    assert counts(result) == {"passed": 4}
    assert ["softmax" in each for each in warned(result)] == [True, False]
    assert "2 preserved" in result.stdout.str()


def test_the_other_model_of_a_divergence_is_looked_at_too(suite):
    suite.ini(RECALL, OTHER)
    suite.write(
        "test_heads.py",
        f"""
from pytest_circuits import PromptPairs

{PAIRS}
SEEN, TUNED = [], []


def note(circuits):
    if circuits.alias == "recall":
        SEEN.append(float(circuits.kl_divergence(PAIRS, to="tuned")))


def test_takes(circuit_model, circuit_source):
    if circuit_source.alias == "tuned":
        TUNED.append(circuit_model)


def test_before(circuits):
    note(circuits)


def test_spoils(circuit_source):
    if circuit_source.alias == "recall":
        TUNED[0].cfg.eps = 10.0
        TUNED[0].unembed.weight.data *= 0.5


def test_after(circuits):
    note(circuits)
    if circuits.alias == "recall":
        before, after = SEEN
        assert after == before > 0
""",
    )
    models = "--circuits-model=tuned", "--circuits-model=recall"
    result = run(suite, *models, "-p", "no:cacheprovider", "-p", "no:randomly")
    assert counts(result) == {"passed": 8}
    assert "bundled:recall-finetuned: cfg.eps" in warned(result)[0]


@pytest.mark.parametrize("change", [ZEROED, LINEAR, EPS])
@pytest.mark.parametrize("scope", few(["module", "class", "session"], 1))
def test_what_a_fixture_of_a_wider_scope_changed_belongs_to_its_scope(suite, scope, change):
    suite.write(
        "test_a.py",
        f"""
import pytest


@pytest.fixture(scope="{scope}")
def changed(circuit_model):
    {change}


class TestChanged:
    def test_one(self, changed, circuits):
        assert float(circuits.repeat_loss()) > 1

    def test_two(self, changed, circuits):
        assert float(circuits.repeat_loss()) > 1
""",
    )
    suite.write(
        "test_b.py", "def test_b(circuits):\n    assert float(circuits.repeat_loss()) < 0.1\n"
    )
    run_of = ("test_a.py",) if scope == "session" else ()
    assert counts(suite.run("--circuits", *run_of)) == {"passed": 2 if run_of else 3}


def test_what_a_test_changed_before_a_fixture_is_not_the_fixtures(suite):
    suite.write(
        "test_heads.py",
        f"""
import pytest


@pytest.fixture(scope="module")
def words():
    return ["dog"]


def test_spoils(circuit_model, request):
    {ZEROED}
    request.getfixturevalue("words")
{MEASURES}
    assert float(circuits.repeat_loss()) < 0.1
""",
    )
    result = run(suite, "--snapshot-update")
    assert counts(result) == {"passed": 2}
    assert warned(result) == ["bundled:recall: weights"]


@pytest.mark.parametrize("change", [ZEROED, LINEAR, EPS])
def test_what_a_fixture_changes_when_it_is_torn_down_is_put_back_and_it_is_named(suite, change):
    suite.write(
        "test_a.py",
        f"""
import pytest


@pytest.fixture(scope="module")
def spoiling(circuit_model):
    yield
    {change}


def test_uses(spoiling, circuits):
    assert float(circuits.repeat_loss()) < 0.1
""",
    )
    suite.write("test_b.py", MEASURES + "    assert float(circuits.repeat_loss()) < 0.1\n")
    result = run(suite, "--snapshot-update")
    assert counts(result) == {"passed": 2}
    assert len(warned(result)) == 1
    assert "the fixture spoiling, when it was torn down, changed" in result.stdout.str()


def test_a_plain_test_that_kept_the_model_is_blamed_not_the_fixture_that_gave_it(suite):
    suite.write(
        "test_heads.py",
        "KEPT = []\n"
        "def test_keeps(circuit_model):\n    KEPT.append(circuit_model)\n"
        "def test_plain():\n    KEPT[0].unembed.weight.data.zero_()\n"
        "def test_measures(circuits):\n    assert float(circuits.repeat_loss()) < 0.1\n",
    )
    result = run(suite, "-p", "no:randomly")
    assert counts(result) == {"passed": 3}
    assert warned(result) == ["bundled:recall: weights"]
    assert "a test before this one changed" in result.stdout.str()
    assert "torn down" not in result.stdout.str()


def test_a_private_model_can_be_trained_and_gives_the_same_numbers_before(suite):
    suite.write(
        "test_heads.py",
        """
import gc
import weakref

from pytest_circuits import measures

SEEN = []


def test_train(circuits, private_circuit_model, circuit_snapshot):
    SEEN.append(weakref.ref(private_circuit_model))
    before = measures.repeat_loss(private_circuit_model)
    assert before.values.tobytes() == circuits.repeat_loss().values.tobytes()
    private_circuit_model.unembed.weight.data *= 0.5
    after = measures.repeat_loss(private_circuit_model)
    assert float(after) > float(before)
    assert after == circuit_snapshot
    assert float(circuits.repeat_loss()) < 0.1


def test_is_gone(circuits):
    gc.collect()
    gone = SEEN[0]() is None
    assert gone
    assert float(circuits.repeat_loss()) < 0.1
""",
    )
    assert counts(suite.run("--circuits", "--snapshot-update")) == {"passed": 2}
    (file,) = suite.baseline_files().values()
    assert '"source": "a model of the test\'s own"' in file.read_text()


def test_a_private_model_is_a_copy_of_what_an_override_gives(suite):
    suite.write(
        "conftest.py",
        "import pytest\n"
        "@pytest.fixture(scope='session')\n"
        "def circuit_model(circuit_source):\n"
        "    from pytest_circuits.models import load\n"
        "    model = load(circuit_source.source).bridge\n"
        "    model.unembed.weight.data.zero_()\n"
        "    return model\n",
    )
    suite.write(
        "test_heads.py",
        "from pytest_circuits import measures\n"
        "def test_copy(private_circuit_model, circuit_model):\n"
        "    loss = measures.repeat_loss(private_circuit_model)\n"
        "    assert float(loss) == float(measures.repeat_loss(circuit_model)) > 3\n"
        "    private_circuit_model.unembed.weight.data += 1\n"
        "    assert float(circuit_model.unembed.weight.abs().max()) == 0\n",
    )
    assert counts(suite.run("--circuits")) == {"passed": 1}


TESTS = {
    "a": "def test_a(circuits):\n    note('a', circuits.repeat_loss())\n",
    "b": "def test_b(circuits):\n    note('b', circuits.induction_scores())\n",
    "c": "def test_c(circuits, circuit_model):\n    note('c', circuits.previous_token_scores())\n",
    "d": (
        "def test_d(circuits, scaled):\n    note('d', circuits.repeat_loss())\n"
        "def test_e(circuits, scaled):\n    note('e', circuits.induction_scores())\n"
    ),
    "weights": f"def test_weights(circuit_model):\n    {ZEROED}\n",
    "torch": f"def test_torch():\n    {LINEAR}\n",
    "config": "def test_config(circuits):\n    circuits.runs.bridge.cfg.eps = 10.0\n",
}
NOTES = """
import json
import pathlib

import pytest


def note(name, finding):
    place = pathlib.Path("notes") / name
    place.parent.mkdir(exist_ok=True)
    found = finding.values.tobytes().hex()
    assert place.exists() is False or place.read_text() == found
    place.write_text(found)


@pytest.fixture(scope="module")
def scaled(circuit_model):
    circuit_model.unembed.weight.data *= 0.5


"""


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(n, marks=pytest.mark.nightly) for n in range(1, 12))]
)
def test_numbers_do_not_depend_on_order_selection_or_what_is_remembered(suite, seed):
    draw = random.Random(seed)
    for _ in range(4):
        names = draw.sample(sorted(TESTS), draw.randint(2, len(TESTS)))
        for file in suite.path.glob("test_*.py"):
            file.unlink()
        for place, name in enumerate(names):
            suite.write(f"test_{place}_{name}.py", NOTES + TESTS[name])
        options = draw.sample(["-p no:cacheprovider", "--circuits-fresh"], draw.randint(0, 1))
        result = run(suite, *" ".join(options).split())
        assert result.ret == 0, result.stdout.str()


@pytest.mark.nightly
def test_nor_on_the_number_of_workers(suite):
    for place, name in enumerate(TESTS):
        suite.write(f"test_{place}_{name}.py", NOTES + TESTS[name])
    for options in (("-n", "0"), ("-n", "2"), ("-n", "3", "--dist", "load")):
        result = suite.run_apart("--circuits", *options)
        assert result.ret == 0, result.stdout.str()
