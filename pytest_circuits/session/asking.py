"""Asking plugins for models of which we don't know the kind."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_circuits.models.errors import raised

if TYPE_CHECKING:
    import pytest

    from pytest_circuits.models import ModelError, Source
    from pytest_circuits.models.sources.source import Others


def others(config: pytest.Config) -> Others | None:
    """Who asks the plugins of a run for a model; None if none of them implements the hook."""
    hook: Any = config.hook.pytest_circuits_load_model
    if not hook.get_hookimpls():
        return None

    def ask(source: Source, device: str, dtype: str) -> object:
        try:
            return hook(source=source.text, device=device, dtype=dtype)
        except (Exception, SystemExit) as error:
            raise _raised(source, error, hook.get_hookimpls()) from error

    return ask


def _raised(source: Source, error: BaseException, implementations: list[Any]) -> ModelError:
    """What a plugin raised, and which plugin it was."""
    entered = {frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)}
    for each in implementations:
        code = getattr(each.function, "__code__", None)
        if code in entered:
            name = Path(each.plugin_name).name  # a conftest's is its whole path
            return raised(
                source, f"the plugin {name}", error, code.co_filename, code.co_firstlineno
            )
    raise error
