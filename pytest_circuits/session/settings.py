"""Settings: command line > environment > ini > default, each value with where it came from."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_circuits.models import Source

COMMAND_LINE = "command line"
DEFAULT = "default"
#: How the names of environment variables begin.
_VARIABLE = "PYTEST_CIRCUITS_"
#: The alias of a model that is named on the command line by its source alone.
CANDIDATE = "candidate"

#: Also a folder's name everywhere: not made of dots, none at the end, no device of Windows.
_ALIAS = re.compile(
    r"(?!(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$))\.*[a-z0-9_-](?:[a-z0-9._-]*[a-z0-9_-])?",
    re.IGNORECASE | re.ASCII,
)
#: Characters of a wrong path that a message shows.
_SHOWN = 200
#: The folder of pending files, beside those of aliases: ``baselines.pending_files.PENDING``, which
#: a plain run must not import.
_PENDING = ".pending"
#: The values of ``verdicts.Gate``, which a plain run must not import.
GATES = ("behaviour", "regression", "change", "never")
#: When prompts are drawn anew to settle what a verdict means.
NEW_PROMPTS = ("always", "auto", "never")
#: Whether a run under GitHub Actions writes annotations and the step summary.
GITHUB = ("auto", "never")
#: What becomes of a test that passed and left something unjudged.
UNJUDGED = ("auto", "fail", "allow")
#: What becomes of a test that changed what others are measured with.
ISOLATION = ("warn", "fail")
#: What a setting that is on or off may be, as in pytest's own ini.
_ON, _OFF = ("true", "yes", "on", "1"), ("false", "no", "off", "0")
_DEFAULTS = {
    "device": "auto",
    "dtype": "auto",
    "memory": "auto",
    "gate": "regression",
    "github": "auto",
    "fresh": "false",
    "isolation": "warn",
    "unjudged": "auto",
    "new_prompts": "auto",
}
_CHOICES = {
    "gate": GATES,
    "isolation": ISOLATION,
    "github": GITHUB,
    "fresh": (*_ON, *_OFF),
    "unjudged": UNJUDGED,
    "new_prompts": NEW_PROMPTS,
}
#: What each kind of report is called in the folder of ``--circuits-report``.
REPORTS = {"html": "report.html", "markdown": "report.md", "json": "report.json"}


class Setting(NamedTuple):
    """A value and where it came from."""

    value: str
    origin: str

    def __str__(self) -> str:
        return f"{self.value} ({self.origin})"


class NamedPath(NamedTuple):
    """A file or folder as somebody named it, where it is, and where it was named."""

    text: str
    path: Path
    origin: str

    def __str__(self) -> str:
        return f"{self.text} ({self.origin})"


class ModelLine(NamedTuple):
    """A model as somebody named it.

    Attributes:
        alias: its stable name.
        source: its source, as written.
        parent: the alias whose baselines serve where it has none of its own.
        base: the folder that a relative source starts from.
    """

    alias: str
    source: str
    parent: str | None
    base: Path

    @property
    def public(self) -> str:
        """The source as it is printed and written: without secrets."""
        from pytest_circuits.models.secrets import shown_address

        return shown_address(self.source)

    def parse(self) -> Source:
        """The source, understood.

        Raises:
            pytest.UsageError: if it is none.
        """
        from pytest_circuits.models import ModelError, parse_source

        try:
            return parse_source(self.source, self.base)
        except ModelError as error:
            raise pytest.UsageError(str(error)) from error


class Settings(NamedTuple):
    """Everything that was set for this run.

    Attributes:
        declared: the models of the ini, reference first.
        measured: the models to measure, by alias.
        models_origin: where the measured models were named.
        device: ``auto``, ``cpu``, ``mps``, ``cuda``, ``cuda:N``, several with commas, ``balanced``.
        dtype: ``auto`` or a float type.
        memory: how much memory loaded models may take: ``auto`` or a size.
        gate: which verdicts fail.
        report: the folder for all reports; None if nobody asked for it.
        report_files: files for single reports, by kind.
        github: whether GitHub Actions, where the run is there, is told.
        verbose: whether the terminal gets tables of heads.
        pending: whether what differs is left as pending files.
        cpu_fallback: whether what has no room on a GPU is measured on the CPU.
        fresh: whether everything is measured, also what an earlier run did.
        unjudged: what becomes of a test that left something unjudged.
        new_prompts: when prompts are drawn anew.
        isolation: what becomes of a test that changed a model or torch for others.
        env: the variables that tests may read and have their findings remembered.
        ini: the name of the ini that was read.
        in_ci: whether this is a CI run.
    """

    declared: dict[str, ModelLine]
    measured: dict[str, ModelLine]
    models_origin: str
    device: Setting
    dtype: Setting
    memory: Setting
    gate: Setting
    report: NamedPath | None
    report_files: dict[str, NamedPath]
    github: Setting
    verbose: bool
    pending: bool
    fresh: Setting
    unjudged: Setting
    new_prompts: Setting
    cpu_fallback: bool
    isolation: Setting
    env: tuple[str, ...]
    ini: str
    in_ci: bool

    @property
    def reference(self) -> str | None:
        """The alias that owns the approved baselines."""
        return next(iter(self.declared), None)

    def owners(self, alias: str) -> tuple[str, ...]:
        """The aliases whose baselines serve for a model, nearest first.

        A declared alias: its own, then its parents'. Any other: the reference's.
        """
        line = self.declared.get(alias) or self.declared.get(self.reference or "")
        chain = []
        while line is not None:
            chain.append(line.alias)
            line = self.declared.get(line.parent) if line.parent else None
        return tuple(chain)

    @property
    def reports(self) -> dict[str, NamedPath]:
        """Every report to write, by kind: those of the folder, and those named singly."""
        files = dict(self.report_files)
        if self.report is not None:
            text, path, origin = self.report
            for kind, name in REPORTS.items():
                files.setdefault(kind, NamedPath(str(Path(text) / name), path / name, origin))
        return {kind: files[kind] for kind in REPORTS if kind in files}

    @property
    def options(self) -> tuple[str, ...]:
        """What of the command line or the environment the numbers depend on, as typed."""
        given = {"device": self.device, "dtype": self.dtype, "gate": self.gate}
        given["new-prompts"] = self.new_prompts
        return tuple(
            f"--circuits-{name}={setting.value}"
            for name, setting in given.items()
            if setting.origin == COMMAND_LINE or setting.origin.startswith(_VARIABLE)
        )

    @property
    def is_fresh(self) -> bool:
        """Whether nothing that an earlier run measured is used."""
        return self.fresh.value in _ON

    @property
    def must_judge(self) -> bool:
        """Whether a test fails that passed and left something unjudged."""
        return self.unjudged.value == "fail" or (self.unjudged.value == "auto" and self.in_ci)

    @property
    def on_github(self) -> bool:
        """Whether GitHub Actions is there and to be told."""
        return self.github.value == "auto" and os.environ.get("GITHUB_ACTIONS") == "true"

    @property
    def whole_findings(self) -> bool:
        """Whether anything shows more of a finding than its line."""
        return bool(self.reports) or self.verbose or self.on_github

    def header(self) -> list[str]:
        """The settings for pytest's header."""
        models = ", ".join(f"{line.alias}={line.public}" for line in self.measured.values())
        owners = dict.fromkeys(" else ".join(self.owners(alias)) for alias in self.measured)
        report = [f"circuits: report in {self.report}"] if self.report else []
        report += [f"circuits: {kind} report {file}" for kind, file in self.report_files.items()]
        return [
            f"circuits: {models} ({self.models_origin})",
            f"circuits: baselines of {'; '.join(owners)} ({self.ini}), gate {self.gate}",
            f"circuits: device {self.device}, dtype {self.dtype}",
            *([f"circuits: models kept in {self.memory}"] * (self.memory.origin != DEFAULT)),
            *([f"circuits: all findings measured afresh ({self.fresh.origin})"] * self.is_fresh),
            *([f"circuits: unjudged {self.unjudged}"] * (self.unjudged.origin != DEFAULT)),
            *([f"circuits: new prompts {self.new_prompts}"] * (self.new_prompts.origin != DEFAULT)),
            *([f"circuits: isolation {self.isolation}"] * (self.isolation.origin != DEFAULT)),
            *([f"circuits: CPU fallback ({self.ini})"] * self.cpu_fallback),
            *([f"circuits: tests may read {', '.join(self.env)} ({self.ini})"] * bool(self.env)),
            *report,
        ]


def read_settings(config: pytest.Config) -> Settings:
    """The settings of a run.

    Raises:
        pytest.UsageError: for a value that can't be, naming where it was set.
    """
    ini = config.inipath.name if config.inipath else "no ini file"
    lines = [line for line in config.getini("circuits_models") if not line.startswith("#")]
    ini_folder = config.inipath.parent if config.inipath else config.rootpath
    declared = _declared(lines, ini_folder, ini)
    asked, origin = config.getoption("circuits_model"), COMMAND_LINE
    variable = f"{_VARIABLE}MODEL"
    if not asked:
        asked, origin = os.environ.get(variable, "").splitlines(), variable
    asked = [text for text in asked if text.strip()]
    measured = _measured(asked, declared, config.invocation_params.dir, origin)
    if not asked:
        measured, origin = dict(list(declared.items())[:1]), ini
    return Settings(
        declared=declared,
        measured=measured,
        models_origin=origin,
        device=_setting(config, "device", ini),
        dtype=_setting(config, "dtype", ini),
        memory=_setting(config, "memory", ini),
        gate=_setting(config, "gate", ini),
        report=_place(config, "report", ini, ini_folder),
        report_files={
            kind: place
            for kind in REPORTS
            if (place := _place(config, kind, ini, ini_folder)) is not None
        },
        github=_setting(config, "github", ini),
        verbose=bool(config.getoption("circuits_verbose")),
        pending=bool(config.getoption("circuits_pending")),
        fresh=_setting(config, "fresh", ini),
        unjudged=_setting(config, "unjudged", ini),
        new_prompts=_setting(config, "new_prompts", ini),
        cpu_fallback=bool(config.getini("circuits_cpu_fallback")),
        isolation=_setting(config, "isolation", ini),
        env=declared_variables(config),
        ini=ini,
        in_ci=any(os.environ.get(name) for name in ("CI", "BUILD_NUMBER")),
    )


def declared_variables(config: pytest.Config) -> tuple[str, ...]:
    """The variables that ``circuits_env`` declares: on lines, or between commas or spaces."""
    lines = [line for line in config.getini("circuits_env") if not line.startswith("#")]
    return tuple(dict.fromkeys(" ".join(lines).replace(",", " ").split()))


def _setting(config: pytest.Config, name: str, ini: str) -> Setting:
    setting = _given(config, name, ini) or Setting(_DEFAULTS[name], DEFAULT)
    _check(name, setting)
    return setting


def _given(config: pytest.Config, name: str, ini: str) -> Setting | None:
    variable = f"{_VARIABLE}{name.upper()}"
    candidates = (
        (config.getoption(f"circuits_{name}", None), COMMAND_LINE),
        (os.environ.get(variable), variable),
        (config.getini(f"circuits_{name}"), ini),
    )
    return next((Setting(value, origin) for value, origin in candidates if value), None)


def _place(config: pytest.Config, name: str, ini: str, ini_folder: Path) -> NamedPath | None:
    """Where a report goes; what the ini names starts from the ini's own folder."""
    given = _given(config, name, ini)
    if given is None:
        return None
    base = ini_folder if given.origin == ini else config.invocation_params.dir
    try:
        path = base / Path(given.value).expanduser()
        path.exists()
    # No such user, a name too long or that no system has, a folder that nobody lets us look into.
    except (OSError, RuntimeError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error).rstrip(".")
        raise pytest.UsageError(
            f"circuits: {name} {given.value[:_SHOWN]!r} ({given.origin}) is no path that can be "
            f"written ({why}): name another"
        ) from error
    return NamedPath(given.value, path, given.origin)


def _check(name: str, setting: Setting) -> None:
    value, origin = setting
    allowed: tuple[str, ...]
    if name in _CHOICES:
        allowed = _CHOICES[name]
        fits = value in allowed
    else:
        # A plain run must not pay for the import that only an unusual value needs.
        if value == _DEFAULTS[name]:
            return
        from pytest_circuits.models import DEVICE_PATTERN, DTYPES, parse_size

        if name == "device":
            allowed = ("auto", "cpu", "mps", "cuda", "cuda:N", "cuda:N,cuda:M", "balanced")
            fits = DEVICE_PATTERN.fullmatch(value) is not None
        elif name == "memory":
            allowed = ("auto", "a size such as 8GB", "800MB", "12GiB")
            fits = parse_size(value) is not None
        else:
            allowed = DTYPES
            fits = value in allowed
    if not fits:
        called = name.replace("_", " ")
        raise pytest.UsageError(
            f"circuits: {called} {value!r} ({origin}) is not one of {', '.join(allowed)}"
        )


def _declared(lines: Sequence[str], base: Path, ini: str) -> dict[str, ModelLine]:
    declared: dict[str, ModelLine] = {}
    for text in lines:
        alias, equals, rest = (part.strip() for part in text.partition("="))
        source, _, parent = (part.strip() for part in rest.partition(" < "))
        if not equals or not source or not _ALIAS.fullmatch(alias):
            raise pytest.UsageError(
                f"{ini}: circuits_models has {text!r}; a line is `alias = source`, perhaps "
                f"with ` < parent`, and an alias is made of letters, digits, '.', '_' and '-', "
                f"and can be a folder's name"
            )
        _check_alias(alias, ini)
        if alias.lower() in map(str.lower, declared):
            raise pytest.UsageError(f"{ini}: circuits_models names {alias!r} twice")
        if parent and parent not in declared:
            raise pytest.UsageError(
                f"{ini}: circuits_models gives {alias!r} the parent {parent!r}, "
                f"which no line above it declares"
            )
        declared[alias] = ModelLine(alias, source, parent or None, base)
    return declared


def _measured(
    asked: Sequence[str], declared: dict[str, ModelLine], base: Path, origin: str
) -> dict[str, ModelLine]:
    measured: dict[str, ModelLine] = {}
    for text in asked:
        alias, equals, source = (part.strip() for part in text.partition("="))
        if not equals and alias in declared:
            line = declared[alias]
        elif not equals:
            if question := mistyped(alias, declared, base):
                raise pytest.UsageError(
                    f"no model is called {alias!r} ({origin}){question}\n"
                    f"A model of the hub whose name is like a declared one's needs an alias: "
                    f"alias={alias}"
                )
            line = ModelLine(CANDIDATE, alias, None, base)
            if CANDIDATE in declared:
                raise pytest.UsageError(
                    f"{text!r} ({origin}) needs an alias, because the ini declares "
                    f"{CANDIDATE!r}: write alias={text}"
                )
        elif not source or not _ALIAS.fullmatch(alias):
            raise pytest.UsageError(
                f"{text!r} ({origin}) names no model: write alias=source, and an alias is made "
                f"of letters, digits, '.', '_' and '-', and can be a folder's name"
            )
        else:
            line = ModelLine(alias, source, None, base)
        _check_alias(line.alias, origin)
        if line.alias.lower() in map(str.lower, measured):
            raise pytest.UsageError(
                f"two models are called {line.alias!r} ({origin}): give each an alias of its own, "
                f"as in alias=source"
            )
        measured[line.alias] = line
    return measured


def mistyped(name: str, declared: Iterable[str], base: Path) -> str:
    """The question whether a name is a declared one, mistyped; empty if it isn't like one.

    Only a bare name is asked about, which would be taken for a hub id: not a path, nor a source of
    another kind (``bundled:recall``, ``module:function``, ``registry:name``).
    """
    try:
        if "/" in name or ":" in name or (base / name).exists():
            return ""
    except OSError:  # a name that is too long, which is none of ours
        return ""
    from pytest_circuits.models.errors import did_you_mean

    return did_you_mean(name, declared)


def _check_alias(alias: str, origin: str) -> None:
    """Refuse the alias whose baselines would lie among the pending files."""
    if alias.lower() == _PENDING:
        raise pytest.UsageError(
            f"{alias!r} ({origin}) can't be an alias: the folder of that name holds pending files"
        )
