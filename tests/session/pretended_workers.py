"""xdist's controller as it is, over workers that are pretended, and crash where they are told."""

import random
from types import SimpleNamespace

from xdist.dsession import DSession


class StuckError(Exception):
    """Every worker waits, and nobody will tell one anything."""


class Worker:
    """What xdist's controller knows of a worker; it runs tests as a real one does."""

    def __init__(self, run, name):
        self.run = run
        self.gateway = SimpleNamespace(id=name, spec=SimpleNamespace(id=name))
        self.workeroutput = {"exitstatus": 0, "shouldfail": False, "shouldstop": False}
        self.queue = []
        self.told_to_end = self.gone = False
        self.steps = ["workerready", "collectionfinish"]

    def __repr__(self):
        return self.gateway.id

    @property
    def shutting_down(self):
        return self.told_to_end or self.gone

    def shutdown(self):
        self.told_to_end = True

    def send_runtest_some(self, indices):
        # What comes after the word that nothing more comes is never looked at.
        if not self.shutting_down:
            self.queue += indices

    def step(self):
        """What it tells the controller next; None if it waits."""
        if self.steps:
            return self.begins(self.steps.pop(0))
        if len(self.queue) < 2 and not self.told_to_end:
            return None
        return self.runs() if self.queue else self.finishes()

    def begins(self, kind):
        if kind == self.run.dies_when and self.run.deaths_left:
            self.run.deaths_left -= 1
            return self.dies()
        if kind == "workerready":
            return kind, {"node": self, "workerinfo": {}}
        return kind, {"node": self, "ids": self.run.collected(self)}

    def runs(self):
        index = self.queue.pop(0)
        test = self.run.tests[index]
        self.run.ran.append((test, self.gateway.id))
        if test in self.run.crashing:
            return self.dies()
        return "runtest_protocol_complete", {"node": self, "item_index": index, "duration": 0.0}

    def dies(self):
        self.gone = True
        return "errordown", {"node": self, "error": "Not properly terminated"}

    def finishes(self):
        self.gone = True
        return "workerfinished", {"node": self}


class Run(DSession):
    """A run over pretended workers, which take turns in an order drawn from a seed.

    Attributes:
        ran: the tests in the order in which they began, and who ran each.
        crashed: those that the controller says a worker crashed in.
    """

    def __init__(self, config, scheduler, tests, *, crashing=(), seed=0, dies_when="", deaths=1):
        super().__init__(config)
        self.tests, self.crashing = tests, crashing
        self.dies_when, self.deaths_left = dies_when, deaths
        self.ran, self.crashed = [], []
        self.sched, self.queue = scheduler, self
        self.drawn, self.made, self.events = random.Random(seed), [], []
        self.nodemanager = SimpleNamespace(group=self, setup_node=self.setup_node)
        self._session = SimpleNamespace(testscollected=0)
        for _ in range(scheduler.numnodes):
            self._active_nodes.add(self.setup_node())

    def allocate_id(self, spec):
        pass

    def setup_node(self, *_):
        self.made.append(Worker(self, f"gw{len(self.made)}"))
        return self.made[-1]

    def collected(self, worker):  # noqa: ARG002
        return self.tests

    def put(self, event):
        self.events.append(event)

    def get(self, timeout):  # noqa: ARG002
        """The next event of any worker that has one."""
        for worker in self.drawn.sample(self.made, len(self.made)):
            event = None if worker.gone else worker.step()
            if event is not None:
                return event
        raise StuckError(self.sched.workqueue)

    def handle_crashitem(self, nodeid, worker):  # noqa: ARG002
        self.crashed.append(nodeid)

    def to_its_end(self):
        """What the controller's own loop does."""
        self.shouldstop = False
        while not self.session_finished:
            self.loop_once()
        return self
