"""Parameters that others add: the alias ends the id, and baselines keep their names."""

import pytest
from circuit_suites import RECALL, WITHOUT_MODELS, counts

#: As pytest-repeat does it.
REPEATS = """

@pytest.fixture
def _step(request):
    return request.param


@pytest.hookimpl(trylast=True)
def pytest_generate_tests(metafunc):
    metafunc.fixturenames.append("_step")
    metafunc.parametrize("_step", range(2), indirect=True, ids=lambda step: f"{step + 1}-2")
"""
#: A conftest that gives an argument its values, after everybody else.
GIVES = """

@pytest.hookimpl({how})
def pytest_generate_tests(metafunc):
    {first}
    if "size" in metafunc.fixturenames:
        metafunc.parametrize("size", [1.0, 2.0])
    {then}
"""
LAST = GIVES.format(how="trylast=True", first="", then="")
OUTERMOST = GIVES.format(how="wrapper=True, tryfirst=True", first="yield", then="return None")
BEFORE = GIVES.format(how="wrapper=True, tryfirst=True", first="", then="return (yield)")

ONE = """
def test_heads(found, circuit_snapshot):
    assert found(NOW) == circuit_snapshot
"""
SIZED = """
def test_heads(found, circuit_snapshot, size):
    assert found(size) == circuit_snapshot
"""
REQUESTED = """
import pytest


@pytest.fixture
def size(request):
    return request.param


def test_heads(found, circuit_snapshot, request):
    assert found(request.getfixturevalue("size")) == circuit_snapshot
"""
ADDS = """

def pytest_generate_tests(metafunc):
    metafunc.fixturenames.append("size")
    metafunc.parametrize("size", [1.0, 2.0], indirect=True)
"""


@pytest.fixture
def lay(suite):
    def lay(test, conftest=""):
        suite.write("conftest.py", WITHOUT_MODELS + conftest)
        suite.write("test_all.py", test)
        return suite

    return lay


def ids(suite):
    lines = suite.run("--circuits", "--collect-only", "-q").stdout.lines
    return [line.partition("[")[2] for line in lines if "test_heads[" in line]


def test_a_test_that_a_plugin_repeats_is_held_against_its_baseline(lay):
    lay(ONE.replace("NOW", "1.0")).approve()
    suite = lay(ONE.replace("NOW", "0.2"), REPEATS)
    assert ids(suite) == ["1-2-recall]", "2-2-recall]"]
    for workers in ((), ("-n", "2")):
        result = suite.run("--circuits", *workers)
        assert (result.ret, counts(result)) == (1, {"failed": 2})
        result.stdout.fnmatch_lines(["2 findings: 2 weakened;*"])
    lay(ONE.replace("NOW", "1.0"), REPEATS)
    result = suite.run("--circuits", "--circuits-unjudged=fail", "--circuits-gate=change")
    assert (result.ret, counts(result)) == (0, {"passed": 2})


def test_baselines_approved_while_repeating_are_those_of_the_test_alone(lay):
    suite = lay(ONE.replace("NOW", "1.0"), REPEATS)
    assert list(suite.approve()) == ["recall/test_all/test_heads.json"]
    lay(ONE.replace("NOW", "1.0"))
    assert suite.run("--circuits", "--circuits-gate=change").ret == 0


def test_parameters_of_its_own_stay_where_a_test_is_repeated(lay):
    own = "import pytest\n@pytest.mark.parametrize('size', [1.0, 2.0], ids=['a-b', 'c'])" + SIZED
    files = lay(own).approve()
    assert list(files) == [
        "recall/test_all/test_heads[a-b].json",
        "recall/test_all/test_heads[c].json",
    ]
    suite = lay(own, REPEATS)
    assert len(ids(suite)) == 4
    assert suite.run("--circuits", "--circuits-gate=change").ret == 0


@pytest.mark.parametrize(
    ("test", "conftest"),
    [(SIZED, LAST), (SIZED, BEFORE), (REQUESTED, ADDS)],
    ids=["last", "before the others", "asked for by name"],
)
def test_tests_with_other_parameters_never_share_a_baseline(lay, test, conftest):
    suite = lay(test, conftest)
    assert ids(suite) == ["1.0-recall]", "2.0-recall]"]
    assert list(suite.approve()) == [
        "recall/test_all/test_heads[1.0].json",
        "recall/test_all/test_heads[2.0].json",
    ]
    assert suite.run("--circuits", "--circuits-gate=change").ret == 0


def test_a_test_whose_id_does_not_end_in_the_alias_is_refused(lay):
    suite = lay(SIZED, OUTERMOST)
    assert ids(suite) == ["recall-1.0]", "recall-2.0]"]
    result = suite.run("--circuits", "--snapshot-update")
    assert counts(result) == {"errors": 2}
    result.stdout.fnmatch_lines(["this test's id doesn't end in its model, 'recall', *"])
    assert suite.baseline_files() == {}


HIDDEN = """
import pytest


@pytest.mark.parametrize("size", [pytest.param(1.0, id=pytest.HIDDEN_PARAM)])
def test_heads(found, circuit_snapshot, size):
    assert found(size) == circuit_snapshot
"""


def test_hidden_ids_are_no_part_of_a_name_and_refused_where_that_is_unclear(lay):
    suite = lay(HIDDEN)
    assert list(suite.approve()) == ["recall/test_all/test_heads.json"]
    lay(HIDDEN, REPEATS)
    result = suite.run("--circuits")
    assert counts(result) == {"errors": 2}
    result.stdout.fnmatch_lines(["this test's baselines can't be told: *'_step'*"])


def test_the_alias_is_told_by_the_parameter_and_not_by_the_text(lay):
    """Of two aliases the longer ends in the shorter one, behind what may be a parameter."""
    suite = lay("import pytest\n@pytest.mark.parametrize('size', [1.0], ids=['x'])" + SIZED)
    suite.ini(RECALL, "x-recall = bundled:recall-finetuned")
    suite.approve()
    lay("import pytest\n@pytest.mark.parametrize('size', [0.2], ids=['x'])" + SIZED)
    models = ("--circuits-model=recall", "--circuits-model=x-recall")
    result = suite.run("--circuits", *models)
    result.stdout.fnmatch_lines(["2 findings: 1 weakened, 1 new*"])
    broken = "import pytest\n@pytest.mark.parametrize('size', [1.0], ids=['x'])" + SIZED
    lay(broken.replace("assert", "raise OSError\n    assert"))
    for workers in ((), ("-n", "2")):
        result = suite.run("--circuits", models[0], *workers)
        result.stdout.fnmatch_lines(["no findings; 1 test failed without a finding"])
