"""xdist: the tests of one model go to one worker, so that it is loaded once."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling


class OneModelPerWorker:
    """Groups tests by model, unless the user chose a distribution with ``--dist``."""

    def __init__(self, aliases: frozenset[str]) -> None:
        self._aliases = aliases

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> LoadScopeScheduling:  # noqa: ANN401
        """A scheduler whose scopes are models."""
        from xdist.scheduler import LoadScopeScheduling

        aliases = self._aliases

        class ByModel(LoadScopeScheduling):  # type: ignore[misc]  # xdist is untyped
            """Every other test is a scope of its own: it may go to any worker."""

            def _split_scope(self, nodeid: str) -> str:
                return model_of(nodeid, aliases) or nodeid

            def remove_node(self, node: Any) -> str | None:  # noqa: ANN401
                """Leave a test out that crashed its worker: it would crash the next one too."""
                for unit in self.assigned_work[node].values():
                    for nodeid, done in unit.items():
                        if not done:
                            unit[nodeid] = True
                            super().remove_node(node)
                            return str(nodeid)
                super().remove_node(node)
                return None

        return ByModel(config, log)


def model_of(nodeid: str, aliases: frozenset[str]) -> str | None:
    """The alias that a node id ends in: the alias is always the last part of its parameters.

    Aliases may contain ``-``, so the longest one that fits is meant.
    """
    _, bracket, parameters = nodeid.rpartition("[")
    if not bracket or not parameters.endswith("]"):
        return None
    parameters = parameters[:-1]
    fitting = [a for a in aliases if parameters == a or parameters.endswith(f"-{a}")]
    return max(fitting, key=len, default=None)


def workers(config: pytest.Config) -> int:
    """How many processes run tests side by side."""
    return int(getattr(config, "workerinput", {}).get("workercount", 1))


def cap_threads(config: pytest.Config) -> None:
    """Share the cores between xdist workers: torch would give each worker all of them."""
    count = workers(config)
    if count > 1:
        import torch

        torch.set_num_threads(max(1, min(torch.get_num_threads(), (os.cpu_count() or 1) // count)))
