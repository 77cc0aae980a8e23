"""A loaded model, and what it was when its run, or a fixture, gave it out."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_circuits.models.model_state import ModelState

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from torch import Tensor
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits.forward import Runs
    from pytest_circuits.models import Clean


class _Scope(NamedTuple):
    """What a model is for the tests of a scope.

    Attributes:
        owner: the fixture that made it so; None for the run.
        state: all of it but its weights' bytes.
        weights: a trace of those.
        before: the hooks that belonged to it before, where others do now.
        kept: the tensors that differ from the run's, with their bytes.
    """

    owner: pytest.FixtureDef[Any] | None
    state: ModelState
    weights: tuple[int, ...]
    before: Clean | None = None
    kept: tuple[tuple[Tensor, Tensor], ...] = ()


class Watched:
    """A model that tests are given.

    Args:
        runs: its forward passes, which are as old as the model is here.
        again: loads it once more and copies its weights; None where nobody can.
        elsewhere: tells what is different of torch, which the model is run with.
    """

    def __init__(
        self,
        runs: Runs,
        again: Callable[[], TransformerBridge] | None,
        elsewhere: Callable[[], tuple[str, ...]],
    ) -> None:
        self.runs, self._again = runs, again
        # What a model makes for itself at its first passes belongs to it.
        with suppress(Exception):
            _ = runs.anatomy
        runs.is_altered = lambda: bool(self.changes() or elsewhere())
        self._scopes = [_Scope(None, ModelState(runs.bridge), runs.weights_at_first)]

    def changes(self, *, deep: bool = False) -> tuple[str, ...]:
        """What is different from what tests are given, in words.

        Args:
            deep: whether bytes are looked at, which takes longer. They are in any case where torch
                counts a change.
        """
        scope = self._scopes[-1]
        self.runs.put_positions_back()
        found = scope.state.changes()
        if set(found) - {"weights"} or not (deep or found):
            return found
        hidden = scope.state.hidden_changes()
        try:
            same = self.runs.weights() == scope.weights
        except RuntimeError:  # what is there has no bytes that could be looked at
            same = False
        if not same:
            return ("weights", *hidden)
        scope.state.forgive()
        return hidden

    def put_back(self) -> None:
        """Make it what tests are given.

        Raises:
            ModelError: if it would have to be loaded again, and can't be.
        """
        scope = self._scopes[-1]
        self.runs.restore()
        scope.state.put_back()
        if self.changes(deep=True) and self._again is not None:
            scope.state.take_bytes(ModelState(self._again()))
            for tensor, data in scope.kept:
                tensor.data.copy_(data)
            scope.state.forgive()
        self.runs.forget()

    def adopt(self, owner: pytest.FixtureDef[Any], *, hooks: bool) -> None:
        """Let what it is now be what the tests of a fixture's scope are given."""
        has_hooks = hooks and self.runs.hooked
        if not has_hooks and not self.changes(deep=True):
            return
        before = self.runs.clean if has_hooks else None
        if has_hooks:
            self.runs.adopt_hooks()
        weights, first = self.runs.weights(), self._scopes[0].weights
        alike = len(weights) == len(first)
        kept = tuple(
            (tensor, tensor.detach().clone())
            for place, tensor in enumerate(self.runs.tensors())
            if not alike or weights[place] != first[place]
        )
        self.runs.forget()
        state = ModelState(self.runs.bridge)
        self._scopes.append(_Scope(owner, state, weights, before, kept))

    def give_up(self, owner: pytest.FixtureDef[Any], *, deep: bool) -> tuple[str, ...]:
        """End a fixture's scope, and make the model what it was before.

        Args:
            owner: the fixture.
            deep: whether to look at bytes even if the fixture changed nothing when it was set up.

        Returns:
            What it changed when it was torn down, where it had changed nothing before.
        """
        owners = [scope.owner for scope in self._scopes]
        if owner in owners:
            over = self._scopes[owners.index(owner) :]
            del self._scopes[owners.index(owner) :]
            for scope in reversed(over):
                if scope.before is not None:
                    self.runs.return_to(scope.before)
        elif owner.scope == "function":
            return ()  # what is different then may be the test's
        words = self.changes(deep=deep or owner in owners)
        if words:
            self.put_back()
        return () if owner in owners else words
