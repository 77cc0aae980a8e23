"""What one test leaves to the others, and what must never pass from one to another."""

import pytest
from circuit_suites import CHANGES, ONE_TEST, counts


def test_a_failed_subtest_keeps_a_baseline_from_being_written(suite):
    suite.write(
        "test_heads.py",
        "def test_heads(circuits, circuit_snapshot, subtests):\n"
        "    assert circuits.induction_scores() == circuit_snapshot\n"
        "    with subtests.test('part'):\n"
        "        assert False\n",
    )
    result = suite.run("--circuits", "--snapshot-update")
    assert result.ret == 1
    assert suite.stamps() == {}
    assert "new test_heads recall 4 heads, L1H0 0.99; repeat loss 0.003" in result.stdout.lines
    assert "1 snapshot generated." not in result.stdout.lines


def test_an_overrides_permanent_hook_belongs_to_its_model(suite):
    suite.write(
        "conftest.py",
        "import pytest\n"
        "@pytest.fixture(scope='session')\n"
        "def circuit_model(circuit_model):\n"
        "    name = 'blocks.1.attn.hook_z'\n"
        "    circuit_model.add_perma_hook(name, lambda z, hook: z * 0)\n"
        "    return circuit_model\n",
    )
    suite.write(
        "test_loss.py",
        "import pytest\n"
        "@pytest.mark.parametrize('again', range(3))\n"
        "def test_loss(circuits, again):\n"
        "    assert float(circuits.repeat_loss()) > 3\n",
    )
    assert counts(suite.run("--circuits")) == {"passed": 3}


def test_an_override_in_one_folder_leaves_the_model_of_the_others_alone(suite):
    suite.write(
        "ablated/conftest.py",
        "import pytest\n"
        "@pytest.fixture(scope='module')\n"
        "def circuit_model(circuit_model):\n"
        "    circuit_model.add_perma_hook('blocks.1.attn.hook_z', lambda z, hook: z * 0)\n"
        "    return circuit_model\n",
    )
    loss = "def test_{0}(circuits):\n    assert float(circuits.repeat_loss()) {1}\n"
    suite.write("ablated/test_one.py", loss.format("one", "> 3"))
    suite.write("plain/test_two.py", loss.format("two", "< 0.1"))
    assert counts(suite.run("--circuits")) == {"passed": 2}
    assert counts(suite.run("--circuits", "plain", "ablated")) == {"passed": 2}


def test_an_overrides_own_model_is_let_go_of(suite):
    suite.write(
        "conftest.py",
        "import copy, gc, weakref, pytest\n"
        "seen = []\n"
        "@pytest.fixture\n"
        "def circuit_model(circuit_source):\n"
        "    from pytest_circuits.models import load\n"
        "    model = load(circuit_source.source).bridge\n"
        "    seen.append(weakref.ref(model))\n"
        "    return model\n",
    )
    suite.write(
        "test_loss.py",
        "import gc, pytest\n"
        "from conftest import seen\n"
        "@pytest.mark.parametrize('again', range(3))\n"
        "def test_loss(circuits, again):\n"
        "    assert float(circuits.repeat_loss()) < 0.1\n"
        "    gc.collect()\n"
        "    assert sum(ref() is not None for ref in seen) <= 2\n",
    )
    assert counts(suite.run("--circuits")) == {"passed": 3}


def test_a_marked_class_does_not_make_its_base_a_circuit_test(suite):
    suite.write(
        "test_classes.py",
        "import pytest\n"
        "class Base:\n"
        "    def test_x(self):\n"
        "        pass\n"
        "@pytest.mark.circuits\n"
        "class TestMarked(Base):\n"
        "    pass\n"
        "class TestPlain(Base):\n"
        "    pass\n",
    )
    assert counts(suite.run()) == {"passed": 1, "skipped": 1}
    assert counts(suite.run("--circuits")) == {"passed": 2}


@pytest.mark.parametrize("alias", ["..", ".", "recall.", "CON", "nul.x", "com1"])
def test_an_alias_that_can_be_no_folder_is_refused(suite, alias):
    suite.ini(f"{alias} = bundled:recall")
    suite.write("test_heads.py", ONE_TEST)
    result = suite.run("--circuits", "--snapshot-update")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "can be a folder's name" in result.stderr.str()
    assert suite.stamps() == {}


def test_a_run_that_stops_early_says_what_did_not_run(suite):
    suite.write(
        "test_heads.py",
        "def test_a(circuits):\n    assert False\n"
        "def test_b(circuits):\n    pass\n"
        "def test_c(circuits):\n    pass\n"
        "def test_plain():\n    pass\n",
    )
    result = suite.run("--circuits", "-x")
    assert result.ret == 1
    assert "incomplete: 2 circuit test(s) did not run to a verdict" in result.stdout.lines


def test_a_test_that_crashes_its_worker_is_not_run_again(suite):
    suite.write(
        "test_crash.py",
        "import os\n"
        "def test_a(circuit_source):\n    pass\n"
        "def test_b(circuit_source):\n    os._exit(1)\n"
        "def test_c(circuit_source):\n    pass\n",
    )
    result = suite.run("--circuits", "-n", "2")
    assert counts(result) == {"failed": 1, "passed": 2}
    assert "incomplete: 1 circuit test(s) did not run to a verdict" in result.stdout.lines


@pytest.mark.parametrize(
    "model", ["request.getfixturevalue('circuit_model')", "circuits.runs.bridge"]
)
def test_weights_changed_by_a_test_that_does_not_name_the_model_come_back(suite, model):
    suite.write(
        "test_heads.py",
        f"""
def test_change(circuits, request):
    {model}.unembed.weight.data.zero_()


def test_loss(circuits):
    assert float(circuits.repeat_loss()) < 0.1
""",
    )
    result = suite.run("--circuits", *CHANGES)
    assert counts(result) == {"passed": 2}
