"""Leaving a shared model as it was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

_HOOK_DICTS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)


class Clean:
    """What a model was like when it was handed out, to put it back to that.

    Covers transformer-lens hooks (permanent ones too), hooks put on a module with plain torch,
    training mode, and gradients switched on.
    """

    def __init__(self, bridge: TransformerBridge) -> None:
        self._bridge = bridge
        self._hooks = self._registered()

    def _registered(self) -> dict[tuple[int, str], set[int]]:
        return {
            (id(module), kind): set(getattr(module, kind))
            for module in self._bridge.modules()
            for kind in _HOOK_DICTS
        }

    @property
    def has_strays(self) -> bool:
        """Whether hooks are on the model that were not there at first."""
        return self._registered() != self._hooks

    def restore(self) -> None:
        """Take away everything that was put on the model since."""
        self._bridge.reset_hooks(including_permanent=True)
        for module in self._bridge.modules():
            for kind in _HOOK_DICTS:
                hooks: dict[int, Any] = getattr(module, kind)
                for key in set(hooks) - self._hooks.get((id(module), kind), set()):
                    del hooks[key]
        self._bridge.eval()
        self._bridge.requires_grad_(requires_grad=False)
        for parameter in self._bridge.parameters():
            parameter.grad = None
