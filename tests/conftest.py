"""Shared by all tests."""

import gc
import os

import pytest

pytest_plugins = ["pytester"]
# A folder's own conftest.py may import it before it becomes a plugin below.
pytest.register_assert_rewrite("circuit_suites")


def pytest_configure(config):
    """Import, where tests run, what must be imported once before pytester runs anything.

    torch does not survive being imported a second time, which is what a pytester run that imports
    it first would lead to. Who only hands tests out to workers needs none of it.
    """
    if config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput"):
        return
    import torch
    from transformer_lens.model_bridge import TransformerBridge  # noqa: F401

    torch.set_num_threads(1)
    config.pluginmanager.import_plugin("circuit_suites")


@pytest.fixture(autouse=True, scope="module")
def _take_out_of_garbage_collection():
    """Take what is there by now out of garbage collection.

    Garbage is collected often while tests run pytest, which would go through all of these
    thousands of tests and what they imported each time.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _not_in_ci(monkeypatch):
    """A test's verdict on `new` and its output must not depend on where the tests run."""
    for name in ("CI", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)
    for name in list(os.environ):
        # A run inside a test is nobody's worker, though the test may be in one.
        if name.startswith(("PYTEST_CIRCUITS_", "PYTEST_XDIST_")):
            monkeypatch.delenv(name)
