"""The forward passes of one model: made once, shared by all measures."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from pytest_circuits.models.hygiene import Clean
from pytest_circuits.runs.memory import Memory, R
from pytest_circuits.runs.progress import Nobody, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from torch import Tensor
    from transformer_lens.model_bridge import TransformerBridge

    Hook = tuple[str, Callable[..., Tensor | None]]

#: How far sums may miss what they should be by rounding alone, as a share of the largest number.
ROUNDING = {torch.float64: 1e-6, torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float16: 0.02}
#: Bytes of logits that one pass may produce; longer batches are cut into several passes.
_LOGITS_BUDGET = 1 << 28
#: Bytes of results that are remembered for each model.
_MEMORY_BUDGET = 1 << 29


class Runs:
    """A hooked model, and the forward passes already made with it.

    Results are remembered as long as the model is what it was: a hook put on it or a changed
    weight makes a new pass.

    Attributes:
        bridge: transformer-lens' hooked model.
        passes: how many forward passes were made so far.
        silenced: the heads and MLPs that are ablated now, by name, whatever is run.
        progress: who is told how far long loops are.
    """

    def __init__(self, bridge: TransformerBridge) -> None:
        self.bridge = bridge
        self.passes = 0
        self.silenced: tuple[str, ...] = ()
        self.progress: Progress = Nobody()
        self._as_loaded = Clean(bridge)
        self._looked_at: tuple[int, ...] | None = None
        self._weights_at_first = self._weights()
        self._begin(self._as_loaded)

    def _begin(self, clean: Clean) -> None:
        self._clean = clean
        self._memory = Memory(_MEMORY_BUDGET)

    def adopt_hooks(self) -> None:
        """Count the hooks that are on the model now as belonging to it."""
        self._begin(Clean(self.bridge))

    def shed_hooks(self) -> None:
        """Take all hooks off that were not there when these runs began."""
        self._as_loaded.restore()
        self._begin(self._as_loaded)

    @property
    def layers(self) -> int:
        """Number of layers."""
        return int(self.bridge.cfg.n_layers)

    @property
    def heads(self) -> int:
        """Number of (query) heads in a layer."""
        return int(self.bridge.cfg.n_heads)

    @property
    def key_value_heads(self) -> int:
        """Number of key-value heads in a layer: fewer than heads where queries are grouped."""
        return int(getattr(self.bridge.cfg, "n_key_value_heads", None) or self.heads)

    @property
    def tokenizer(self) -> Any:  # noqa: ANN401 — any Hugging Face tokenizer
        """The model's tokenizer."""
        return self.bridge.tokenizer

    @property
    def device(self) -> torch.device:
        """The device of the model's weights."""
        return next(self.bridge.parameters()).device

    @property
    def pristine(self) -> bool:
        """Whether every weight is what it was when these runs began."""
        return self._weights() == self._weights_at_first

    @property
    def hooked(self) -> bool:
        """Whether a test has hooks on the model now."""
        return self._clean.has_strays

    def restore(self) -> None:
        """Take hooks, training mode and gradients off the model."""
        self._clean.restore()

    @contextmanager
    def untouched(self) -> Iterator[None]:
        """While nobody but us has the model its weights are looked at once, not at every pass."""
        self._looked_at = self._weights()
        try:
            yield
        finally:
            self._looked_at = None

    @contextmanager
    def watched(self, what: str, total: int, unit: str) -> Iterator[Callable[[float], None]]:
        """While a long loop runs; it calls what this gives with the steps that it has done.

        Arguments as for :meth:`.Progress.begin`.
        """
        self.progress.begin(what, total, unit)
        try:
            yield self.progress.advance
        finally:
            self.progress.end()

    def remember(self, key: Hashable, make: Callable[[], R]) -> R:
        """The result for a key: made now, unless it was made before on this very model."""
        if self.hooked:
            return make()
        return self._memory.get((key, self._looked_at or self._weights()), make)

    def _weights(self) -> tuple[int, ...]:
        """A trace of every weight and buffer, to notice one that was changed in place.

        Edits and permutations show, also those made through ``.data``, which torch doesn't count.
        """
        trace = [
            _trace(tensor.detach())
            for tensor in (*self.bridge.parameters(), *self.bridge.buffers())
        ]
        return tuple(torch.stack([sum_.to(self.device) for sum_ in trace]).tolist())

    def forward(
        self, tokens: Tensor, hooks: Sequence[Hook] = (), *, differentiable: bool = False
    ) -> Tensor:
        """Logits ``[row, position, vocabulary]`` of one pass, with hooks on for that pass only."""
        self.passes += 1
        with torch.set_grad_enabled(differentiable):
            logits: Tensor = self.bridge.run_with_hooks(
                tokens, return_type="logits", fwd_hooks=list(hooks)
            )
        return logits

    def batches(self, rows: int, positions: int) -> Iterator[slice]:
        """Slices of ``rows`` that fit into one pass each."""
        per_row = 4 * positions * int(self.bridge.cfg.d_vocab)
        step = max(1, _LOGITS_BUDGET // per_row)
        return (slice(start, min(start + step, rows)) for start in range(0, rows, step))

    def has_hook(self, name: str) -> bool:
        """Whether the model has a hook point of that name."""
        return name in self._hook_names

    @cached_property
    def _hook_names(self) -> frozenset[str]:
        # The bridge gathers them anew whenever it is asked.
        return frozenset(self.bridge.hook_dict)


_INTEGERS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def _trace(tensor: Tensor) -> Tensor:
    """A sum of the tensor's bits in which every place has a weight of its own."""
    bits = tensor.contiguous().view(-1) if tensor.ndim < 2 else tensor.contiguous().flatten(1)  # noqa: PLR2004
    bits = bits.view(_INTEGERS[bits.element_size()]).view(len(bits) if bits.ndim > 1 else 1, -1)
    columns = _place_weights(bits.shape[1], 2654435761, bits.device).to(bits.dtype)
    rows = (bits * columns).sum(1, dtype=torch.int64)
    return (rows * _place_weights(len(rows), 2246822519, bits.device)).sum()


def _place_weights(count: int, factor: int, device: torch.device) -> Tensor:
    """Odd integers without a pattern: multiplying by them loses nothing when it wraps around."""
    return (torch.arange(1, count + 1, device=device) * factor >> 8) | 1


def exact(tensor: Tensor) -> Tensor:
    """The tensor in float64 on the CPU: there are devices that have no float64."""
    return tensor.detach().cpu().double()


def as_runs(model: TransformerBridge | Runs) -> Runs:
    """The runs of a model; a bare hooked model gets fresh ones."""
    return model if isinstance(model, Runs) else Runs(model)
