"""What a run left to be decided on: a test's findings that differ from their baselines.

A pending file is canonical JSON, and short-lived: it is read by the version that wrote it and by
those that write the same, and measured anew where it can't be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_circuits.baselines.approving import approval, too_few_prompts
from pytest_circuits.baselines.codec import SCHEMA, Baseline, BaselineError, dumps
from pytest_circuits.baselines.formats import Format
from pytest_circuits.findings.strict_json import JsonError, parse_json
from pytest_circuits.verdicts import Kind, Outcome, headline, lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_circuits.baselines.comparing import Comparison
    from pytest_circuits.baselines.files import Served
    from pytest_circuits.baselines.formats import Problem
    from pytest_circuits.findings import Finding, Json

PENDING_VERSION = 1
#: The command that leaves pending files.
MEASURE = "pytest --circuits --circuits-pending"
#: What a pending file's values are called.
_NOUNS = {"array": "list", "object": "dict", "string": "str"}
_AGAIN = f"Delete the file, or measure again with `{MEASURE}`."


class PendingError(Exception):
    """A pending file can't be read; the message says which, why and what to do."""


class HeldAgainst(NamedTuple):
    """The baseline that a finding was held against.

    Attributes:
        owner: whose it was.
        digest: a hash of it.
    """

    owner: str
    digest: str

    @classmethod
    def of(cls, served: Served) -> HeldAgainst:
        """That baseline."""
        text = served.baseline.dumps()
        return cls(served.owner, f"sha256:{sha256(text.encode()).hexdigest()}")


class MeasuredOn(NamedTuple):
    """What a finding was measured on, as it tells itself.

    Attributes:
        source: the model's source; empty where the finding doesn't tell.
        weights: a hash of its weights.
    """

    source: str
    weights: str

    @classmethod
    def of(cls, finding: Finding) -> MeasuredOn:
        """What that finding was measured on."""
        return cls(*(str(finding.provenance.get(name, "")) for name in cls._fields))


@dataclass(frozen=True)
class Pending:
    """A finding that differs from its baseline.

    Attributes:
        baseline: the baseline that accepting it makes.
        verdict: the kind of its verdict.
        headline: the verdict in a line.
        lines: the verdict's reasons in words, worst first.
        owners: the aliases whose baselines served for it, nearest first; its own is the first.
        held_against: what it was held against; None for a new finding.
        failure: why its test did not pass, where the comparison was not why; else empty.
        warning: what to be warned of when it is accepted; else empty.
    """

    baseline: Baseline
    verdict: Kind
    headline: str
    lines: tuple[str, ...]
    owners: tuple[str, ...]
    held_against: HeldAgainst | None
    failure: str = ""
    warning: str = ""

    @classmethod
    def of(cls, comparison: Comparison, finding: Finding, owners: tuple[str, ...]) -> Pending:
        """A finding that was compared.

        Args:
            comparison: the comparison.
            finding: what was measured, as its file would hold it, with its origin.
            owners: the aliases whose baselines serve, nearest first.
        """
        served, verdict = comparison.served, comparison.verdict
        baseline = comparison.baseline
        warnings = [
            *(["it fails on new prompts"] if verdict.outcome is Outcome.FAILS else []),
            (baseline and too_few_prompts(comparison.measured, baseline)) or "",
        ]
        return cls(
            approval(comparison.name, finding, baseline),
            verdict.kind,
            headline(verdict),
            # A new finding has no reasons, and its lines say how else it could be approved.
            () if baseline is None else tuple(line.strip() for line in lines(verdict)[1:]),
            owners,
            None if served is None else HeldAgainst.of(served),
            warning="; ".join(filter(None, warnings)),
        )

    @property
    def name(self) -> str:
        """The name that the test gave the finding; empty for the test's first."""
        return self.baseline.name

    @property
    def measured_on(self) -> MeasuredOn:
        """What was measured."""
        return MeasuredOn.of(self.baseline.finding)

    def document(self) -> dict[str, Json]:
        """The finding as a JSON document."""
        held = self.held_against
        return {
            "verdict": self.verdict.value,
            "headline": self.headline,
            "lines": list(self.lines),
            "owners": list(self.owners),
            "held_against": None if held is None else {"owner": held.owner, "digest": held.digest},
            "failure": self.failure,
            "warning": self.warning,
            "baseline": self.baseline.document(),
        }


@dataclass(frozen=True)
class PendingTest:
    """A test's pending findings, in the order it compared them.

    Attributes:
        test: its node id.
        findings: the findings.
        order: names of the findings that its file of baselines does not hold yet, in the order it
            compared them; also of those that are accepted by now.
    """

    test: str
    findings: tuple[Pending, ...]
    order: tuple[str, ...] = ()

    def dumps(self) -> str:
        """The file's text."""
        document: dict[str, Json] = {
            "pending_version": PENDING_VERSION,
            "baseline_schema": SCHEMA,
            "test": self.test,
            "order": list(self.order),
            "findings": [pending.document() for pending in self.findings],
        }
        return dumps(document)


def read_pending(path: Path) -> PendingTest | None:
    """What a pending file holds; None if there is no file.

    Raises:
        PendingError: if it can't be read, is damaged, or was left by another version.
    """
    try:
        document = parse_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PendingError(f"{path}: can't be read ({error.strerror}).\n{_AGAIN}") from error
    except JsonError as error:
        raise PendingError(f"{path}: {error}.\n{_AGAIN}") from error
    versions = ("pending_version", "baseline_schema")
    there = tuple(document.get(name) if isinstance(document, dict) else None for name in versions)
    if there != (PENDING_VERSION, SCHEMA):
        raise PendingError(
            f"{path}: is no pending file of this pytest-circuits, or was left by another version "
            f"of it.\n{_AGAIN}"
        )
    problem = pending_format().problem(document)
    if problem is not None:
        raise PendingError(f"{path}: is damaged ({_said(problem)}).\n{_AGAIN}")
    try:
        return PendingTest(
            document["test"],
            tuple(_pending(entry, path) for entry in document["findings"]),
            tuple(document["order"]),
        )
    except (ValueError, BaselineError) as error:
        words = str(error).splitlines()[0].removeprefix(f"{path}: ")
        raise PendingError(f"{path}: is damaged ({words}).\n{_AGAIN}") from error


def _pending(entry: Mapping[str, Any], where: Path) -> Pending:
    held = entry["held_against"]
    return Pending(
        baseline=Baseline.from_document(entry["baseline"], where),
        verdict=Kind(entry["verdict"]),
        headline=entry["headline"],
        lines=tuple(entry["lines"]),
        owners=tuple(entry["owners"]),
        held_against=None if held is None else HeldAgainst(held["owner"], held["digest"]),
        failure=entry["failure"],
        warning=entry["warning"],
    )


@cache
def pending_format() -> Format:
    """The format of pending files."""
    return Format.read(Path(__file__).with_name("pending_schema.json"))


def _said(problem: Problem) -> str:
    """What is wrong with a pending file, in Python's words: a file that only programs write."""
    *_, name = problem.path
    if problem.keyword == "required":
        return f"{name!r} is missing"
    if problem.keyword == "enum":
        return f"{problem.value!r} is not a valid {Kind.__name__}"
    if problem.keyword == "items":
        return f"{name} are no texts"
    if name == "held_against":
        return "owner is no str"  # what is no object has none
    where = name if isinstance(name, str) else problem.where
    return f"{where} {problem.said(_NOUNS)}".replace(" is not ", " is no ")
