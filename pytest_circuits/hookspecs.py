"""Hooks that other plugins and conftests may implement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_circuits.verdicts import Verdict


def pytest_circuits_verdict(item: pytest.Item, verdict: Verdict) -> None:
    """Called for every verdict, in the process that ran the test.

    Args:
        item: the test that compared a finding with its baseline.
        verdict: the outcome with its reasons, and with what new prompts said where they were asked,
            before the gate is applied.
    """


@pytest.hookspec(firstresult=True)
def pytest_circuits_load_model(source: str, device: str, dtype: str) -> object:
    """Called for a model that does not lie on this machine: who knows its source loads it.

    These are hub ids, ``package.module:factory``, and everything with a scheme (``s3://…``,
    ``registry:name``). The first result that isn't None is the model; if there is none, hub ids and
    factories are loaded as without this hook. It is called again when the model is needed afresh,
    and gives a new one each time. What is measured on such a model is never remembered.

    In a ``conftest.py`` it is found if that lies in a folder that pytest is called with, or above.

    Args:
        source: the source as the user wrote it.
        device: the device that the model will be moved to, for example ``cpu``.
        dtype: ``auto``, or the float type's name that its weights will get.

    Returns:
        None for a source that isn't yours. A hooked model, a pair ``(model, tokenizer)``, or a
        Hugging Face model that knows its tokenizer, as in
        :mod:`pytest_circuits.models.sources.given`.
    """
