"""Short passes over two drawn prompts, which show where a model's hook points are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from transformers import DynamicCache

from pytest_circuits.models import ModelError
from pytest_circuits.models.errors import first_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from pytest_circuits.forward.runs import Runs

    #: Called with a hook point's name, what it holds, to be changed in place, and which rows these
    #: are.
    Put = Callable[[str, Tensor, Tensor], None]


@dataclass(frozen=True)
class FirstPass:
    """What hook points held.

    Attributes:
        runs: the model.
        tokens: of the two prompts, ``[2, position]``.
        seen: what each hook point held, ``[2, …]``.
        logits: at the last position, ``[2, vocabulary]``.
        past: whether the model took a plain cache, and filled it.
    """

    runs: Runs
    tokens: Tensor
    seen: dict[str, Tensor]
    logits: Tensor
    past: bool

    @classmethod
    def of(cls, runs: Runs, hooks: Sequence[str]) -> FirstPass:
        """The pass.

        Args:
            runs: the model.
            hooks: the hook points that are recorded, by their names in a block.

        Raises:
            ModelError: if the model can't be run.
        """
        names = [f"blocks.{layer}.{hook}" for layer in range(runs.layers) for hook in hooks]
        names = [name for name in names if runs.has_hook(name)]
        tokens = _tokens(runs)
        if runs.makes_caches:
            try:
                found = trial(runs, tokens, names, cached=True)
            except Exception:  # noqa: BLE001, S110 — whatever a model says whose state is another
                pass
            else:
                return cls(runs, tokens, found.seen, found.logits, found.cached)
        try:
            logits, seen, _ = trial(runs, tokens, names)
        except Exception as error:
            raise ModelError(
                f"a {runs.family} can't be run with transformer-lens' hooks on it "
                f"({type(error).__name__}):\n{first_lines(error)}"
            ) from error
        return cls(runs, tokens, seen, logits, past=False)

    @property
    def finite(self) -> bool:
        """Whether its numbers say anything."""
        return bool(self.logits.isfinite().all())

    def get(self, layer: int, hook: str) -> Tensor | None:
        """What a hook point of a block held; None if the block has none of that name."""
        return self.seen.get(f"blocks.{layer}.{hook}")


def _tokens(runs: Runs) -> Tensor:
    """Two prompts, as many positions as no layer has heads, so that axes can't be confused."""
    counts = (runs.bridge.cfg.n_heads, getattr(runs.bridge.cfg, "n_key_value_heads", None))
    fitting = [n for n in (7, 9, 5, 3) if n <= int(runs.bridge.cfg.n_ctx) and n not in counts]
    places = torch.arange(fitting[0] if fitting else 2, device=runs.device)
    vocabulary = int(runs.bridge.cfg.d_vocab)
    return torch.stack([1 + 3 * places, 2 + 5 * places]) % vocabulary


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
    every = torch.arange(len(tokens))
    logits, parts, filled = [], [], []
    for rows in torch.split(every, runs.rows_at_once(tokens.shape[1])):
        seen: dict[str, Tensor] = {}
        hooks = [(name, _recording(seen, name, rows, put)) for name in names]
        cache = DynamicCache() if cached else None
        with torch.no_grad():
            logits.append(runs.trial(tokens[rows], hooks, cache)[:, -1])
        parts.append(seen)
        filled.append(cache is not None and _filled(cache, runs.layers, tokens.shape[1]))
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
