"""Short passes over two drawn prompts, which show where a model's hook points are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from transformers import DynamicCache

from pytest_circuits.forward.fitting import in_parts
from pytest_circuits.forward.precision import SAME
from pytest_circuits.models import ModelError
from pytest_circuits.models.errors import first_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from pytest_circuits.forward.runs import Runs

    #: Called with a hook point's name, what it holds, to be changed in place, and which rows these
    #: are.
    Put = Callable[[str, Tensor, Tensor], None]


#: So often prompts are drawn, until the model gives finite numbers on them.
_DRAWS = 5
#: Where positions show that look at later ones.
_STREAM = ("hook_in", "hook_out")


@dataclass(frozen=True)
class FirstPass:
    """What hook points held.

    Attributes:
        runs: the model.
        tokens: of the two prompts, ``[2, position]``.
        seen: what each hook point held, ``[2, …]``.
        logits: at the last position, ``[2, vocabulary]``.
        past: whether the model took a plain cache, and filled it.
        causal: whether no position looked at a later one.
    """

    runs: Runs
    tokens: Tensor
    seen: dict[str, Tensor]
    logits: Tensor
    past: bool
    causal: bool

    @classmethod
    def of(cls, runs: Runs, hooks: Sequence[str]) -> FirstPass:
        """The pass, on the first of some drawn prompts on which the model gives finite numbers.

        Args:
            runs: the model.
            hooks: the hook points that are recorded, by their names in a block.

        Raises:
            ModelError: if the model can't be run.
        """
        names = [f"blocks.{layer}.{hook}" for layer in range(runs.layers) for hook in hooks]
        names = [name for name in names if runs.has_hook(name)]
        for draw in range(_DRAWS):
            first = cls._on(runs, _tokens(runs, draw), names)
            if first.finite:
                break
        return first

    @classmethod
    def _on(cls, runs: Runs, tokens: Tensor, names: Sequence[str]) -> FirstPass:
        """The pass on these prompts; with a cache, if the model takes a plain one."""
        if runs.makes_caches:
            try:
                found = trial(runs, tokens, names, cached=True)
            except ModelError:  # too little memory
                raise
            except Exception:  # noqa: BLE001, S110 — whatever a model says whose state is another
                pass
            else:
                return cls._of(runs, tokens, found)
        try:
            found = trial(runs, tokens, names)
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(
                f"a {runs.family} can't be run with transformer-lens' hooks on it "
                f"({type(error).__name__}):\n{first_lines(error)}"
            ) from error
        return cls._of(runs, tokens, found)

    @classmethod
    def _of(cls, runs: Runs, tokens: Tensor, found: Trial) -> FirstPass:
        """What is asked of the two prompts, and whether the third, another last token, shows."""
        streams = [
            value[::2, :-1]
            for name, value in found.seen.items()
            if name.endswith(_STREAM) and value.shape[1] == tokens.shape[1]
        ]
        causal = all(
            not bool((one - other).abs().max() > SAME[one.dtype] * other.abs().max())
            for one, other in streams
        )
        seen = {name: value[:2] for name, value in found.seen.items()}
        return cls(runs, tokens[:2], seen, found.logits[:2], found.cached, causal)

    @property
    def finite(self) -> bool:
        """Whether its numbers say anything."""
        return bool(self.logits.isfinite().all())

    def get(self, layer: int, hook: str) -> Tensor | None:
        """What a hook point of a block held; None if the block has none of that name."""
        return self.seen.get(f"blocks.{layer}.{hook}")


def _tokens(runs: Runs, draw: int) -> Tensor:
    """Two prompts, and the first with another last token, ``[3, position]``.

    Of a length that is no number of heads, so that axes can't be confused.
    """
    counts = (runs.bridge.cfg.n_heads, getattr(runs.bridge.cfg, "n_key_value_heads", None))
    fitting = [n for n in (7, 9, 5, 3) if n <= int(runs.bridge.cfg.n_ctx) and n not in counts]
    places = torch.arange(fitting[0] if fitting else 2, device=runs.device)
    vocabulary = int(runs.bridge.cfg.d_vocab)
    # Of the middle, where special tokens seldom are; others at every draw.
    first = vocabulary // 2 + 2 * len(places) * draw
    prompts = torch.stack([first + places, first + len(places) + places, first + places])
    prompts[2, -1] += 1
    return prompts % vocabulary


class Trial(NamedTuple):
    """What a pass showed.

    Attributes:
        logits: at the last position, ``[row, vocabulary]``.
        seen: what each hook point held, ``[row, …]``.
        cached: whether the model put keys and values of all positions into a plain cache.
    """

    logits: Tensor
    seen: dict[str, Tensor]
    cached: bool


def trial(
    runs: Runs,
    tokens: Tensor,
    names: Sequence[str],
    put: Put | None = None,
    *,
    cached: bool = False,
) -> Trial:
    """A pass, as many rows at a time as the model can be given.

    Args:
        runs: the model.
        tokens: ``[row, position]``.
        names: the hook points that are recorded.
        put: puts something else into hook points, after what they hold was recorded.
        cached: whether the model is given a plain cache.
    """
    logits: list[Tensor] = []
    parts: list[dict[str, Tensor]] = []
    filled: list[bool] = []

    def run(chosen: NDArray[np.int64]) -> None:
        rows = torch.from_numpy(chosen)
        seen: dict[str, Tensor] = {}
        hooks = [(name, _recording(seen, name, rows, put)) for name in names]
        cache = DynamicCache() if cached else None
        with torch.no_grad():
            logits.append(runs.trial(tokens[rows], hooks, cache)[:, -1])
        parts.append(seen)
        filled.append(cache is not None and _filled(cache, runs.layers, tokens.shape[1]))

    in_parts(runs, np.arange(len(tokens)), runs.rows_at_once(tokens.shape[1]), run)
    seen_in_all = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    return Trial(torch.cat(logits), seen_in_all, all(filled))


def _recording(
    seen: dict[str, Tensor],
    name: str,
    rows: Tensor,
    put: Put | None,
) -> Callable[..., Tensor | None]:
    def hook(value: Any, **_: object) -> Tensor | None:  # noqa: ANN401 — a layer may give anything
        if not isinstance(value, torch.Tensor):
            return None
        seen[name] = value.detach().clone()
        if put is None:
            return None
        changed = value.detach().clone(memory_format=torch.contiguous_format)
        put(name, changed, rows)
        return changed

    return hook


def _filled(cache: DynamicCache, layers: int, positions: int) -> bool:
    """Whether every layer has put its keys and values of all positions into a cache."""
    kept = [getattr(layer, "keys", None) for layer in cache.layers]
    return len(kept) == layers and all(
        keys is not None and keys.shape[-2] == positions for keys in kept
    )
