"""xdist: the tests of one model go to one worker, so that it is loaded once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_circuits.session.outcomes import model_of

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
