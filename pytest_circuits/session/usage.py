"""What a run with ``--circuits`` can't be asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_circuits.session.settings import Place, Settings


def check_usage(config: pytest.Config, settings: Settings) -> None:
    """Refuse a run that can't be what was asked for.

    Raises:
        pytest.UsageError: naming what is wrong, and ways out.
    """
    if not config.pluginmanager.hasplugin("syrupy"):
        raise pytest.UsageError(
            "--circuits keeps its baselines with syrupy, which is switched off (-p no:syrupy)"
        )
    if settings.reference is None:
        raise pytest.UsageError(
            f"--circuits needs a reference model, and circuits_models is not set "
            f"({settings.ini}):\n"
            f"  circuits_models =\n"
            f"      reference = path/to/checkpoint"
        )
    _check_approval(config, settings)
    if settings.report is not None:
        _check_folder(settings.report)
    for kind, file in settings.report_files.items():
        _check_file(kind, file)


def _check_approval(config: pytest.Config, settings: Settings) -> None:
    """Only declared models own baselines, and what is to be decided on isn't approved."""
    option: Any = config.option
    undeclared = [alias for alias in settings.measured if alias not in settings.declared]
    update = option.update_snapshots or option.update_new_snapshots_only
    if update and settings.pending:
        raise pytest.UsageError(
            "--circuits-pending leaves what differs to be decided on, and --snapshot-update "
            "approves it: use one of them"
        )
    if undeclared and (update or settings.pending):
        what = (
            "--snapshot-update has nothing to write" if update else "nothing of it can be approved"
        )
        raise pytest.UsageError(
            f"{undeclared[0]!r} owns no baselines, so {what}.\n"
            f"Declare it in circuits_models ({settings.ini}): "
            f"{undeclared[0]} = {settings.measured[undeclared[0]].source} < {settings.reference}\n"
            f"or update the reference: --circuits-model "
            f"{settings.reference}={settings.measured[undeclared[0]].source}"
        )


def _check_folder(folder: Place) -> None:
    path = folder.path
    there = next(parent for parent in (path, *path.parents) if parent.exists())
    if not there.is_dir():
        what = "is a file" if there == path else "lies in a file"
        raise pytest.UsageError(f"circuits: report {folder} {what}: name a folder for it")


def _check_file(kind: str, file: Place) -> None:
    there = next(parent for parent in (file.path, *file.path.parents) if parent.exists())
    if file.path.is_dir() or (there != file.path and not there.is_dir()):
        what = "is a folder" if there == file.path else "lies in a file"
        raise pytest.UsageError(f"circuits: {kind} report {file} {what}: name a file for it")
