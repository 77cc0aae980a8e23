"""xdist: the tests of one model go to one worker, and a run always comes to its end.

A worker begins a test when it knows which one follows, or that none does. So it needs two tests in
its queue, or the word that there are no more; with one test and no such word it waits.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from pytest_circuits.session.outcomes import model_of

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

#: Tests in its queue that a worker needs to begin the first of them.
_ENOUGH = 2
#: Seconds between two looks at the workers, and looks after which none of them will go on. What a
#: worker has sent arrives within milliseconds.
_PAUSE, _LOOKS = 1.0, 3
#: Tests that the message of a run that was ended names.
_NAMED = 5


class OneModelPerWorker:
    """Groups tests by model, unless the user chose a distribution with ``--dist``."""

    def __init__(self, aliases: frozenset[str]) -> None:
        self._aliases = aliases

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> LoadScopeScheduling:  # noqa: ANN401
        """A scheduler whose scopes are models."""
        return ByModel(config, log, self._aliases)


class ByModel(LoadScopeScheduling):  # type: ignore[misc]  # xdist is untyped
    """Gives all tests of one model to one worker; every other test may go to any.

    What a worker leaves behind that crashed goes to the others, or to the one in its place. xdist's
    own scheduler lets workers wait for ever there: it hands out scopes in which all is done, and
    single tests, and says nothing more.
    """

    def __init__(self, config: pytest.Config, log: Any, aliases: frozenset[str]) -> None:  # noqa: ANN401
        super().__init__(config, log)
        self._aliases = aliases

    def _split_scope(self, nodeid: str) -> str:
        return model_of(nodeid, self._aliases) or nodeid

    def schedule(self) -> None:
        """Hand tests out, first when all workers have collected, then when one has come."""
        if self.collection is None:
            if not self._check_nodes_have_same_collection():
                return
            collection: list[str] = next(iter(self.registered_collections.values()))
            self.collection: list[str] | None = list(collection)
            scopes: dict[str, dict[str, bool]] = {}
            for nodeid in collection:
                scopes.setdefault(self._split_scope(nodeid), {})[nodeid] = False
            # The longest first, so that workers end at about the same time.
            reorder = self.config.option.loadscopereorder
            order = sorted(scopes, key=lambda scope: -len(scopes[scope]) if reorder else 0)
            self.workqueue.update((scope, scopes[scope]) for scope in order)
            for node in self.nodes[: len(scopes)]:
                self._assign_work_unit(node)
        self._reschedule_all()

    def remove_node(self, node: Any) -> str | None:  # noqa: ANN401
        """Take back what a worker did not run; gives the test that it crashed in, if any.

        That one is left out: it would crash the next worker too.
        """
        crashed: str | None = None
        for scope, unit in self.assigned_work.pop(node).items():
            left = [nodeid for nodeid, done in unit.items() if not done]
            if left and crashed is None:
                crashed = left.pop(0)
            if left:
                self.workqueue[scope] = dict.fromkeys(left, False)
        self._reschedule_all()
        return crashed

    def _reschedule_all(self) -> None:
        for node in self.nodes:
            self._reschedule(node)

    def _reschedule(self, node: Any) -> None:  # noqa: ANN401
        """Give a worker what it needs to go on.

        One that has nothing to do is kept for what others may leave behind.
        """
        # The worker in another's place may not have collected yet.
        if node.shutting_down or node not in self.registered_collections:
            return
        while self.workqueue and self._pending_of(self.assigned_work[node]) < _ENOUGH:
            self._assign_work_unit(node)
        if self._pending_of(self.assigned_work[node]) == 1:
            node.shutdown()


class Watchdog:
    """Ends a run in which tests are left and every worker waits, whoever scheduled them."""

    def __init__(self, pause: float = _PAUSE) -> None:
        self._pause = pause
        self._scheduler: Any = None
        self._over = threading.Event()

    @pytest.hookimpl(optionalhook=True, wrapper=True)
    def pytest_xdist_make_scheduler(self) -> Generator[None, object, object]:
        """Note what hands out the tests."""
        self._scheduler = yield
        return self._scheduler

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Watch while tests run."""
        distributed = session.config.pluginmanager.getplugin("dsession")
        # A daemon, so that nothing waits for it.
        watching = threading.Thread(target=self._watch, args=(distributed,), daemon=True)
        watching.start()
        try:
            return (yield)
        finally:
            self._over.set()
            watching.join()

    def _watch(self, distributed: Any) -> None:  # noqa: ANN401 — xdist's
        looks = 0
        while not self._over.wait(self._pause):
            try:
                waits = self._all_wait(distributed)
            except (AttributeError, KeyError, RuntimeError):
                # Changed while it was looked at, or a scheduler that is none of xdist's.
                waits = False
            looks = looks + 1 if waits else 0
            if looks == _LOOKS:
                self._end(distributed)
                return

    def _all_wait(self, distributed: Any) -> bool:  # noqa: ANN401
        """Whether no worker will do anything more, and there is nothing to hear from one."""
        nodes = list(distributed._active_nodes)  # noqa: SLF001 — of those that are starting it alone knows
        return bool(nodes) and distributed.queue.empty() and all(map(self._waits, nodes))

    def _waits(self, node: Any) -> bool:  # noqa: ANN401
        collected, pending = _queues(self._scheduler)
        return node in collected and not node.shutting_down and len(pending[node]) < _ENOUGH

    def _end(self, distributed: Any) -> None:  # noqa: ANN401
        left = self._left()
        named = ", ".join(left[:_NAMED]) + (" …" if len(left) > _NAMED else "")
        # xdist ends the run, with pytest's status of one that was stopped, when a worker ends.
        distributed.shouldstop = (
            f"no worker has anything to do, and {len(left)} tests were not run: {named}"
        )
        for node in list(distributed._active_nodes):  # noqa: SLF001
            node.shutdown()

    def _left(self) -> list[str]:
        """The tests that nobody has run, as far as the scheduler knows; a waiting worker's will."""
        scheduler = self._scheduler
        if hasattr(scheduler, "workqueue"):
            units = scheduler.workqueue.values()
            return [nodeid for unit in units for nodeid, done in unit.items() if not done]
        return [scheduler.collection[index] for index in getattr(scheduler, "pending", ())]


def _queues(scheduler: Any) -> tuple[dict[Any, Any], dict[Any, Sequence[object]]]:  # noqa: ANN401
    """What each worker collected, and what it has still to run, in any of xdist's schedulers."""
    if hasattr(scheduler, "assigned_work"):
        pending: dict[Any, Sequence[object]] = {
            node: [nodeid for unit in work.values() for nodeid, done in unit.items() if not done]
            for node, work in scheduler.assigned_work.items()
        }
        return scheduler.registered_collections, pending
    return scheduler.node2collection, scheduler.node2pending
