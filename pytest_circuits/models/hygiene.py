"""Leaving a shared model as it was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn
    from transformer_lens.model_bridge import TransformerBridge

_HOOK_DICTS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)
#: Libraries that put hooks of their own on a model, some only at its first forward pass.
_LIBRARIES = ("transformer_lens", "transformers", "accelerate", "torch")


class Clean:
    """What is on a model now; takes away what a test puts there later.

    Covers transformer-lens hooks (permanent ones too), hooks put on a module with plain torch,
    training mode, and gradients switched on. What the libraries put there themselves stays, and
    so does what was there at first: it belongs to the model.
    """

    def __init__(self, bridge: TransformerBridge) -> None:
        self._bridge = bridge
        # The hooks themselves are held, so that no later one can have the identity of one of them.
        self._at_first = list(self._hooks())
        self._known = {id(hook) for _, _, hook in self._at_first}

    def _hooks(self) -> Iterator[tuple[Any, Any, Any]]:
        """Every hook that somebody put on the model: where it is kept, its key, itself."""
        from transformer_lens.hook_points import HookPoint

        module: nn.Module
        for module in self._bridge.modules():
            if isinstance(module, HookPoint):
                for kept in (module.fwd_hooks, module.bwd_hooks):
                    yield from ((kept, None, handle) for handle in kept)
                continue
            for kind in _HOOK_DICTS:
                hooks: dict[int, Any] = getattr(module, kind)
                for key, hook in hooks.items():
                    home = str(getattr(hook, "__module__", ""))
                    if home.partition(".")[0] not in _LIBRARIES:
                        yield hooks, key, hook

    def _strays(self) -> list[tuple[Any, Any, Any]]:
        return [found for found in self._hooks() if id(found[2]) not in self._known]

    @property
    def has_strays(self) -> bool:
        """Whether other hooks are on the model than at first (more, or fewer)."""
        return {id(hook) for _, _, hook in self._hooks()} != self._known

    @property
    def is_bare(self) -> bool:
        """Whether there are no hooks on the model, not even such as were there at first."""
        return next(self._hooks(), None) is None

    def restore(self) -> None:
        """Take away everything that was put on the model since."""
        for kept, key, hook in self._strays():
            if key is None:
                hook.hook.remove()  # transformer-lens' handle holds torch's
                kept.remove(hook)
            else:
                del kept[key]
        self._bridge.clear_contexts()
        self._bridge.eval()
        self._bridge.requires_grad_(requires_grad=False)
        for parameter in self._bridge.parameters():
            parameter.grad = None
