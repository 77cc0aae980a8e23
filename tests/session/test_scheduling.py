"""xdist's workers crash wherever they can, and the run comes to its end."""

import itertools
import threading
import time
from collections import Counter
from types import SimpleNamespace

import pytest
from circuit_suites import OTHER, QUIET, RECALL, counts
from session.pretended_workers import Run

from pytest_circuits.session.scheduling import ByModel, Watchdog

MODELS = ("recall", "tuned", "tuned-more")
ALIASES = frozenset(MODELS)
SEEDS = range(4)


def suite_of(models, tests_each=3):
    """Tests of so many models, and plain ones in between and at the end."""
    tests = ["test_a.py::test_plain"]
    for model in MODELS[:models]:
        tests += [f"test_a.py::test_x[{n}-{model}]" for n in range(tests_each)]
        tests.append(f"test_a.py::test_after_{model}")
    return tests


@pytest.fixture
def simulate(pytester):
    """Run tests on pretended workers by our scheduler."""
    configs = {}

    def run(tests, workers, *, restarts=None, run_class=Run, **how):
        key = (workers, restarts)
        if key not in configs:
            limit = () if restarts is None else ("--max-worker-restart", str(restarts))
            configs[key] = pytester.parseconfig("-n", str(workers), *limit)
            configs[key].option.dist = "load"
            configs[key].option.tx = ["popen"] * workers
        config = configs[key]
        return run_class(config, ByModel(config, None, ALIASES), tests, **how).to_its_end()

    return run


def begun(run):
    return Counter(test for test, _ in run.ran)


SHAPES = list(itertools.product((1, 2, 3), (1, 2, 3)))


def test_without_a_crash_every_test_runs_once_and_a_models_on_one_worker(simulate):
    for (models, workers), tests_each, seed in itertools.product(SHAPES, (1, 2, 3), SEEDS):
        tests = suite_of(models, tests_each)
        run = simulate(tests, workers, seed=seed)
        assert begun(run) == Counter(tests)
        for model in MODELS[:models]:
            assert len({who for test, who in run.ran if test.endswith(f"-{model}]")}) == 1


@pytest.mark.parametrize("tests_each", [1, 2, 3])
def test_a_crash_at_any_position_costs_that_test_alone(simulate, tests_each):
    for models, workers in SHAPES:
        tests = suite_of(models, tests_each)
        for test, seed in itertools.product(tests, SEEDS):
            run = simulate(tests, workers, crashing={test}, seed=seed)
            assert begun(run) == Counter(tests), (test, workers)
            assert run.crashed == [test]


def test_two_crashes_at_any_positions_cost_these_tests_alone(simulate):
    for models, workers in SHAPES:
        tests = suite_of(models, 2)
        for seed, pair in enumerate(itertools.combinations(tests, 2)):
            run = simulate(tests, workers, crashing=set(pair), seed=seed)
            assert begun(run) == Counter(tests), (pair, workers)
            assert sorted(run.crashed) == sorted(pair)


@pytest.mark.parametrize("restarts", [0, 1])
@pytest.mark.parametrize(("models", "workers"), [(1, 1), (1, 3), (2, 2), (3, 2), (3, 3)])
def test_with_too_few_workers_left_the_run_ends_all_the_same(simulate, models, workers, restarts):
    tests = suite_of(models)
    for seed, pair in enumerate(itertools.combinations(tests, 2)):
        run = simulate(tests, workers, restarts=restarts, crashing=set(pair), seed=seed)
        assert max(begun(run).values()) == 1
        assert set(run.crashed) <= set(pair)
        assert run.crashed


def test_where_every_test_crashes_its_worker_the_run_ends(simulate):
    tests = suite_of(2)
    for workers in (1, 2, 3):
        run = simulate(tests, workers, restarts=100, crashing=set(tests))
        assert begun(run) == Counter(tests)
        assert sorted(run.crashed) == sorted(tests)


@pytest.mark.parametrize("when", ["workerready", "collectionfinish"])
def test_workers_that_crash_before_they_run_anything_are_replaced(simulate, when):
    for (models, workers), deaths, seed in itertools.product(SHAPES, (1, 2), SEEDS):
        tests = suite_of(models)
        run = simulate(tests, workers, seed=seed, dies_when=when, deaths=deaths)
        assert begun(run) == Counter(tests)


def test_an_idle_worker_takes_over_without_a_new_one(simulate):
    tests = [f"test_a.py::test_x[{n}-recall]" for n in range(4)]
    run = simulate(tests, 2, restarts=0, crashing={tests[1]})
    assert [test for test, _ in run.ran] == tests
    assert len({who for _, who in run.ran}) == len(run.made) == 2


class Otherwise(Run):
    """A run in which a worker that comes later collects other tests."""

    def collected(self, worker):
        later = worker.gateway.id not in ("gw0", "gw1")
        return [*self.tests, "test_a.py::test_more"] if later else self.tests


def test_a_worker_that_collects_other_tests_gets_none(simulate):
    tests = suite_of(2)
    run = simulate(tests, 2, crashing={tests[2]}, run_class=Otherwise)
    assert {who for _, who in run.ran} == {"gw0", "gw1"}
    assert begun(run) == Counter(tests)


# The watchdog


class Node:
    """A worker that waits."""

    def __init__(self):
        self.shutting_down = False

    def shutdown(self):
        self.shutting_down = True


class Queue(list):
    """Events that were not heard yet."""

    def empty(self):
        return not self


@pytest.fixture
def watched():
    """A watchdog over two workers that wait, with two tests left; ``change`` alters one thing."""
    nodes = [Node(), Node()]
    scheduler = SimpleNamespace(
        assigned_work={nodes[0]: {"a": {"t1": True, "t2": False}}, nodes[1]: {}},
        registered_collections={node: ["t1", "t2", "t3", "t4"] for node in nodes},
        workqueue={"b": {"t3": False, "t4": False}},
    )
    distributed = SimpleNamespace(_active_nodes=set(nodes), queue=Queue(), shouldstop=False)
    watchdog = Watchdog(pause=0.005)

    def run(seconds=0.5):
        noting = watchdog.pytest_xdist_make_scheduler()
        next(noting)
        with pytest.raises(StopIteration):
            noting.send(scheduler)
        plugins = SimpleNamespace(getplugin={"dsession": distributed}.get)
        session = SimpleNamespace(config=SimpleNamespace(pluginmanager=plugins))
        looping = watchdog.pytest_runtestloop(session)
        next(looping)
        end = time.monotonic() + seconds
        while not distributed.shouldstop and time.monotonic() < end:
            time.sleep(0.005)
        with pytest.raises(StopIteration):
            looping.send(None)
        return distributed.shouldstop

    return SimpleNamespace(run=run, nodes=nodes, scheduler=scheduler, distributed=distributed)


def test_a_run_in_which_all_wait_is_ended_and_what_is_left_named(watched):
    threads = threading.active_count()
    said = watched.run(seconds=10)
    assert said == "no worker has anything to do, and 2 tests were not run: t3, t4"
    assert all(node.shutting_down for node in watched.nodes)
    assert threading.active_count() == threads


def test_so_it_is_with_xdists_other_schedulers(watched):
    scheduler = watched.scheduler
    scheduler.node2collection = scheduler.registered_collections
    scheduler.node2pending = {watched.nodes[0]: [1], watched.nodes[1]: []}
    scheduler.pending, scheduler.collection = [2, 3], ["t1", "t2", "t3", "t4"]
    del scheduler.assigned_work, scheduler.workqueue
    said = watched.run(seconds=10)
    assert said == "no worker has anything to do, and 2 tests were not run: t3, t4"


def test_many_that_are_left_are_not_all_named(watched):
    watched.scheduler.workqueue = {"b": dict.fromkeys(map(str, range(9)), False)}
    assert watched.run(seconds=10).endswith("9 tests were not run: 0, 1, 2, 3, 4 …")


@pytest.mark.parametrize("busy", ["a test runs", "the last test runs", "one collects", "unheard"])
def test_a_run_in_which_one_is_busy_goes_on(watched, busy):
    if busy == "a test runs":
        watched.scheduler.assigned_work[watched.nodes[1]] = {"c": {"t5": False, "t6": False}}
    elif busy == "the last test runs":
        watched.nodes[0].shutting_down = True
    elif busy == "one collects":
        del watched.scheduler.registered_collections[watched.nodes[1]]
    else:
        watched.distributed.queue.append("an event")
    assert watched.run(seconds=0.2) is False


# Real workers

CRASHES = """
import os
import signal

import pytest


@pytest.mark.parametrize("i", range(4))
def test_x(circuit_source, i):
    if (i, circuit_source.alias) == (3, "recall"):
        os.kill(os.getpid(), signal.SIGKILL)


def test_plain():
    pass
"""


def test_a_kill_in_the_last_test_of_a_queue_costs_that_test_alone(suite):
    suite.ini(RECALL, OTHER)
    suite.write("test_crash.py", CRASHES)
    models = ("--circuits-model", "recall", "--circuits-model", "tuned")
    result = suite.run("--circuits", "-n", "2", *models)
    assert (result.ret, counts(result)) == (1, {"failed": 1, "passed": 8})


SCOPES = """
import os
import signal


class TestFirst:
    def test_before(self, circuit_source):
        pass

    def test_crash(self, circuit_source):
        os.kill(os.getpid(), signal.SIGKILL)


class TestOne:
    def test_one(self, circuit_source):
        pass


class TestTwo:
    def test_two(self, circuit_source):
        pass


class TestMany:
    def test_a(self, circuit_source):
        pass

    def test_b(self, circuit_source):
        pass
"""


@pytest.mark.nightly
def test_a_run_that_xdists_own_scheduler_leaves_hanging_is_ended(suite):
    suite.write("test_scopes.py", SCOPES)
    result = suite.pytester.runpytest_inprocess(
        *QUIET, "--circuits", "-n", "1", "--dist", "loadscope", no_reraise_ctrlc=True
    )
    assert result.ret == 2
    result.stdout.fnmatch_lines(["*Interrupted: no worker has anything to do, and * were not run*"])
