"""The pytest plugin's entry: options, markers, parametrisation. Imports nothing heavy."""

from __future__ import annotations

import pytest

from pytest_circuits import hookspecs
from pytest_circuits.fixtures import (
    FIXTURES,
    SKIP_REASON,
    circuit_model,
    circuit_snapshot,
    circuit_source,
    circuits,
)
from pytest_circuits.settings import Settings, read_settings

#: pytest finds fixtures in a plugin by its names; these four are for the tests.
__all__ = ["circuit_model", "circuit_snapshot", "circuit_source", "circuits"]

SETTINGS = pytest.StashKey[Settings]()
DIST_CHOSEN = pytest.StashKey[bool]()
#: The id of the only variant while no model is declared.
_NO_MODEL = "no-model"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options and ini keys."""
    group = parser.getgroup("circuits", "language-model circuits")
    group.addoption(
        "--circuits",
        action="store_true",
        default=False,
        help="run circuit tests: measure the models and hold them against their baselines",
    )
    group.addoption(
        "--circuits-model",
        action="append",
        default=[],
        metavar="[ALIAS=]SOURCE",
        help="measure this model instead of the reference (repeatable); a source is "
        "bundled:NAME, a checkpoint folder, or a hub id[@revision]",
    )
    group.addoption(
        "--circuits-device",
        metavar="DEVICE",
        help="auto (default: cuda, then mps, then cpu), cpu, mps, cuda or cuda:N",
    )
    group.addoption(
        "--circuits-dtype",
        metavar="DTYPE",
        help="auto (default: the checkpoint's own), float32, bfloat16, float16 or float64",
    )
    group.addoption(
        "--circuits-gate",
        metavar="GATE",
        help="what fails a comparison with a baseline: regression (default), change or never",
    )
    group.addoption(
        "--circuits-report",
        metavar="DIR",
        help="write report.json, every model's verdict on every test, into this folder",
    )
    parser.addini(
        "circuits_models",
        "models, a line each: alias = source [< parent]; the first is the reference",
        type="linelist",
        default=[],
    )
    parser.addini("circuits_device", "the device, as for --circuits-device")
    parser.addini("circuits_dtype", "the dtype, as for --circuits-dtype")
    parser.addini("circuits_gate", "the gate, as for --circuits-gate")
    parser.addini("circuits_report", "the reports' folder, as for --circuits-report")


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Hooks that other plugins may use."""
    pluginmanager.add_hookspecs(hookspecs)


def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Note whether the user chose how xdist distributes tests; later that can't be told."""
    early_config.stash[DIST_CHOSEN] = (
        getattr(early_config.known_args_namespace, "dist", "no") != "no"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Read the settings; with ``--circuits``, begin a session."""
    config.addinivalue_line(
        "markers",
        "circuits(accept, until, reason): a circuit test; runs with --circuits, once for every "
        "model. With arguments, a verdict is accepted until a day, for a reason",
    )
    settings = config.stash[SETTINGS] = read_settings(config)
    if config.getoption("circuits"):
        from pytest_circuits.session import begin

        begin(config, settings, distribute=not config.stash.get(DIST_CHOSEN, False))
    elif "--circuits-report" in [arg.partition("=")[0] for arg in config.invocation_params.args]:
        # Only where it was typed: addopts may hold it for the runs with --circuits.
        raise pytest.UsageError("--circuits-report reports a run with --circuits: add --circuits")


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Every setting and where it came from."""
    return config.stash[SETTINGS].header() if config.getoption("circuits") else []


def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> None:
    """Let a test that only carries the marker run once for every model, as the others do."""
    if not collector.istestfunction(obj, name):
        return
    uses_source = pytest.mark.usefixtures("circuit_source")
    if any(mark.name == "circuits" for mark in getattr(obj, "pytestmark", [])):
        uses_source(obj)
    elif collector.get_closest_marker("circuits"):
        # On the class or module: the function may belong to others too, by inheritance.
        collector.add_marker(uses_source)


@pytest.hookimpl(trylast=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One variant for every model, with or without ``--circuits``: node ids stay the same.

    Last, so that the alias ends the id, and can be told from the test's own parameters.
    """
    if "circuit_source" in metafunc.fixturenames:
        aliases = list(metafunc.config.stash[SETTINGS].measured) or [_NO_MODEL]
        metafunc.parametrize("circuit_source", aliases, indirect=True, scope="session", ids=aliases)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark circuit tests, before ``-m`` looks; without ``--circuits`` skip them."""
    for item in items:
        uses = FIXTURES.intersection(getattr(item, "fixturenames", ()))
        marked = item.get_closest_marker("circuits") is not None
        if not uses and not marked:
            continue
        if not marked:
            item.add_marker("circuits")
        if not config.getoption("circuits"):
            item.add_marker(pytest.mark.skip(reason=SKIP_REASON))
