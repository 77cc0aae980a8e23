"""A model's blocks, one at a time: run again on streams of our own, as the model runs them.

Whatever a model gives its blocks beside the residual stream (masks, rotary angles, positions, a
cache) is recorded from the model itself, so that nothing here knows any architecture.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers.cache_utils import Cache, DynamicLayer

from pytest_circuits.forward.runs import bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from pytest_circuits.forward.prompted import PromptGroup
    from pytest_circuits.forward.runs import Hook, Runs

    #: Keys and values, ``[row, key-value head, position, d_head]`` each.
    KeysValues = tuple[Tensor, Tensor]


class _Enough(Exception):  # noqa: N818 — nothing is wrong
    """What was wanted of a run has been seen: the rest of it is of no use."""


class _Layer(DynamicLayer):  # type: ignore[no-untyped-call]
    """One layer of a :class:`_Past`, as transformers asks for it."""

    def __init__(self, past: _Past) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._past = past

    def get_seq_length(self) -> int:
        return self._past.start

    def update(
        self,
        key_states: Tensor,
        value_states: Tensor,
        *_: Any,  # noqa: ANN401 — transformers' own
        **__: Any,  # noqa: ANN401
    ) -> KeysValues:
        return self._past.before((key_states, value_states))


class _Past(Cache):
    """Stands in for transformers' cache: gives attention what the positions before hold.

    It keeps nothing, so that blocks can be run in any order and as often as need be.

    Attributes:
        start: how many positions come before those that are run.
        known: keys and values of the positions before, in the layer that is run.
        taken: where the keys and values go of a block that is run for them alone.
    """

    def __init__(self, start: int, layers: int) -> None:
        super().__init__(layers=[_Layer(self) for _ in range(layers)])
        self.start = start
        self.known: KeysValues | None = None
        self.taken: list[KeysValues] | None = None

    def before(self, own: KeysValues) -> KeysValues:
        """Keys and values of all positions, from those of the positions that are run."""
        if self.taken is not None:
            self.taken.append(own)
            raise _Enough
        if self.known is None:
            return own
        return joined(self.known, own)


@dataclass(frozen=True)
class Blocks:
    """The blocks, for streams that begin at a position and go on to the prompts' end.

    Attributes:
        runs: the model.
        past: what positions before hold; None where the model can't be given any.
        arguments: for each layer, what its block gets beside the stream.
        in_tuples: whether a block gives the stream as the first of several.
        nbytes: bytes of the arguments.
    """

    runs: Runs
    past: _Past | None
    arguments: tuple[tuple[tuple[Any, ...], dict[str, Any]], ...]
    in_tuples: bool
    nbytes: int

    def run(
        self, layer: int, stream: Tensor, before: KeysValues | None, hooks: Sequence[Hook] = ()
    ) -> Tensor:
        """The stream after a layer.

        Args:
            layer: which.
            stream: before it, ``[row, position, d_model]``.
            before: keys and values of the positions before, of one row for all or of each.
            hooks: what is on while it runs.
        """
        if self.past is not None:
            self.past.known = before
        try:
            return self._call(layer, stream, hooks)
        finally:
            if self.past is not None:
                self.past.known = None

    def keys_and_values(self, layer: int, stream: Tensor, hooks: Sequence[Hook] = ()) -> KeysValues:
        """A layer's keys and values of these positions, and nothing more; as for :meth:`run`."""
        assert self.past is not None
        taken: list[KeysValues] = []
        self.past.taken = taken
        try:
            self._call(layer, stream, hooks)
        except _Enough:
            pass
        finally:
            self.past.taken = None
        return taken[0]

    def _call(self, layer: int, stream: Tensor, hooks: Sequence[Hook]) -> Tensor:
        positional, named = self.arguments[layer]
        bridge: Any = self.runs.bridge
        with torch.no_grad(), self.runs.hooks_on(hooks):
            found = bridge.blocks[layer](stream, *positional, **named)
        behind: Tensor = found[0] if self.in_tuples else found
        return behind


def joined(before: KeysValues, own: KeysValues) -> KeysValues:
    """Keys and values one after the other; those before of one row for all, or of each."""
    keys, values = (
        torch.cat([earlier.to(later.device).expand(len(later), -1, -1, -1), later], dim=-2)
        for earlier, later in zip(before, own, strict=True)
    )
    return keys, values


def blocks_from(runs: Runs, group: PromptGroup, start: int) -> Blocks:
    """The blocks for streams that begin at this position of the prompts; recorded once.

    Args:
        runs: the model.
        group: a run of prompts as long.
        start: the first position; 0 where the model keeps no keys and values.
    """
    length = group.tokens.shape[1]
    key = ("blocks", length, start)
    # Only at the first position can a block be run before anything is known of those before.
    in_tuples = blocks_from(runs, group, 0).in_tuples if start else None
    # Others at every position: what depends on the tokens must not suit these by chance.
    vocabulary = int(runs.bridge.cfg.d_vocab)
    tokens = (group.tokens[:1] + vocabulary // 2) % vocabulary
    return runs.remember(key, lambda: _record(runs, tokens, start, in_tuples=in_tuples))


def _record(runs: Runs, tokens: Tensor, start: int, *, in_tuples: bool | None) -> Blocks:
    """Have the model run with blocks that do nothing but note what they are given."""
    bridge: Any = runs.bridge
    past = _Past(start, runs.layers) if runs.anatomy.past else None
    given: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    tuples: list[bool] = [] if in_tuples is None else [in_tuples]

    def note(block: Any) -> Any:  # noqa: ANN401
        run = block.forward

        def forward(*positional: Any, **named: Any) -> Any:  # noqa: ANN401
            if not tuples:
                # How a block hands the stream on, which the model relies on.
                tuples.append(isinstance(run(*positional, **named), tuple))
            stream = positional[0] if positional else named.pop("hidden_states")
            given.append((positional[1:], named))
            if len(given) == runs.layers:
                raise _Enough
            return (stream,) if tuples[0] else stream

        return forward

    replaced = _replaced(bridge.blocks, note)
    with torch.no_grad(), runs.own_positions(), replaced, suppress(_Enough):
        bridge(tokens[:, start:], return_type="logits", **runs.caching(past))
    return Blocks(runs, past, tuple(given), tuples[0], bytes_of(given))


@contextmanager
def _replaced(blocks: Sequence[Any], make: Any) -> Iterator[None]:  # noqa: ANN401
    """While blocks' forward is another."""
    # Put there directly: a bridge gives attributes on to what it wraps.
    try:
        for block in blocks:
            vars(block)["forward"] = make(block)
        yield
    finally:
        for block in blocks:
            vars(block).pop("forward", None)
