"""The forward passes of one model: made once, shared by all measures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from pytest_circuits.models.hygiene import Clean
from pytest_circuits.runs.memory import Memory, R

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from torch import Tensor
    from transformer_lens.model_bridge import TransformerBridge

    Hook = tuple[str, Callable[..., Tensor | None]]

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
    """

    def __init__(self, bridge: TransformerBridge) -> None:
        self.bridge = bridge
        self.passes = 0
        self._memory = Memory(_MEMORY_BUDGET)
        self._clean = Clean(bridge)
        self._at_first = self._weights()

    @property
    def layers(self) -> int:
        """Number of layers."""
        return int(self.bridge.cfg.n_layers)

    @property
    def heads(self) -> int:
        """Number of (query) heads in a layer."""
        return int(self.bridge.cfg.n_heads)

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
        return self._weights() == self._at_first

    def restore(self) -> None:
        """Take hooks, training mode and gradients off the model."""
        self._clean.restore()

    def remember(self, key: Hashable, make: Callable[[], R]) -> R:
        """The result for a key: made now, unless it was made before on this very model."""
        if self._clean.has_strays:
            return make()
        return self._memory.get((key, self._weights()), make)

    def _weights(self) -> tuple[int, ...]:
        """A cheap trace of every weight, to notice one that a test has changed in place.

        Sums the weights' bits (which sees edits through ``.data``) and adds torch's own count
        of in-place changes (which sees permutations).
        """
        integer = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
        trace = []
        for parameter in self.bridge.parameters():
            bits = parameter.detach().contiguous().view(integer[parameter.element_size()])
            trace.append(bits.sum(dtype=torch.int64))
            trace.append(torch.tensor(parameter._version, device=bits.device))  # noqa: SLF001
        return tuple(torch.stack(trace).tolist())

    def forward(self, tokens: Tensor, hooks: Sequence[Hook] = ()) -> Tensor:
        """Logits ``[row, position, vocabulary]`` of one pass, with hooks on for that pass only."""
        self.passes += 1
        with torch.no_grad():
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
        return name in self.bridge.hook_dict


def as_runs(model: TransformerBridge | Runs) -> Runs:
    """The runs of a model; a bare hooked model gets fresh ones."""
    return model if isinstance(model, Runs) else Runs(model)
