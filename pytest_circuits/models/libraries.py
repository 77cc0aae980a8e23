"""Bringing in the libraries that models need: some 3,000 modules, and seconds of a short run."""

from __future__ import annotations

import gc
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def collecting_later() -> Iterator[None]:
    """Meanwhile no garbage is collected."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def import_libraries() -> None:
    """Import torch, transformers and transformer-lens' hooked models.

    Python's collector would go through what they bring again and again: while they are imported,
    when a test or a run ends, when the interpreter does. Modules are no garbage, so it is told to
    leave alone what there is now (``gc.freeze``), unless somebody holds a tensor already: a model
    of theirs may become garbage later, and is to be collected then. ``gc.unfreeze`` undoes it.
    """
    before = len(sys.modules)
    with collecting_later():
        import torch
        import transformer_lens.model_bridge.sources.native  # noqa: F401 — the bridge, boot_native
        from transformers import AutoModelForCausalLM  # noqa: F401 — transformers imports it lazily

        if len(sys.modules) > before:
            kinds = {type(each) for each in gc.get_objects()}
            if not any(issubclass(kind, torch.Tensor) for kind in kinds):
                gc.freeze()
