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
    """Tells what a test left on a model, and takes it away.

    Covers transformer-lens hooks (permanent ones too), hooks put on a module with plain torch,
    training mode, and gradients switched on. What the libraries put there themselves stays.
    """

    def __init__(self, bridge: TransformerBridge) -> None:
        self._bridge = bridge
        self._at_first = {(id(hooks), key) for hooks, key in self._plain_hooks()}

    def _plain_hooks(self) -> Iterator[tuple[dict[int, Any], int]]:
        """Hooks that somebody put on a module with torch's own calls: their dict and key."""
        from transformer_lens.hook_points import HookPoint

        module: nn.Module
        for module in self._bridge.modules():
            if isinstance(module, HookPoint):
                continue  # these keep a list of their own
            for kind in _HOOK_DICTS:
                hooks: dict[int, Any] = getattr(module, kind)
                for key, hook in hooks.items():
                    home = str(getattr(hook, "__module__", ""))
                    if home.partition(".")[0] not in _LIBRARIES:
                        yield hooks, key

    @property
    def has_strays(self) -> bool:
        """Whether hooks are on the model that a test or its fixtures put there."""
        return any(
            point.fwd_hooks or point.bwd_hooks for point in self._bridge.hook_dict.values()
        ) or any((id(hooks), key) not in self._at_first for hooks, key in self._plain_hooks())

    def restore(self) -> None:
        """Take away everything that was put on the model since."""
        self._bridge.reset_hooks(including_permanent=True)
        for hooks, key in list(self._plain_hooks()):
            if (id(hooks), key) not in self._at_first:
                del hooks[key]
        self._bridge.eval()
        self._bridge.requires_grad_(requires_grad=False)
        for parameter in self._bridge.parameters():
            parameter.grad = None
