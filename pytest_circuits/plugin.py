"""The pytest plugin's entry: options, markers, parametrisation. Imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_circuits import hookspecs
from pytest_circuits.fixtures import (
    FIXTURES,
    SKIP_REASON,
    circuit_model,
    circuit_snapshot,
    circuit_source,
    circuits,
    private_circuit_model,
)
from pytest_circuits.session.settings import Settings, read_settings
from pytest_circuits.session.variants import SOURCE, note_parameters

if TYPE_CHECKING:
    from collections.abc import Generator

#: pytest finds fixtures in a plugin by its names; these are for the tests.
__all__ = [
    "circuit_model",
    "circuit_snapshot",
    "circuit_source",
    "circuits",
    "private_circuit_model",
]

SETTINGS = pytest.StashKey[Settings]()
DIST_CHOSEN = pytest.StashKey[bool]()
#: The id of the only variant while no model is declared.
_NO_MODEL = "no-model"
#: The reports that can be written by themselves, and what each is.
_REPORTS = {
    "html": "one page with every finding's plots",
    "markdown": "what changed, for job summaries and comments,",
    "json": "every verdict and finding, for programs,",
}
#: What only a run with --circuits can do.
_ONLY_WITH_CIRCUITS = {
    "--circuits-report": "reports",
    **{f"--circuits-{kind}": "reports" for kind in _REPORTS},
    "--circuits-pending": "leaves pending files of",
    "--circuits-fresh": "measures everything in",
    "--circuits-verbose": "tells more of",
}


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
        help="auto (default: cuda, then mps, then cpu), cpu, mps, cuda, cuda:N, cuda:N,cuda:M "
        "(spread over these) or balanced (over all)",
    )
    group.addoption(
        "--circuits-dtype",
        metavar="DTYPE",
        help="auto (default: the checkpoint's own), float32, bfloat16, float16 or float64",
    )
    group.addoption(
        "--circuits-memory",
        metavar="SIZE",
        help="how much memory each process keeps models in, for example 8GB or 12GiB (default "
        "auto: half of what there is, shared by xdist's workers); the least recently used leave, "
        "and what a test needs at once is loaded in any case",
    )
    group.addoption(
        "--circuits-gate",
        metavar="GATE",
        help="what fails a comparison with a baseline: behaviour, regression (default), change or "
        "never",
    )
    group.addoption(
        "--circuits-new-prompts",
        metavar="MODE",
        help="draw new prompts and measure reference and candidate on them: auto (default: where a "
        "mechanism changed while its behaviour held), always or never",
    )
    group.addoption(
        "--circuits-report",
        metavar="DIR",
        help="write report.html, report.md and report.json into this folder",
    )
    for kind, what in _REPORTS.items():
        group.addoption(f"--circuits-{kind}", metavar="FILE", help=f"write {what} into this file")
    group.addoption(
        "--circuits-github",
        metavar="MODE",
        help="annotations and the step summary under GitHub Actions: auto (default) or never",
    )
    group.addoption(
        "--circuits-verbose",
        action="store_true",
        default=False,
        help="add tables of heads, before and after, to what the terminal shows",
    )
    group.addoption(
        "--circuits-pending",
        action="store_true",
        default=False,
        help="leave what differs from its baseline as pending files, for `pytest-circuits review`",
    )
    group.addoption(
        "--circuits-fresh",
        action="store_const",
        const="true",
        help="measure everything, also what an earlier run has measured on the same model",
    )
    group.addoption(
        "--circuits-unjudged",
        metavar="MODE",
        help="a test that passes and judges nothing, or not all that is stored for it: auto "
        "(default: fails in CI), fail or allow",
    )
    parser.addini(
        "circuits_models",
        "models, a line each: alias = source [< parent]; the first is the reference",
        type="linelist",
        default=[],
    )
    parser.addini("circuits_device", "the device, as for --circuits-device")
    parser.addini("circuits_dtype", "the dtype, as for --circuits-dtype")
    parser.addini("circuits_memory", "memory for models, as for --circuits-memory")
    parser.addini("circuits_gate", "the gate, as for --circuits-gate")
    parser.addini("circuits_new_prompts", "new prompts, as for --circuits-new-prompts")
    parser.addini("circuits_report", "the reports' folder, as for --circuits-report")
    for kind in _REPORTS:
        parser.addini(f"circuits_{kind}", f"a report's file, as for --circuits-{kind}")
    parser.addini("circuits_github", "whether GitHub is told, as for --circuits-github")
    parser.addini("circuits_unjudged", "tests that judge nothing, as for --circuits-unjudged")
    parser.addini("circuits_fresh", "true: always as with --circuits-fresh")
    parser.addini(
        "circuits_cpu_fallback",
        "true: what has no room on a GPU, not even in small parts, is measured on the CPU",
        type="bool",
        default=False,
    )
    parser.addini(
        "circuits_env",
        "environment variables that circuit tests and what they import may read, a line each: "
        "their values are a part of what findings are remembered by",
        type="linelist",
        default=[],
    )
    parser.addini(
        "circuits_isolation",
        "what becomes of a test that changes a model or torch for others: warn (default) or fail",
    )


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Hooks that other plugins may use."""
    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Note what can't be told later: how xdist distributes tests, what conftest files read."""
    early_config.stash[DIST_CHOSEN] = (
        getattr(early_config.known_args_namespace, "dist", "no") != "no"
    )
    if early_config.known_args_namespace.circuits:
        from pytest_circuits.session import remembering

        remembering.start(early_config)


def pytest_configure(config: pytest.Config) -> None:
    """Read the settings; with ``--circuits``, begin a session."""
    config.addinivalue_line(
        "markers",
        "circuits(accept, until, reason): a circuit test; runs with --circuits, once for every "
        "model. With arguments, a verdict is accepted until a day, for a reason",
    )
    try:
        _begin(config)
    except pytest.UsageError as error:
        from pytest_circuits.session.shown import said

        raise pytest.UsageError(said(str(error))) from None


def _begin(config: pytest.Config) -> None:
    """Read the settings, and begin a session where one is asked for.

    Raises:
        pytest.UsageError: for what can't be; it may quote secrets, which stand in settings.
    """
    settings = config.stash[SETTINGS] = read_settings(config)
    if config.getoption("circuits"):
        from pytest_circuits.session.session import begin

        begin(config, settings, distribute=not config.stash.get(DIST_CHOSEN, False))
    # Only where it was typed: addopts may hold it for the runs with --circuits.
    typed = [argument.partition("=")[0] for argument in config.invocation_params.args]
    alone = [option for option in _ONLY_WITH_CIRCUITS if option in typed]
    if alone and not config.getoption("circuits"):
        option = alone[0]
        raise pytest.UsageError(
            f"{option} {_ONLY_WITH_CIRCUITS[option]} a run with --circuits: add --circuits"
        )


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Every setting and where it came from."""
    if not config.getoption("circuits"):
        return []
    from pytest_circuits.session.shown import said

    return [said(line) for line in config.stash[SETTINGS].header()]


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


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Generator[None, None, None]:
    """One variant for every model, with or without ``--circuits``: node ids stay the same.

    After everybody else, so that the alias ends the id, and can be told from the test's own
    parameters.
    """
    if SOURCE in metafunc.fixturenames:
        note_parameters(metafunc)
    yield
    if SOURCE in metafunc.fixturenames:
        aliases = list(metafunc.config.stash[SETTINGS].measured) or [_NO_MODEL]
        metafunc.parametrize(SOURCE, aliases, indirect=True, scope="session", ids=aliases)


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
