"""What the gate refuses fails its test, whatever the test does with the answer."""

import json
from fnmatch import fnmatch
from xml.etree import ElementTree as ET

import pytest
from circuit_suites import WITHOUT_MODELS, counts

#: One number that a model had, and has: the gate refuses every comparison of it.
BEFORE, NOW = "1.0", "0.2"
REFUSED = "weakened: induction score fell 1.06 → 0.26"
#: What stands around a comparison that is not asserted.
WAYS = {
    "not_asserted": "found(NOW) == circuit_snapshot",
    "or_true": "assert found(NOW) == circuit_snapshot or True",
    "kept": "answer = found(NOW) == circuit_snapshot\n    assert answer in (True, False)",
    "denied": "assert not (found(NOW) == circuit_snapshot)",
    "turned": "circuit_snapshot == found(NOW)",
    "among": "assert found(NOW) not in [circuit_snapshot]",
    "chained": "0 == 0 and found(NOW) == circuit_snapshot",
    "caught": (
        "try:\n        assert found(NOW) == circuit_snapshot\n"
        "    except AssertionError:\n        pass"
    ),
    "caught_all": (
        "try:\n        assert found(NOW) == circuit_snapshot\n"
        "    except BaseException:\n        pass"
    ),
    "raises": (
        "with pytest.raises(AssertionError):\n        assert found(NOW) == circuit_snapshot"
    ),
    "suppressed": (
        "with contextlib.suppress(BaseException):\n        assert found(NOW) == circuit_snapshot"
    ),
    "finally_returned": (
        "try:\n        assert found(NOW) == circuit_snapshot\n    finally:\n        return None"
    ),
    "skipped": "found(NOW) == circuit_snapshot\n    pytest.skip('later')",
    "skipped_as_unittest": "found(NOW) == circuit_snapshot\n    raise unittest.SkipTest('later')",
    "import_or_skip": "found(NOW) == circuit_snapshot\n    pytest.importorskip('no_such_module')",
    "in_a_thread": (
        "thread = threading.Thread(target=lambda: found(NOW) == circuit_snapshot)\n"
        "    thread.start()\n    thread.join()"
    ),
    "asserted_in_a_pool": (
        "def compare():\n        assert found(NOW) == circuit_snapshot\n"
        "    with ThreadPoolExecutor(1) as pool:\n        pool.submit(compare)"
    ),
    "helped": "helper.compare(found(NOW), circuit_snapshot)",
    "exited": (
        "try:\n        found(NOW) == circuit_snapshot\n        raise SystemExit(0)\n"
        "    except SystemExit:\n        pass"
    ),
    "in_a_subtest": ("with subtests.test('part'):\n        found(NOW) == circuit_snapshot"),
    "damaged": "circuit_snapshot.reader = damaged\n    found(NOW) == circuit_snapshot",
    "raised_and_caught": (
        "try:\n        'no finding' == circuit_snapshot\n    except TypeError:\n        pass"
    ),
}
IMPORTS = """
import contextlib, threading, unittest
from concurrent.futures import ThreadPoolExecutor

import helper
import pytest

from pytest_circuits.baselines import BaselineError

def damaged(path):
    raise BaselineError(f"{path}: is damaged")
"""


def source_of(name, body, value):
    asks = "found, circuit_snapshot" + (", subtests" if "subtests" in body else "")
    return f"\n\ndef test_{name}({asks}):\n    {body.replace('NOW', value)}\n"


@pytest.fixture
def regressed(suite):
    """Make a suite of tests whose baselines hold what the model had before."""

    def make(tests, conftest=""):
        suite.write("conftest.py", WITHOUT_MODELS + conftest)
        suite.write("helper.py", "def compare(found, snapshot):\n    assert found == snapshot or 1")
        stored = "assert found(NOW) == circuit_snapshot"
        suite.write(
            "test_all.py", "".join(source_of(name, stored, BEFORE) for name in tests) + "\n"
        )
        suite.approve()
        return suite

    return make


def junit(suite):
    """What the JUnit report says of every test: how it went, and the first line of why."""
    cases = ET.parse(suite.path / "junit.xml").iter("testcase")  # noqa: S314 — pytest's own
    told = {}
    for case in cases:
        name = case.get("name").removeprefix("test_").removesuffix("[recall]")
        told.setdefault(name, []).extend(
            (each.tag, each.get("message", "").partition("\n")[0])
            for each in case
            if each.tag != "properties"
        )
    return told


def summary(suite):
    return json.loads((suite.path / "report.json").read_text())["summary"]


def run(suite, *arguments):
    """Run it with a report and JUnit's, and return both with pytest's result."""
    files = "--circuits-json=report.json", "--junitxml=junit.xml"
    result = suite.run("--circuits", *files, *arguments)
    return result, junit(suite), summary(suite)


def test_no_way_around_an_assertion_passes(regressed):
    suite = regressed(WAYS)
    text = IMPORTS + "".join(source_of(name, WAYS[name], NOW) for name in WAYS)
    suite.write("test_all.py", text)
    result, told, figures = run(suite)
    assert (result.ret, counts(result)) == (1, {"failed": len(WAYS)})
    why = ("failure", f"assert {REFUSED}")
    others = {
        "damaged": ("failure", "assert __circuits__/recall/test_all/test_damaged.json: is damaged"),
        "raised_and_caught": ("failure", "assert circuit_snapshot holds findings, and got str: *"),
    }
    for name in WAYS:
        ((kind, message),) = told[name]
        wanted = others.get(name, why)
        assert (kind, fnmatch(message, wanted[1])) == (wanted[0], True), name
    assert figures["failing"] == len(WAYS) - 1
    assert (figures["failed_claims"], figures["failed_without_finding"]) == (0, 1)
    report = json.loads((suite.path / "report.json").read_text())
    lines = text.splitlines()
    for each in report["tests"]:
        (verdict,) = each["verdicts"].values()
        # The line of the comparison, in the test's own file.
        assert any(word in lines[verdict["line"] - 1] for word in ("found(0.2)", "raise "))


def test_the_explanation_is_that_of_the_assertion_and_says_how_to_do_without_the_gate(regressed):
    suite = regressed(["heads"])
    suite.write("test_all.py", source_of("heads", "found(NOW) == circuit_snapshot", NOW))
    result = suite.run("--circuits")
    text = result.stdout.str()
    assert text.count(REFUSED) == 1
    result.stdout.fnmatch_lines(
        [
            ">       found(0.2) == circuit_snapshot",
            f"E       assert {REFUSED}",
            "E         induction score fell 1.06 → 0.26 (tolerance 0.11)",
            "E       *`circuit_snapshot.judge(finding)`.",
            "",
            "test_all.py:4: AssertionError",
        ],
        consecutive=True,
    )
    assert "gating.py" not in text


FIXTURES = """
@pytest.fixture
def compared(found, circuit_snapshot):
    return found(0.2) == circuit_snapshot


@pytest.fixture
def compared_and_skipped(compared):
    pytest.skip("later")


@pytest.fixture
def compared_at_the_end(found, circuit_snapshot, circuit_model):
    yield
    found(0.2) == circuit_snapshot


@pytest.fixture
def skipped_at_the_end(found, circuit_snapshot, circuit_model):
    yield
    found(0.2) == circuit_snapshot
    pytest.skip("later")
"""


def test_a_comparison_in_a_fixture_fails_its_test_once(regressed):
    fixtures = ["compared", "compared_and_skipped", "compared_at_the_end", "skipped_at_the_end"]
    suite = regressed(fixtures, FIXTURES)
    suite.write("test_all.py", "".join(f"def test_{one}({one}): pass\n" for one in fixtures))
    result, told, figures = run(suite)
    # What is compared when the test is over fails where it is compared.
    assert counts(result) == {"failed": 1, "passed": 2, "errors": 3}
    why = f"assert {REFUSED}"
    assert told["compared"] == [("failure", why)]
    for other in fixtures[1:]:
        ((kind, message),) = told[other]
        assert kind == "error"
        assert why in message
    assert figures["failing"] == 4


EXPECTED = {
    "mark": ("@pytest.mark.xfail", "found(NOW) == circuit_snapshot"),
    "strict": ("@pytest.mark.xfail(strict=True)", "found(NOW) == circuit_snapshot"),
    "raises": ("@pytest.mark.xfail(raises=AssertionError)", "found(NOW) == circuit_snapshot"),
    "imperative": ("", "found(NOW) == circuit_snapshot\n    pytest.xfail('known')"),
    "other": ("@pytest.mark.xfail(raises=KeyError)", "found(NOW) == circuit_snapshot"),
    "another": (
        "@pytest.mark.xfail(raises=KeyError)",
        "found(NOW) == circuit_snapshot\n    raise KeyError('x')",
    ),
    "not_now": ("@pytest.mark.xfail(False, reason='')", "found(NOW) == circuit_snapshot"),
}


def test_an_expected_failure_is_one_as_with_an_assertion(regressed):
    suite = regressed(EXPECTED)
    tests = [f"\n{mark}" + source_of(n, body, NOW)[1:] for n, (mark, body) in EXPECTED.items()]
    suite.write("test_all.py", "import pytest\n" + "".join(tests))
    result, _, figures = run(suite)
    assert counts(result) == {"xfailed": 4, "failed": 3}
    assert (figures["verdicts"], figures["failing"]) == ({"weakened": 7}, 3)
    # Nothing hangs on what is expected to fail.
    assert figures["judged"] == 3
    result, _, figures = run(suite, "--runxfail")
    assert counts(result) == {"failed": 7}


OWN = {
    "own_assertion": "found(NOW) == circuit_snapshot\n    assert 1 == 2",
    "own_error": "found(NOW) == circuit_snapshot\n    raise KeyError('x')",
    "own_failure": "found(NOW) == circuit_snapshot\n    pytest.fail('mine')",
    "asserted": "assert found(NOW) == circuit_snapshot",
    "asserted_in_a_subtest": (
        "with subtests.test('part'):\n        assert found(NOW) == circuit_snapshot"
    ),
}


def test_a_test_that_fails_by_itself_keeps_its_failure(regressed):
    suite = regressed(OWN)
    tests = [source_of(name, body, NOW) for name, body in OWN.items()]
    suite.write("test_all.py", "import pytest\n" + "".join(tests))
    result, told, figures = run(suite)
    assert counts(result) == {"failed": 6}
    assert figures["failing"] == 5
    messages = {name: [message for _, message in each] for name, each in told.items()}
    assert messages["own_assertion"] == ["assert 1 == 2"]
    assert messages["own_error"] == ["KeyError: 'x'"]
    assert messages["own_failure"] == ["Failed: mine"]
    assert messages["asserted"] == [f"assert {REFUSED}"]
    text = result.stdout.str()
    assert "The test went on after this" not in text
    # Told where the test's own failure doesn't, and elsewhere not again.
    assert text.count(f"assert induction_scores {REFUSED}") == 2


def test_several_refused_findings_are_told_once_each(regressed):
    suite = regressed(["two"])
    body = 'found(1.0) == circuit_snapshot\n    found(1.0) == circuit_snapshot(name="other")'
    suite.write("test_all.py", source_of("two", body, NOW))
    suite.approve()
    suite.write("test_all.py", source_of("two", body.replace("1.0", "NOW"), NOW))
    result = suite.run("--circuits")
    assert counts(result) == {"failed": 1}
    told = [line for line in result.stdout.lines if line.startswith("E       assert ")]
    assert told == [f"E       assert {title} {REFUSED}" for title in ("induction_scores", "other")]


RERUNS = """
from _pytest.runner import runtestprotocol


def pytest_runtest_protocol(item, nextitem):
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for attempt in range(3):
        item.attempt = attempt
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if attempt == 2 or not any(report.failed for report in reports):
            break
        item._initrequest()
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
"""


def test_the_last_of_several_attempts_counts(regressed):
    suite = regressed(["flaky", "lost"], RERUNS)
    flaky = "found(1.0 if request.node.attempt else NOW) == circuit_snapshot"
    tests = source_of("flaky", flaky, NOW).replace("(found", "(request, found")
    tests += source_of("lost", "found(NOW) == circuit_snapshot", NOW)
    suite.write("test_all.py", tests)
    result, _, figures = run(suite)
    assert counts(result) == {"passed": 1, "failed": 1}
    assert figures["verdicts"] == {"weakened": 1, "preserved": 1}


AWAITS = """
import asyncio


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if asyncio.iscoroutinefunction(pyfuncitem.obj):
        asked = pyfuncitem._fixtureinfo.argnames
        asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in asked}))
        return True
"""


def test_async_tests_are_held_too(regressed):
    suite = regressed(["later"], AWAITS)
    body = source_of("later", "found(NOW) == circuit_snapshot", NOW).replace("def", "async def")
    suite.write("test_all.py", body)
    result, told, _ = run(suite)
    assert (counts(result), told["later"]) == (
        {"failed": 1},
        [("failure", f"assert {REFUSED}")],
    )


SWALLOWS = """
class Swallows:
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item):
        try:
            yield
        except AssertionError:
            pass


def pytest_collection(session):
    session.config.pluginmanager.register(Swallows())
"""


def test_what_another_plugin_swallows_ends_the_run_red(regressed):
    suite = regressed(["lost"], SWALLOWS)
    suite.write("test_all.py", source_of("lost", "assert found(NOW) == circuit_snapshot", NOW))
    result = suite.run("--circuits")
    assert (result.ret, counts(result)) == (1, {"passed": 1})


ENDS = {
    "ends_the_run": "found(NOW) == circuit_snapshot\n    pytest.exit('enough', returncode=0)",
    "compares_when_it_is_over": (
        "def compare():\n        while not OVER: time.sleep(0.01)\n"
        "        with contextlib.suppress(RuntimeError):\n"
        "            found(NOW) == circuit_snapshot\n"
        "    THREADS.append(threading.Thread(target=compare))\n    THREADS[0].start()"
    ),
}
AFTERWARDS = "\n\ndef test_next():\n    OVER.append(1)\n    for thread in THREADS: thread.join()\n"


@pytest.mark.parametrize("how", ENDS)
def test_what_no_test_can_fail_by_ends_the_run_red_and_is_told(regressed, how):
    suite = regressed([how])
    begin = IMPORTS + "import time\nOVER, THREADS = [], []\n"
    suite.write("test_all.py", begin + source_of(how, ENDS[how], NOW) + AFTERWARDS)
    result = suite.run("--circuits")
    # Where tests are left, the run was stopped.
    assert result.ret == {"ends_the_run": 2}.get(how, 1)
    why = {"ends_the_run": REFUSED}.get(how, "this circuit_snapshot belongs to a test that is over")
    assert f"test_all.py::test_{how}[recall]: {why}" in result.stdout.lines


def test_a_waiver_and_a_gate_let_pass_what_they_let_pass(regressed):
    suite = regressed(["heads"])
    body = source_of("heads", "found(NOW) == circuit_snapshot", NOW)
    suite.write("test_all.py", body)
    assert suite.run("--circuits", "--circuits-gate=never").ret == 0
    waiver = 'accept="weakened", until="2999-01-01", reason="known"'
    suite.write("test_all.py", f"import pytest\n@pytest.mark.circuits({waiver}){body[1:]}")
    assert suite.run("--circuits").ret == 0


def test_what_a_fixture_compares_at_the_end_is_approved_then(regressed):
    suite = regressed(["at_the_end"], FIXTURES)
    suite.write("test_all.py", "def test_at_the_end(compared_at_the_end): pass")
    before = suite.stamps()
    result = suite.run("--circuits", "--snapshot-update")
    assert counts(result) == {"passed": 1}
    result.stdout.fnmatch_lines(["weakened * written: *"])
    assert suite.stamps() != before
    assert suite.run("--circuits").ret == 0


def test_a_snapshot_of_a_test_that_is_over_compares_nothing(regressed):
    suite = regressed(["first", "second"])
    suite.write(
        "test_all.py",
        "KEPT = []\n"
        "def test_first(found, circuit_snapshot):\n"
        "    KEPT.append(circuit_snapshot)\n"
        "def test_second(found):\n"
        "    found(0.2) == KEPT[0]\n",
    )
    result = suite.run("--circuits")
    assert counts(result) == {"passed": 1, "failed": 1}
    result.stdout.fnmatch_lines(
        ["*RuntimeError: this circuit_snapshot belongs to a test that is over"]
    )


# Verdicts without the gate


def test_a_verdict_without_the_gate_fails_nothing_and_writes_nothing(regressed):
    suite = regressed(["heads"])
    before = suite.age()
    suite.write(
        "test_all.py",
        """
def test_heads(found, circuit_snapshot):
    verdict = circuit_snapshot.judge(found(0.2))
    assert verdict.kind == "weakened"
    assert verdict.reasons[0].after == 0.26
    assert circuit_snapshot(name="other").judge(found(0.2)).kind == "new"
    assert circuit_snapshot.judge(found(1.0)).kind == "preserved"
    assert found(1.0) == circuit_snapshot
""",
    )
    for options in (
        (),
        ("--snapshot-update",),
        ("--circuits-pending",),
        ("--circuits-gate=change",),
    ):
        result, _, figures = run(suite, *options)
        assert (result.ret, counts(result)) == (0, {"passed": 1})
        assert figures["verdicts"] == {"preserved": 1}
        assert suite.stamps() == before


def test_a_verdict_can_not_be_had_of_a_damaged_baseline(regressed):
    suite = regressed(["heads"])
    suite.baseline_files()["recall/test_all/test_heads.json"].write_text("{")
    suite.write("test_all.py", source_of("heads", "circuit_snapshot.judge(found(NOW))", NOW))
    result = suite.run("--circuits")
    assert counts(result) == {"failed": 1}
    result.stdout.fnmatch_lines(["__circuits__/recall/test_all/test_heads.json*"])


def test_unequal_is_no_comparison_and_says_what_is(regressed):
    suite = regressed(["heads"])
    suite.write("test_all.py", source_of("heads", "assert found(NOW) != circuit_snapshot", NOW))
    result = suite.run("--circuits")
    assert counts(result) == {"failed": 1}
    result.stdout.fnmatch_lines(
        ["E  *TypeError: circuit_snapshot has no `!=`*`circuit_snapshot.judge(finding).kind`*"]
    )


def test_a_verdict_is_one_on_what_the_test_has_just_approved(regressed):
    suite = regressed(["heads"])
    suite.write(
        "test_all.py",
        """
def test_heads(found, circuit_snapshot):
    assert found(0.2) == circuit_snapshot
    assert circuit_snapshot.judge(found(0.2)).kind == "preserved"
    assert circuit_snapshot.judge(found(1.0)).kind == "strengthened"
    assert circuit_snapshot(name="other").judge(found(0.2)).kind == "new"
""",
    )
    assert suite.run("--circuits").ret == pytest.ExitCode.TESTS_FAILED
    suite.approve()
    assert suite.run("--circuits").ret == 0


def test_a_verdict_has_no_truth_that_an_assertion_could_ask_for(regressed):
    suite = regressed(["heads"])
    suite.write("test_all.py", source_of("heads", "assert circuit_snapshot.judge(found(NOW))", NOW))
    result = suite.run("--circuits")
    assert counts(result) == {"failed": 1}
    result.stdout.fnmatch_lines(["E *TypeError: a verdict is neither true nor false: ask .kind*"])
