"""The forward passes of one model: made once, shared by all measures."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import numpy as np
import torch
from transformers import DynamicCache, PreTrainedModel

from pytest_circuits.findings import ChoiceError
from pytest_circuits.models.hygiene import Clean, Modules, RotaryPositions
from pytest_circuits.models.torch_state import at_a_moment, foreign
from pytest_circuits.models.weights import traces

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from torch import Tensor
    from transformer_lens.hook_points import HookPoint, LensHandle
    from transformer_lens.model_bridge import TransformerBridge
    from transformers import Cache

    from pytest_circuits.forward.anatomy import Anatomy

    Hook = tuple[str, Callable[..., Tensor | None]]

#: Bytes of logits that one pass may produce; longer batches are cut into several passes.
_LOGITS_BUDGET = 1 << 28
#: Bytes of results that are remembered for each model.
_MEMORY_BUDGET = 1 << 29


class Progress(Protocol):
    """Who is told how far a long loop is.

    Loops lie in each other: what began last ends first, and is what advances.
    """

    def begin(self, what: str, total: int, unit: str) -> None:
        """A loop begins.

        Args:
            what: what it does, for example ``patch head_out``.
            total: how many steps it has.
            unit: what a step is, in the plural, for example ``cells``.
        """

    def advance(self, steps: float) -> None:
        """So many more steps are done; of a step for all prompts, the share done for some."""

    def end(self) -> None:
        """The loop is over, or was left by an error."""


class Nobody:
    """Nobody listens: what runs have unless somebody else is put there."""

    def begin(self, what: str, total: int, unit: str) -> None:
        """Nothing."""

    def advance(self, steps: float) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""


class Sized(Protocol):
    """A result that knows how much memory it holds."""

    @property
    def nbytes(self) -> int:
        """Bytes held."""


R = TypeVar("R", bound=Sized)


class Memory:
    """Keeps results by key; the least recently used leave when the budget is exceeded.

    Such as hold no memory stay.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._held: OrderedDict[Hashable, Sized] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], R]) -> R:
        """The result for a key, made now if it isn't held."""
        if key in self._held:
            self._held.move_to_end(key)
            return cast("R", self._held[key])
        made = make()
        self._held[key] = made
        others = [other for other, result in self._held.items() if result.nbytes and other != key]
        while others and sum(r.nbytes for r in self._held.values()) > self._budget:
            del self._held[others.pop(0)]
        return made


@dataclass(frozen=True)
class _Look:
    """What is on a model, and in it.

    Attributes:
        weights: a trace of every weight.
        hooked: whether a test has hooks on it.
        bare: whether nobody has.
        training: whether a part of it is in training mode.
        foreign: what of torch's process-wide state is not torch's own.
        altered: whether anything else of it is different.
    """

    weights: tuple[int, ...]
    hooked: bool
    bare: bool
    training: bool
    foreign: tuple[str, ...]
    altered: bool


class Runs:
    """A hooked model, and the forward passes already made with it.

    Results are remembered as long as the model is what it was: a hook put on it or a changed
    weight makes a new pass. So does whatever changes torch itself: a global hook, autocast, another
    default dtype, a replaced function.

    Attributes:
        bridge: transformer-lens' hooked model.
        passes: how many forward passes were made so far.
        replayed: how many tokens went through single blocks so far, in runs that were replayed.
        room: the share of what should fit into memory at once that does; less than 1 once it
            didn't.
        silenced: the heads and MLPs that are ablated now, by name, whatever is run.
        progress: who is told how far long loops are.
        is_altered: tells whether the model is another one now, but for weights and hooks; whoever
            watches it says so.
        clean: the hooks that belong to the model, and takes others off.
        weights_at_first: a trace of every weight when these runs began.
    """

    def __init__(self, bridge: TransformerBridge) -> None:
        self.bridge = bridge
        self.passes = 0
        self.replayed = 0
        self.room = 1.0
        self.silenced: tuple[str, ...] = ()
        self.progress: Progress = Nobody()
        self.is_altered: Callable[[], bool] = lambda: False
        self._modules = Modules(bridge)
        self._positions = RotaryPositions(self._modules)
        self._positions.put_back()
        self._as_loaded = self.clean = Clean(bridge, self._modules)
        self._looked_at: _Look | None = None
        self._examined: tuple[object, Anatomy] | None = None
        self.weights_at_first = self.weights()
        self._begin(self._as_loaded)

    def _begin(self, clean: Clean) -> None:
        self.clean = clean
        self._memory = Memory(_MEMORY_BUDGET)

    def adopt_hooks(self) -> None:
        """Count the hooks that are on the model now as belonging to it."""
        self._begin(Clean(self.bridge, self._modules))

    def shed_hooks(self) -> None:
        """Take all hooks off that were not there when these runs began."""
        self._as_loaded.restore()
        self._begin(self._as_loaded)

    def forget(self) -> None:
        """Forget what was found out about the model, and all passes: it is another one now."""
        self._begin(self.clean)
        self._positions = RotaryPositions(self._modules)
        self._examined = None
        for name in ("_a_parameter", "_further_devices", "_hook_points", "_mixes_rows"):
            vars(self).pop(name, None)

    def return_to(self, clean: Clean) -> None:
        """Count the hooks of that time as belonging to the model, and take off all others."""
        clean.restore()
        self._begin(clean)

    @property
    def layers(self) -> int:
        """Number of layers."""
        return int(self.bridge.cfg.n_layers)

    @property
    def anatomy(self) -> Anatomy:
        """Where the model's parts are, found out once for each state of its weights.

        Raises:
            ModelError: if the model can't be run.
        """
        look = self._look()
        state = look.weights, look.foreign
        if self._examined is None or self._examined[0] != state:
            from pytest_circuits.forward.contract import examine

            # It is about the model, whatever a test has put on it.
            with self._as_loaded.lifted():
                self._examined = (state, examine(self))
        return self._examined[1]

    @property
    def heads(self) -> int:
        """Number of (query) heads in a layer, the most where layers differ."""
        return max(self.anatomy.heads)

    @property
    def key_value_heads(self) -> int:
        """Number of key-value heads in a layer: fewer than heads where queries are grouped."""
        return max(self.anatomy.key_value_heads)

    @property
    def family(self) -> str:
        """The class of the model that is hooked, which messages call it by."""
        return type(self.bridge.original_model).__name__

    @property
    def causal(self) -> bool:
        """Whether no position looks at later ones."""
        return self.anatomy.causal and not self._mixes_rows

    @cached_property
    def _mixes_rows(self) -> bool:
        """Whether a row's numbers depend on what is run with it.

        LLM.int8() keeps a column of activations in 16 bits if any of its numbers is large, over all
        rows and positions of a pass (Dettmers et al. 2022, arXiv:2208.07339). Rows are run one at a
        time then, which is what they give by themselves.
        """
        modules: list[Any] = list(self.bridge.modules())
        return any(
            type(module).__name__ == "Linear8bitLt" and module.state.threshold > 0
            for module in modules
        )

    @property
    def tokenizer(self) -> Any:  # noqa: ANN401 — any Hugging Face tokenizer
        """The model's tokenizer."""
        return self.bridge.tokenizer

    @property
    def device(self) -> torch.device:
        """The device of the model's weights; of the first of them where it is spread over several.

        Whatever is recorded is there, and what hooks are given comes there from elsewhere.
        """
        return self._a_parameter.device

    @cached_property
    def _a_parameter(self) -> Tensor:
        # It stays the same tensor when the model is moved, and finding one takes a while.
        return next(self.bridge.parameters())

    @property
    def devices(self) -> tuple[torch.device, ...]:
        """Every device that holds weights: :attr:`device`, and others where they are spread."""
        return (self.device, *self._further_devices)

    @cached_property
    def _further_devices(self) -> tuple[torch.device, ...]:
        # A model that is spread can't be moved, and asking every parameter takes a while.
        return tuple(dict.fromkeys(each.device for each in self.bridge.parameters()))[1:]

    @property
    def pristine(self) -> bool:
        """Whether every weight is what it was when these runs began."""
        return self.weights() == self.weights_at_first

    @property
    def intact(self) -> bool:
        """Whether the model is what it was when these runs began, in all that can be seen of it."""
        return (
            not self.silenced
            and not self._as_loaded.has_strays
            and not any(module.training for module in self._modules)
            and self.pristine
        )

    @property
    def hooked(self) -> bool:
        """Whether a test has hooks on the model now."""
        return self._look().hooked

    @property
    def bare(self) -> bool:
        """Whether nobody has hooks on the model now, not even whoever made it."""
        return self._look().bare

    def restore(self) -> None:
        """Take hooks, training mode and gradients off the model; what fits is found out again."""
        self.clean.restore()
        self.room = 1.0

    @contextmanager
    def untouched(self) -> Iterator[None]:
        """While nobody but us has the model it is looked at once, not at every pass."""
        before = self._looked_at
        self._looked_at = self._look()
        if self._looked_at.foreign:
            self._examined = None  # two states may be the same in words
        try:
            yield
        finally:
            self._looked_at = before

    def _look(self) -> _Look:
        if self._looked_at is not None:
            return self._looked_at
        hooks = self.clean.look()
        training = any(module.training for module in self._modules)
        with at_a_moment():
            return _Look(
                self.weights(),
                hooked=hooks.changed,
                bare=not hooks.anyones,
                training=training,
                foreign=foreign(),
                altered=self.is_altered(),
            )

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
        look = self._look()
        if look.hooked or look.training or look.foreign or look.altered:
            return make()
        return self._memory.get((key, look.weights), make)

    def weights(self) -> tuple[int, ...]:
        """A trace of every weight and buffer, to notice one that was changed in place."""
        return traces(self.tensors())

    def tensors(self) -> list[Tensor]:
        """Every weight and buffer."""
        return self._modules.tensors()

    def forward(
        self,
        tokens: Tensor,
        hooks: Sequence[Hook] = (),
        *,
        differentiable: bool = False,
        past_key_values: Cache | None = None,
    ) -> Tensor:
        """Logits ``[row, position, vocabulary]`` of one pass, with hooks on for that pass only.

        Args:
            tokens: ``[row, position]``.
            hooks: hook points' names, and what is put on them.
            differentiable: whether gradients can be taken.
            past_key_values: what is given every layer's keys and values; for models that take it.
        """
        # Without a cache transformer-lens can't run some models in half precision (OLMo).
        keeps = past_key_values is None and self.anatomy.past
        self.passes += 1
        with torch.set_grad_enabled(differentiable):
            return self.trial(tokens, hooks, DynamicCache() if keeps else past_key_values)

    def trial(
        self, tokens: Tensor, hooks: Sequence[Hook] = (), past_key_values: Cache | None = None
    ) -> Tensor:
        """The same, of a pass that is not counted: it is about the model, not about prompts."""
        with self.own_positions():
            logits: Tensor = self.bridge.run_with_hooks(
                tokens,
                return_type="logits",
                fwd_hooks=list(self._brought_here(hooks)),
                **self.caching(past_key_values),
            )
        return logits

    def own_positions(self) -> AbstractContextManager[None]:
        """A context for a forward pass that earlier ones don't influence by rotary positions."""
        return self._positions.of_a_pass()

    def put_positions_back(self) -> None:
        """Reset rotary positions that a forward pass stored, which are no change of the model."""
        self._positions.put_back()

    @property
    def makes_caches(self) -> bool:
        """Whether the model takes a cache, and makes one by itself if it isn't asked not to."""
        return isinstance(self.bridge.original_model, PreTrainedModel)

    def caching(self, past_key_values: Cache | None) -> dict[str, Any]:
        """The arguments of a pass that keeps its keys and values there, or none at all.

        In a cache that the model made, its blocks would keep what they are given, whatever they are
        run on next.
        """
        if past_key_values is not None:
            return {"past_key_values": past_key_values}
        return {"use_cache": False} if self.makes_caches else {}

    @contextmanager
    def hooks_on(self, hooks: Sequence[Hook]) -> Iterator[None]:
        """While these hooks are on, whatever is run."""
        put: list[tuple[HookPoint, LensHandle]] = []
        try:
            for name, hook in self._brought_here(hooks):
                point = self._hook_points[name]
                point.add_hook(hook)
                put.append((point, point.fwd_hooks[-1]))
            yield
        finally:
            for point, handle in put:
                if handle in point.fwd_hooks:  # somebody may have reset the model's hooks since
                    handle.hook.remove()
                    point.fwd_hooks.remove(handle)

    def _brought_here(self, hooks: Sequence[Hook]) -> Sequence[Hook]:
        """The hooks, for tensors of every device that the model is on."""
        if not self._further_devices:
            return hooks
        return [(name, _brought(hook, self.device)) for name, hook in hooks]

    def rows_at_once(self, positions: int) -> int:
        """How many rows should fit into one pass, whose logits take most of its memory."""
        if self._mixes_rows:
            return 1
        per_row = 4 * positions * int(self.bridge.cfg.d_vocab)
        return max(1, _LOGITS_BUDGET // per_row)

    def has_hook(self, name: str) -> bool:
        """Whether the model has a hook point of that name."""
        return name in self._hook_points

    @cached_property
    def _hook_points(self) -> dict[str, HookPoint]:
        # The bridge gathers them anew whenever it is asked.
        return dict(self.bridge.hook_dict)


def _brought(hook: Callable[..., Tensor | None], device: torch.device) -> Callable[..., Any]:
    """A hook that sees all on one device; what it gives goes to where it came from."""

    def brought(value: Tensor, **named: object) -> Tensor | None:
        found = hook(value.to(device), **named)
        return None if found is None else found.to(value.device)

    return brought


def as_runs(model: TransformerBridge | Runs) -> Runs:
    """The runs of a model; a bare hooked model gets fresh ones.

    Raises:
        ChoiceError: if it is no model, but its name, say.
    """
    if not isinstance(model, Runs) and not hasattr(model, "original_model"):
        raise ChoiceError(f"a measure takes a hooked model (a TransformerBridge), not {model!r}")
    return model if isinstance(model, Runs) else Runs(model)


def bytes_of(nested: object) -> int:
    """Bytes of the tensors and arrays in nested tuples, lists and dicts; each counts once."""
    found: dict[int, int] = {}

    def look(value: object) -> None:
        if isinstance(value, torch.Tensor):
            found[value.data_ptr()] = value.nbytes
        elif isinstance(value, np.ndarray):
            found[id(value)] = value.nbytes
        elif isinstance(value, tuple | list):
            for part in value:
                look(part)
        elif isinstance(value, dict):
            look(list(value.values()))

    look(nested)
    return sum(found.values())
