"""Runs the suite on each case through ``pytest --circuits``, and keeps what it said.

A run is one process, as a team would have it, held against the base model's baselines. A case is
run at each gate. One of hidden damage that the default run finds green is run once more with new
prompts for every finding: a red run they can't make green. What was said of a case by the same code
of pytest-circuits is kept in the cache, so that judging goes on where it was interrupted. All runs
remember findings in one place, so that the same measurements are judged again by other rules within
seconds.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import TYPE_CHECKING, Any, Protocol

import pytest_circuits
from evidence.models import BASES
from evidence.storage import cache_folder, measured_once, sources, write_whole
from pytest_circuits.verdicts import About, Change, Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

#: Both are measured as a team with these machines would.
DTYPES = {"smollm2": "bfloat16", "second": "float32"}
_SUITE = Path(__file__).parent / "suite"
#: What a base model has no heads for, so that there is nothing to approve.
_LEFT_OUT = {"smollm2": (), "second": ("test_duplicate_token_heads", "test_capital_writers")}
#: The measures of the suite whose finding is a behaviour itself.
_NUMBERS = ("text_loss", "repeat_loss", "logit_diff")

#: The runs of a case: the default one, which is at the gate ``regression``, and others beside it.
RUNS: dict[str, tuple[str, ...]] = {
    "regression": (),
    "behaviour": ("--circuits-gate=behaviour",),
    "change": ("--circuits-gate=change",),
    "no new prompts": ("--circuits-new-prompts=never",),
}
_ALWAYS = "--circuits-new-prompts=always"


class Case(Protocol):
    """A model to be judged."""

    @property
    def base(self) -> str:
        """The base model's name."""

    @property
    def name(self) -> str:
        """Its own."""

    def key(self) -> str:
        """What it is made of, as a hash."""

    def checkpoint(self) -> AbstractContextManager[Path]:
        """Its folder, which is gone afterwards."""


@dataclass(frozen=True)
class Found:
    """What was said of one finding.

    Attributes:
        test: the test's name.
        verdict: its kind.
        passes: whether the gate let it pass.
        behaviour: whether a behaviour got worse, the finding's own number or one measured beside
            it, or a behaviour's finding is incomparable.
        mechanism: whether a head, a role, a cell or what is left without a head got worse, or a
            finding of heads is incomparable.
        new_prompts: what new prompts said: ``holds``, ``fails``, ``not settled``; empty where
            they were not asked.
    """

    test: str
    verdict: str
    passes: bool
    behaviour: bool
    mechanism: bool
    new_prompts: str


@dataclass(frozen=True)
class Said:
    """What a run of the suite said of a case.

    Attributes:
        exit: pytest's exit status.
        seconds: of CPU, start-up and loading included; None where findings were remembered.
        lines: the lines of the terminal's section.
        findings: of each test.
    """

    exit: int
    seconds: float | None
    lines: tuple[str, ...]
    findings: tuple[Found, ...]


class Judge:
    """The suite in a folder of the cache, with the base model's baselines.

    Args:
        base: the base model's name.
        order: the order of names in the suite's prompts: ``both``, or ``ABBA`` alone.
        checkout: a folder with another commit of pytest-circuits, which then judges; unless given,
            what is installed does.
    """

    def __init__(self, base: str, order: str = "both", checkout: Path | None = None) -> None:
        self._base, self._order, self._checkout = base, order, checkout
        name = f"{_digest(checkout)}-{BASES[base].digest()[:8]}-{order}"
        self._folder = cache_folder("judged", base, name)

    def said(self, case: Case) -> dict[str, Said]:
        """What the suite says of a case in each of :data:`RUNS`, as kept or from runs now."""
        return self._kept(case, case.name, RUNS)

    def said_always(self, case: Case) -> Said:
        """What it says with new prompts for every finding."""
        return self._kept(case, f"{case.name}-always", {"always": (_ALWAYS,)})["always"]

    def fails(self, case: Case) -> bool:
        """Whether the default run fails, by its exit status: reports differ between commits."""

        def judged() -> int:
            suite = self._suite()
            with case.checkpoint() as checkpoint:
                exit_status, _, output = self._pytest(suite, f"--circuits-model=case={checkpoint}")
            if exit_status not in (0, 1):
                raise RuntimeError(f"{case.name}: pytest ended with {exit_status}\n{output}")
            return exit_status

        kept = self._folder / f"{case.name}-fails-{case.key()}.json"
        return bool(measured_once(kept, judged))

    def _kept(self, case: Case, name: str, runs: Mapping[str, Sequence[str]]) -> dict[str, Said]:
        def judged() -> dict[str, Any]:
            suite = self._suite()
            with case.checkpoint() as checkpoint:
                return {
                    run: self._run(suite, checkpoint, name, options)
                    for run, options in runs.items()
                }

        kept = measured_once(self._folder / f"{name}-{case.key()}.json", judged)
        return {run: _said(said) for run, said in kept.items()}

    def _run(
        self, suite: Path, checkpoint: Path, name: str, options: Sequence[str]
    ) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as place:
            report = Path(place) / "report.json"
            exit_status, seconds, output = self._pytest(
                suite, f"--circuits-model=case={checkpoint}", f"--circuits-json={report}", *options
            )
            if not report.exists():
                raise RuntimeError(f"{name}: pytest ended with {exit_status}\n{output}")
            document = json.loads(report.read_text())
        summary, findings = document["summary"], tuple(_findings(document))
        failing = sum(not finding.passes for finding in findings)
        # Red counts only where a finding is: a test that breaks off is no verdict.
        if not findings or summary["failed_without_finding"] or exit_status != bool(failing):
            raise RuntimeError(f"{name}: tests broke off\n{output}")
        # What is remembered takes a second, which says nothing.
        took = None if summary["remembered"] else seconds
        section = output.partition(" circuits ==")[2].splitlines()[1:]
        return asdict(Said(exit_status, took, tuple(section), findings))

    def _suite(self) -> Path:
        """The suite's folder, with approved baselines."""
        folder = self._folder / "suite"
        if not folder.exists():
            write_whole(folder, self._approve)
        return folder

    def _approve(self, folder: Path) -> None:
        shutil.copytree(_SUITE, folder, ignore=shutil.ignore_patterns("__pycache__"))
        reference = BASES[self._base].folder()
        left_out = "".join(f" --deselect=test_suite.py::{name}" for name in _LEFT_OUT[self._base])
        (folder / "pytest.ini").write_text(
            f"[pytest]\ncircuits_models =\n    reference = {reference}\n"
            f"circuits_dtype = {DTYPES[self._base]}\ncache_dir = {cache_folder('remembered')}\n"
            f"addopts = -p no:jaxtyping -p no:typeguard{left_out}\n"
        )
        choices = {"order": self._order, "movers": _movers(reference)}
        (folder / "choices.json").write_text(json.dumps(choices))
        exit_status, _, output = self._pytest(folder, "--snapshot-update")
        if exit_status:
            raise RuntimeError(f"{self._base}: its baselines can't be approved\n{output}")

    def _pytest(self, folder: Path, *options: str) -> tuple[int, float, str]:
        """Run the suite; exit status, seconds of CPU, and what it printed at 80 columns."""
        begun = getrusage(RUSAGE_CHILDREN)
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", "--circuits", "-q", *options, "."],
            cwd=folder,
            env={**_environment(self._checkout), "COLUMNS": "80"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        ended = getrusage(RUSAGE_CHILDREN)
        seconds = ended.ru_utime + ended.ru_stime - begun.ru_utime - begun.ru_stime
        return ran.returncode, round(seconds, 1), ran.stdout


def _movers(folder: Path) -> list[str]:
    """The three heads that write most of the name, measured on the base model."""
    from transformer_lens.model_bridge import TransformerBridge

    from pytest_circuits import measures, prompts

    model = TransformerBridge.boot_transformers(str(folder), device="cpu")
    written = measures.head_attribution(model, prompts.ioi(n=16, seed=0)).heads()
    return [str(head) for head in sorted(written, key=lambda head: -written[head])[:3]]


def _environment(checkout: Path | None) -> dict[str, str]:
    """Ours, without what would make it a run in CI or change a setting."""
    unwanted = ("CI", "BUILD_NUMBER")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in unwanted and not name.startswith("PYTEST_")
    }
    return kept if checkout is None else {**kept, "PYTHONPATH": str(checkout.resolve())}


def _said(run: dict[str, Any]) -> Said:
    findings = tuple(Found(**fields) for fields in run["findings"])
    return Said(run["exit"], run["seconds"], tuple(run["lines"]), findings)


def _findings(report: dict[str, Any]) -> Iterator[Found]:
    for entry in report["tests"]:
        verdict, settlement = entry["verdicts"]["case"], entry["verdicts"]["case"]["settlement"]
        is_behaviour = entry["measure"] in _NUMBERS
        bad = [reason for reason in map(_reason, verdict["reasons"]) if reason.bad]
        of_behaviour = [
            is_behaviour
            if reason.about is About.FIELD
            else reason.of_companion or (is_behaviour and reason.about is About.VALUE)
            for reason in bad
        ]
        yield Found(
            test=entry["test"].rpartition("::")[2].partition("[")[0],
            verdict=verdict["verdict"],
            passes=verdict["passes"],
            behaviour=any(of_behaviour),
            mechanism=not all(of_behaviour),
            new_prompts="" if settlement is None else settlement["outcome"],
        )


def _reason(said: dict[str, Any]) -> Reason:
    change, about = Change(said["change"]), About(said["about"])
    return Reason(change, about, said["subject"], "", said["before"], said["after"])


def _digest(checkout: Path | None) -> str:
    """A hash of what judges: the code of pytest-circuits, and the suite's."""
    installed = Path(pytest_circuits.__file__).parent
    package = installed if checkout is None else checkout / "pytest_circuits"
    return sources(sorted([*package.rglob("*.py"), *_SUITE.glob("*.py"), Path(__file__)]))
