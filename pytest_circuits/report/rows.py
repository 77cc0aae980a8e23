"""What reports are made of: one row a finding."""

from __future__ import annotations

import json
from bisect import bisect
from dataclasses import astuple, dataclass, field, replace
from typing import TYPE_CHECKING

from pytest_circuits.findings.digits import short
from pytest_circuits.report.text import cut
from pytest_circuits.verdicts import (
    About,
    Change,
    Kind,
    Reason,
    Settlement,
    headline,
    own_change,
    summarise,
)
from pytest_circuits.verdicts.vocabulary import Term

if TYPE_CHECKING:
    from pytest_circuits.baselines import Comparison
    from pytest_circuits.findings import Finding
    from pytest_circuits.report.details import Details

#: The name of a row among a test's user properties (JUnit prints it, xdist carries it).
PROPERTY = "circuits"
NOT_JUDGED = Term.NOT_JUDGED.value
#: Not compared, and held by an ``assert_*`` helper (or others held against it).
ASSERTED = Term.ASSERTED.value
#: No verdict, because of the baseline: it can't be read, or there is nothing to approve.
REFUSED = Term.REFUSED.value
#: A row is one short JSON string.
_MAX_BYTES = 2048


@dataclass(frozen=True)
class Row:
    """One finding's verdict.

    Attributes:
        verdict: the verdict's kind, ``refused``, ``asserted`` or ``not judged``.
        test: the test's node id.
        alias: the model's alias.
        measure: the finding's measure.
        name: the finding's name within its test; empty for the first.
        headline: what changed, or the finding's own numbers where nothing did.
        number: the finding in one number; None where it has none.
        owner: whose baseline was used; empty without one.
        passes: whether the gate let it pass.
        written: whether a baseline was written for it.
        pending: whether it was left to be decided on.
        waiver: the test's waiver in words; empty without one.
        waived: whether it is the waiver that let it pass.
        altered: whether its test had changed what it was measured on.
        scope: ``specific`` or ``whole model``, as the canary tells; empty where it can't.
        canary: the canary's loss in the baseline and now; empty where they can't be compared.
        canary_of: what the canary is, as ``loss on a fixed text``.
        own: what changed in it that no other finding of the model tells, in a line: its heads, and
            not the behaviours beside it; empty where nothing did.
        no_canary: whether that is because the baseline has none.
        redundant: whether its baseline equals the one of the alias's parent.
        own_tolerance: whether the baseline's tolerance is another than the default.
        claimed: whether an ``assert_*`` helper held it, or held others against it.
        remembered: whether an earlier run measured it.
        reasons: the verdict's reasons, worst first.
        more_reasons: how many further ones were left out.
        settlement: what new prompts said of it; None where they were not asked.
        outcome: the test's outcome.
        line: where in its file the test failed, or else begins, counted from 1; None if unknown.
        failure: why the test failed, in a line; empty where it didn't.
        details: the finding whole, where somebody wants to see more of it than this.
    """

    verdict: str
    test: str
    alias: str
    measure: str
    headline: str
    number: float | None = None
    name: str = ""
    owner: str = ""
    passes: bool = True
    written: bool = False
    pending: bool = False
    waiver: str = ""
    waived: bool = False
    altered: bool = False
    scope: str = ""
    canary: tuple[float, ...] = ()
    canary_of: str = "canary"
    own: str = ""
    no_canary: bool = False
    redundant: bool = False
    own_tolerance: bool = False
    claimed: bool = False
    remembered: bool = False
    reasons: tuple[Reason, ...] = ()
    more_reasons: int = 0
    settlement: Settlement | None = None
    outcome: str = ""
    line: int | None = None
    failure: str = ""
    details: Details | None = field(default=None, compare=False, repr=False)

    @property
    def is_judged(self) -> bool:
        """Whether a comparison gave a verdict; not where there was none, or it was refused."""
        return self.verdict in list(Kind)

    @property
    def size(self) -> tuple[bool, float]:
        """How much changed, as a key that sorts the most first.

        Behaviours come before heads, also those on new prompts, and the largest change in
        tolerances before smaller ones.
        """
        kinds = {
            about: [r.size for r in self.reasons if r.bad and r.of_whole_model is about]
            for about in (True, False)
        }
        if not any(kinds.values()):
            for reason in self.reasons:
                kinds[reason.of_whole_model].append(reason.size)
        if self.settlement is not None and self.settlement.size:
            kinds[True].append(self.settlement.size)
        most = max(kinds[True] or kinds[False], default=0.0)
        return not kinds[True], -most

    @property
    def differs(self) -> bool:
        """Whether the finding was compared, and is another than its baseline or has none."""
        return self.is_judged and self.verdict != Kind.PRESERVED

    @classmethod
    def judged(
        cls,
        test: str,
        alias: str,
        comparison: Comparison,
        *,
        passes: bool,
        written: bool,
        pending: bool = False,
        waiver: str = "",
        waived: bool = False,
        no_canary: bool = False,
        redundant: bool = False,
        own_tolerance: bool = False,
        remembered: bool = False,
        details: Details | None = None,
    ) -> Row:
        """A row for a comparison."""
        verdict, found = comparison.verdict, comparison.found
        canary = verdict.canary
        return cls(
            verdict=verdict.kind.value,
            test=test,
            alias=alias,
            measure=found.measure,
            headline=headline(verdict),
            number=None if verdict.number is None else short(verdict.number),
            name=comparison.name,
            owner=comparison.owner,
            passes=passes,
            written=written,
            pending=pending,
            waiver=waiver,
            waived=waived,
            scope=verdict.scope or "",
            canary=() if canary is None else (canary.before, canary.after),
            canary_of="canary" if canary is None else canary.name,
            own=own_change(verdict),
            # A finding that has none itself would have none after an approval either.
            no_canary=no_canary and found.canary is not None,
            redundant=redundant,
            own_tolerance=own_tolerance,
            remembered=remembered,
            reasons=verdict.reasons,
            settlement=verdict.settlement,
            details=details,
        )

    @classmethod
    def uncompared(
        cls,
        test: str,
        alias: str,
        finding: Finding,
        *,
        asserted: bool = False,
        remembered: bool = False,
        details: Details | None = None,
    ) -> Row:
        """A row for a finding that was never compared, though perhaps an assertion held it."""
        return cls(
            ASSERTED if asserted else NOT_JUDGED,
            test,
            alias,
            finding.measure,
            summarise(finding),
            claimed=asserted,
            remembered=remembered,
            details=details,
        )

    @classmethod
    def refused(cls, test: str, alias: str, measure: str, why: str, *, name: str) -> Row:
        """A row for a finding, measured or not, that can't be judged or approved."""
        # Without the file's name, which the test's failure has.
        headline = why.partition(".json")[2].lstrip(":0123456789 ") or why
        return cls(REFUSED, test, alias, measure, headline, name=name, passes=False)

    def to_json(self) -> str:
        """The row as one JSON string of at most 2 KiB.

        A reason is a list of its fields. The least important reasons give way first, and are
        counted; then the ends of long names that say least.
        """
        counts = range(len(self.reasons) + 1)
        too_many = bisect(counts, False, key=lambda n: len(self._dumps(n)) > _MAX_BYTES)  # noqa: FBT003
        row, limit, count = self, 400, max(0, too_many - 1)
        while len(text := row._dumps(count)) > _MAX_BYTES:
            row = replace(
                row,
                test=row.test[-limit:],
                alias=row.alias[:limit],
                owner=row.owner[:limit],
                name=row.name[:limit],
                headline=cut(row.headline, limit),
                own=cut(row.own, limit),
                waiver=row.waiver[:limit],
                settlement=row.settlement
                and replace(
                    row.settlement,
                    why=cut(row.settlement.why, limit),
                    prompts=cut(row.settlement.prompts, limit),
                ),
            )
            limit //= 2
        return text.decode()

    def _dumps(self, count: int) -> bytes:
        """The row with so many of its reasons, the others counted."""
        reasons = [_as_list(reason) for reason in self.reasons[:count]]
        more = self.more_reasons + len(self.reasons) - count
        settlement = self.settlement and self.settlement.document()
        told = {"reasons": reasons, "more_reasons": more, "settlement": settlement}
        document = {**vars(self), **told}
        # It goes its own way: it is far longer than a property may be.
        del document["details"]
        return json.dumps(document, ensure_ascii=False).encode()

    @classmethod
    def from_json(
        cls,
        text: str,
        outcome: str,
        *,
        line: int | None = None,
        failure: str = "",
        details: Details | None = None,
    ) -> Row:
        """The row in a string that :meth:`to_json` made, with what its test's report told."""
        fields = json.loads(text)
        reasons = tuple(
            Reason(Change(change), About(about), *rest)
            for change, about, *rest in fields["reasons"]
        )
        settlement = fields["settlement"] and Settlement.from_document(fields["settlement"])
        canary = tuple(fields["canary"])
        read = {"reasons": reasons, "canary": canary, "settlement": settlement}
        told = {"outcome": outcome, "line": line, "failure": failure, "details": details}
        return cls(**{**fields, **read, **told})


def _as_list(reason: Reason) -> list[float | str | None]:
    return [short(value) if isinstance(value, float) else value for value in astuple(reason)]
