"""How far a model's attention looks back, and how long a sequence fits into memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformer_lens.model_bridge import TransformerBridge

#: What configurations call the number of keys that a query sees, itself among them.
_WINDOWS = (
    "sliding_window", "sliding_windows", "sliding_window_size", "window_size", "attention_window",
    "attention_window_size", "attention_chunk_size", "local_attention",
    "local_attention_window_len",
)  # fmt: skip
#: … and the kinds of its layers, where they are listed; some windows are of no layer.
_LAYERS = ("layer_types", "attention_layers")
_WINDOWED = ("sliding", "chunked", "local")
#: Bytes that the attention of one layer, or the logits, of one sequence may take. It is no share of
#: this machine's memory: how long sequences are decides what is comparable.
_ONE_SEQUENCE = 1 << 31


def attention_windows(bridge: TransformerBridge) -> list[int]:
    """How many keys a query of each layer sees, itself among them; 0 for all that there are.

    One number where all layers are alike.
    """
    said = [_windows(config) for config in _configs(bridge)]
    # A model's own configuration knows better than transformer-lens what each layer has.
    found = next((windows for windows in reversed(said) if any(windows)), [0])
    return found[:1] if len(set(found)) == 1 else found


def largest_window(bridge: TransformerBridge) -> int:
    """The largest attention window of any layer, in tokens; 0 if all layers see everything."""
    return max(attention_windows(bridge))


def longest_affordable(bridge: TransformerBridge) -> int:
    """How many positions of one sequence take no more than 2 GiB, for attention and for logits."""
    config: Any = bridge.cfg
    by_logits = _ONE_SEQUENCE // (4 * int(config.d_vocab))
    return min(by_logits, math.isqrt(_ONE_SEQUENCE // (4 * int(config.n_heads))))


def _configs(bridge: TransformerBridge) -> Iterator[Any]:
    """What is said of the model, by transformer-lens and by whoever made it."""
    yield bridge.cfg
    config = getattr(bridge.original_model, "config", None)
    if config is not None:
        yield config
        # A model of text and images says it of its text model.
        text = getattr(config, "get_text_config", lambda: None)()
        yield getattr(config, "text_config", None) if text is None else text


def _windows(config: Any) -> list[int]:  # noqa: ANN401 — any configuration
    """The window of each layer; one number where they are not listed."""
    if getattr(config, "use_sliding_window", None) is False:
        return [0]
    # Where kinds of layers are not listed, all have the window.
    kinds = next(filter(None, (getattr(config, name, None) for name in _LAYERS)), _WINDOWED[:1])
    windowed = [any(word in str(kind) for word in _WINDOWED) for kind in kinds]
    sizes = []
    for name in _WINDOWS:
        found = getattr(config, name, None)
        each = found if isinstance(found, list | tuple) and found else [found]
        sizes.append([size if type(size) is int and size > 0 else 0 for size in each])
    layers = max(len(windowed), *map(len, sizes))
    return [
        max(size[layer % len(size)] for size in sizes) if windowed[layer % len(windowed)] else 0
        for layer in range(layers)
    ]
