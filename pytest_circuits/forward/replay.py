"""Replay: runs with something put in, computed from there on only, many of them together.

A run that differs from its prompt's own run only from some layer and some position on is that run
up to there. So it begins at its layer, with the stream of the prompt's own run; joins all runs that
began before it; and gives attention the keys and values that earlier positions had. In the last
layer no position matters but those that are read.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from pytest_circuits.forward.blocks import blocks_from, joined
from pytest_circuits.forward.edits import Reading
from pytest_circuits.forward.fitting import budget, in_parts, portions
from pytest_circuits.forward.lens import end_logits
from pytest_circuits.forward.precision import exact
from pytest_circuits.models import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from pytest_circuits.forward.anatomy import Point
    from pytest_circuits.forward.blocks import KeysValues
    from pytest_circuits.forward.edits import Edits
    from pytest_circuits.forward.prompted import PromptGroup
    from pytest_circuits.forward.runs import Hook, Runs

#: What a call of a block costs however little it computes, in tokens: its weights have to come
#: from memory, and Python has to get to the arithmetic. Measured on SmolLM2, one thread.
_CALL = 30
#: How many times the stream's own size a block takes while it runs: its MLP, and attention.
_WORKING = 32
#: Tokens that go through a block at once on a CPU: more are no faster, and leave its caches.
_TOKENS_ON_CPU = 1024


class SlowSweepWarning(UserWarning):
    """A model's blocks can't be run by themselves, so that sweeps take a whole pass for each."""


def replay(
    runs: Runs,
    group: PromptGroup,
    edits: Edits,
    read: Reading,
    advance: Callable[[float], None],
    *,
    past: bool,
) -> NDArray[np.float64]:
    """The number of each run, ``[run]``.

    Arguments as for :func:`.sweep`; ``past`` is whether blocks can be given keys and values.
    """
    length = group.tokens.shape[1]
    starts = np.zeros_like(edits.start)
    if past and read.since is None:
        layers = np.maximum(runs.layers - edits.first, 1)
        starts = np.array(shared_starts(edits.start.tolist(), layers.tolist(), length))
    found = np.zeros(len(starts))
    # One half for the streams, the other for the blocks that they go through.
    for part in portions((length - starts) * _bytes(group), budget(*runs.devices) // 2):
        chosen = np.arange(len(starts))[part]
        tracks = [
            _Track(runs, group, edits, read, start, chosen[starts[chosen] == start], past)
            for start in sorted(set(starts[chosen].tolist()))
        ]
        # Layer by layer, so that its weights are read from memory once for all tracks.
        for layer in range(runs.layers):
            for track in tracks:
                track.run(layer, advance)
        for track in tracks:
            found[track.order] = track.numbers(advance)
    return found


def shared_starts(starts: Sequence[int], layers: Sequence[int], length: int) -> list[int]:
    """From where on each run is computed, so that runs of about the same start share their passes.

    A run whose positions can differ from some start on may be computed from any earlier one. Alone
    it computes the fewest positions; together with others it shares calls of blocks. Of all ways to
    draw the lines the cheapest is taken.

    Args:
        starts: the first position of each run that can differ.
        layers: how many layers each has to run.
        length: positions of the prompts.

    Returns:
        a start for each run, no later than its own.
    """
    own = sorted(set(starts))
    work = dict.fromkeys(own, 0)
    deepest = dict.fromkeys(own, 0)
    for start, count in zip(starts, layers, strict=True):
        work[start] += count
        deepest[start] = max(deepest[start], count)
    # best[i]: the cheapest for the starts from the i-th on, and where its first part ends.
    best: list[tuple[float, int]] = [(0.0, len(own))] * (len(own) + 1)
    for first in reversed(range(len(own))):
        tokens = calls = 0
        best[first] = (float("inf"), first)
        for last in range(first, len(own)):
            tokens += work[own[last]] * (length - own[first])
            calls = max(calls, deepest[own[last]])
            cost = tokens + _CALL * calls + best[last + 1][0]
            if cost < best[first][0]:
                best[first] = (cost, last + 1)
    shared = {}
    first = 0
    while first < len(own):
        end = best[first][1]
        shared.update(dict.fromkeys(own[first:end], own[first]))
        first = end
    return [shared[start] for start in starts]


@dataclass
class _Track:
    """Runs that are computed from the same position on.

    They lie in the order in which they begin, so that those that have begun come first.
    """

    runs: Runs
    group: PromptGroup
    edits: Edits
    read: Reading
    start: int
    order: NDArray[np.int64]
    past: bool

    def __post_init__(self) -> None:
        first = self.edits.first[self.order]
        by_layer = np.argsort(first, kind="stable")
        self.order, self.first = self.order[by_layer], first[by_layer]
        self.rows = torch.from_numpy(self.edits.rows[self.order]).to(self.runs.device)
        one = self.group.stream[0]
        positions = one.shape[1] - self.start
        self.stream = one.new_empty((len(self.order), positions, one.shape[2]))
        self.most = budget(*self.runs.devices) // 2 // self._bytes_in_a_block(positions)
        if self.runs.device.type == "cpu":
            self.most = min(self.most, _TOKENS_ON_CPU // positions)
        self.most = max(1, self.most)
        self.blocks = blocks_from(self.runs, self.group, self.start)
        if self._reads_last:
            self.last_blocks = blocks_from(self.runs, self.group, one.shape[1] - 1)

    def _bytes_in_a_block(self, positions: int) -> int:
        """About what one run takes while it goes through a block."""
        stream, length = self.group.stream[0], self.group.tokens.shape[1]
        # Keys and values of the positions before are put before its own, and scores are of both.
        keys = sum(part[0].nbytes // len(part) for part in self.group.past[0]) if self.start else 0
        scores = self.runs.heads * positions * length * stream.element_size()
        return positions * _WORKING * _bytes(self.group) + 2 * keys + 4 * scores

    def run(self, layer: int, advance: Callable[[float], None]) -> None:
        """Take all that have begun through a layer."""
        begun = int(np.searchsorted(self.first, layer, "right"))
        self._begin(layer, int(np.searchsorted(self.first, layer, "left")), begun)
        step = self._last if layer == self.runs.layers - 1 and self._reads_last else self._through

        def through(part: NDArray[np.int64]) -> None:
            step(layer, part)
            advance(float((1 / (self.runs.layers - self.first[part])).sum()))

        in_parts(self.runs, np.arange(begun), self.most, through)

    def numbers(self, advance: Callable[[float], None]) -> NDArray[np.float64]:
        """What is read off the ends, in the order of the runs."""
        layers = self.runs.layers
        first = int(np.searchsorted(self.first, layers, "left"))
        self._begin(layers, first, len(self.order))
        found = np.zeros(len(self.order))

        def finish(part: NDArray[np.int64]) -> None:
            stream = self.stream[part[0] : part[-1] + 1]
            for _, put_in in self.edits.hooks(layers, self.order[part], self.start):
                patched = put_in(stream)
                stream = stream if patched is None else patched
            found[part] = self._read(stream, part)
            advance(float((self.first[part] == layers).sum()))

        positions = 1 if self.read.since is None else self.stream.shape[1]
        most = self.runs.rows_at_once(positions)
        in_parts(self.runs, np.arange(len(found)), most, finish)
        return found

    @property
    def _reads_last(self) -> bool:
        """Whether only the last position matters, and can be computed alone."""
        return self.past and self.read.since is None and self.stream.shape[1] > 1

    def _begin(self, layer: int, first: int, end: int) -> None:
        """Give those that begin at a layer the stream of their prompts' own runs."""
        if first < end:
            self.stream[first:end] = self.group.stream[layer][self.rows[first:end], self.start :]

    def _hooks(self, layer: int, part: NDArray[np.int64], start: int) -> list[Hook]:
        return self.edits.hooks(layer, self.order[part], start)

    def _through(self, layer: int, part: NDArray[np.int64]) -> None:
        stream = self.stream[part[0] : part[-1] + 1]
        stream[:] = self.blocks.run(
            layer, stream, self._before(layer, part), self._hooks(layer, part, self.start)
        )
        self.runs.replayed += stream.shape[0] * stream.shape[1]

    def _last(self, layer: int, part: NDArray[np.int64]) -> None:
        """Through the last layer, where the positions before the last one are but looked at."""
        stream = self.stream[part[0] : part[-1] + 1]
        end = stream.shape[1] + self.start - 1
        keys, values = self.blocks.keys_and_values(
            layer, stream, self._hooks(layer, part, self.start)
        )
        before = self._before(layer, part)
        own = keys[..., :-1, :], values[..., :-1, :]
        stream[:, -1:] = self.last_blocks.run(
            layer,
            stream[:, -1:],
            own if before is None else joined(before, own),
            self._hooks(layer, part, end),
        )
        self.runs.replayed += stream.shape[0] * stream.shape[1]

    def _before(self, layer: int, part: NDArray[np.int64]) -> KeysValues | None:
        """Keys and values of the positions before, of one row where all are of one prompt."""
        if not self.start:
            return None
        rows = self.rows[part[0] : part[-1] + 1]
        keys, values = self.group.past[layer]
        if len(keys) > 1:
            keys, values = keys[rows], values[rows]
        return keys[..., : self.start, :], values[..., : self.start, :]

    def _read(self, stream: Tensor, part: NDArray[np.int64]) -> NDArray[np.float64]:
        prompts = tuple(self.group.rows[row] for row in self.edits.rows[self.order[part]])
        if self.read.since is None:
            columns = self.read.columns(prompts, stream.device)
            logits = end_logits(self.runs, stream[:, -1], columns)
        else:
            wanted = stream[:, self.read.since - self.start :]
            logits = end_logits(self.runs, wanted.flatten(0, 1)).view(*wanted.shape[:2], -1)
        numbers: NDArray[np.float64] = exact(self.read.of(logits, prompts)).numpy()
        return numbers


def _bytes(group: PromptGroup) -> int:
    """Bytes of the stream at one position."""
    stream = group.stream[0]
    return stream.shape[-1] * stream.element_size()


# Whether it can be done


#: How far a replayed run's logits may lie from the run's own, as a share of their range.
_SAME = {torch.float64: 1e-9, torch.float32: 2e-5, torch.bfloat16: 0.1, torch.float16: 0.02}


@dataclass(frozen=True)
class _Check:
    """What of a model's runs can be replayed.

    Attributes:
        blocks: whether its blocks can be run by themselves.
        past: whether they can be given the keys and values of positions before.
    """

    blocks: bool
    past: bool
    nbytes: int = 0


@dataclass(frozen=True)
class _Around:
    """A run into which nothing is put, between two whose stream is another from the start."""

    rows: NDArray[np.int64]
    first: NDArray[np.int64]
    start: NDArray[np.int64]
    point: Point

    def hooks(self, layer: int, chosen: NDArray[np.int64], start: int) -> list[Hook]:
        del start
        others = torch.from_numpy(chosen != 1)

        def hook(value: Tensor, **_: object) -> Tensor:
            mask = others.to(value.device)[:, None, None]
            return torch.where(mask, value.roll(1, dims=-1), value)

        return [self.point.hook(hook)] if layer == 0 else []


def check(runs: Runs, group: PromptGroup) -> _Check:
    """What of this model's runs can be replayed, found out once for each length of prompts.

    Nothing can of a model that others have put hooks on, which may look at anything, nor of one
    whose positions look at later ones: what is put in changes what comes before it too.
    """
    # Without finite logits there is nothing to compare.
    if not (runs.bare and runs.causal and group.stream and group.logits.isfinite().all()):
        return _Check(blocks=False, past=False)
    key = ("replay", group.tokens.shape[1])
    return runs.remember(key, lambda: _check(runs, group))


def _check(runs: Runs, group: PromptGroup) -> _Check:
    """Replay runs into which nothing is put, from the middle, or else from the first position."""
    length = group.tokens.shape[1]
    if group.past and length > 1 and _misses(runs, group, length // 2, past=True) is None:
        return _Check(blocks=True, past=True)
    why = _misses(runs, group, 0, past=False)
    if why is not None:
        runs.remember("replay is told of", lambda: _tell(runs, why))
    return _Check(blocks=why is None, past=False)


def _tell(runs: Runs, why: str) -> _Check:
    """Say that it can't be done; prompts of other lengths need no word of their own."""
    warnings.warn(
        SlowSweepWarning(
            f"the blocks of a {runs.family} can't be run by themselves ({why}), so that patching "
            f"and ablation take whole passes: the numbers are the same, and come later"
        ),
        stacklevel=2,
    )
    return _Check(blocks=False, past=False)


def _misses(runs: Runs, group: PromptGroup, start: int, *, past: bool) -> str | None:
    """How a replayed run differs from the run itself; None where it doesn't.

    It is replayed between two others whose stream is another, each by itself and all together. By
    itself a block shows that keeps something of what it was given, or hands it on beside the
    stream; together one that runs only as many rows as the model was given.
    """
    rows = np.zeros(3, int)
    around = _Around(
        rows, np.zeros_like(rows), np.full_like(rows, start), runs.anatomy.at("resid_pre", 0)
    )
    read = Reading(lambda logits, _: logits[:, 0])
    own = group.logits[:1].float()
    try:
        missed = 0.0
        for together in (1, len(rows)):
            track = _Track(runs, group, around, read, start, np.arange(len(rows)), past)
            track.most = min(track.most, together)
            for layer in range(runs.layers):
                track.run(layer, lambda _: None)
            ends = track.stream[1:2, -1]
            best = own.topk(2).indices
            few = own.gather(1, best) - end_logits(runs, ends, best).float()
            whole = end_logits(runs, ends).float() - own
            missed = max(missed, float(whole.abs().max()), float(few.abs().max()))
    except ModelError:  # too little memory, which says nothing of the blocks
        raise
    except Exception as error:  # noqa: BLE001 — whatever an unknown architecture does then
        return f"{type(error).__name__}: {str(error).partition(chr(10))[0][:120]}"
    allowed = _SAME[group.logits.dtype] * float(own.max() - own.min())
    return f"logits off by {missed:.2g}" if not missed <= allowed else None
