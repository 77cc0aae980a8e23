"""The gate beside subtests, and beside plugins and tests that hide what a run came to."""

import pytest
from circuit_suites import WITHOUT_MODELS, counts

COMPARES = """
def test_all(found, circuit_snapshot):
    found(1.0) == circuit_snapshot
"""
#: Ways in which a conftest.py has pytest end with 0.
HIDING = {
    "wrapper": (
        "@pytest.hookimpl(wrapper=True, tryfirst=True)\n"
        "def pytest_sessionfinish(session):\n"
        "    yield\n"
        "    session.exitstatus = 0\n"
    ),
    "last": (
        "@pytest.hookimpl(trylast=True)\n"
        "def pytest_sessionfinish(session):\n"
        "    session.exitstatus = 0\n"
    ),
}


@pytest.fixture
def found(suite):
    suite.write("conftest.py", WITHOUT_MODELS)
    return suite


@pytest.fixture
def regressed(found):
    found.write("test_all.py", COMPARES)
    found.approve()
    found.write("test_all.py", COMPARES.replace("1.0", "0.2"))
    return found


@pytest.mark.parametrize("option", ["--snapshot-update", "--circuits-pending"])
def test_a_subtest_that_passes_writes_nothing_before_its_test_has_passed(found, option):
    found.write(
        "test_all.py",
        "def test_all(found, circuit_snapshot, subtests):\n"
        "    assert found(1.0) == circuit_snapshot\n"
        "    with subtests.test('part'):\n"
        "        pass\n"
        "    before = [*__import__('pathlib').Path().rglob('*.json')]\n"
        "    assert before == []\n"
        "    assert 1 == 2\n",
    )
    result = found.run("--circuits", option)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["E       assert 1 == 2"])
    assert [name for name in found.baseline_files() if ".pending" not in name] == []


def test_a_test_with_subtests_is_judged_when_all_of_it_is_over(found, monkeypatch):
    found.write(
        "test_all.py",
        "def test_all(found, circuit_snapshot, subtests):\n"
        "    with subtests.test('nothing'):\n"
        "        pass\n"
        "    for name in 'ab':\n"
        "        with subtests.test(name):\n"
        "            assert found(1.0) == circuit_snapshot(name=name)\n",
    )
    found.approve()
    monkeypatch.setenv("CI", "1")
    assert found.run("--circuits").ret == 0


def test_a_comparison_when_the_test_is_over_is_judged(found, monkeypatch):
    text = (
        "import pytest\n"
        "@pytest.fixture\n"
        "def compared(found, circuit_model, circuit_snapshot):\n"
        "    yield\n"
        "    {}\n"
        "def test_all(compared): pass\n"
    )
    found.write("test_all.py", text.format("assert found(1.0) == circuit_snapshot"))
    found.approve()
    monkeypatch.setenv("CI", "1")
    assert found.run("--circuits").ret == 0
    found.write("test_all.py", text.format("found(1.0)"))
    result = found.run("--circuits")
    assert counts(result) == {"passed": 1, "errors": 1}
    result.stdout.fnmatch_lines(["nothing was judged: *"])


@pytest.mark.parametrize("part", ["gate", "session", "ending", "shown", "sweeping"])
def test_no_part_of_it_can_be_switched_off(regressed, part):
    result = regressed.run("--circuits", "-p", f"no:circuits-{part}")
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        [f"*--circuits does not run without its own parts: *circuits-{part}"]
    )


@pytest.mark.parametrize("conftest", HIDING.values(), ids=HIDING)
def test_no_plugin_ends_a_run_well_in_which_a_finding_fails(regressed, conftest):
    regressed.write("conftest.py", f"{WITHOUT_MODELS}\n{conftest}")
    assert regressed.run("--circuits").ret == 1


def test_a_comparison_after_its_test_is_told_by_xdists_workers_too(regressed):
    regressed.write(
        "test_all.py",
        "import threading, time\n"
        "def test_all(found, circuit_snapshot):\n"
        "    def late():\n"
        "        time.sleep(0.2)\n"
        "        found(0.2) == circuit_snapshot\n"
        "    threading.Thread(target=late).start()\n"
        "def test_other(): time.sleep(0.6)\n",
    )
    result = regressed.run_apart("--circuits", "-n1", "-p", "no:threadexception")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*test_all*: this circuit_snapshot belongs to a test that *"])
