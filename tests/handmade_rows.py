"""Runs made by hand, for tests of reports."""

from pytest_circuits.report import FailedTest, Model, Row, Run, terminal_lines

#: Every verdict a row of a run can have, worst first.
VERDICTS = [
    "refused",
    "lost",
    "weakened",
    "incomparable",
    "new",
    "relocated",
    "strengthened",
    "preserved",
    "asserted",
    "not judged",
]
#: Every verdict a row can have between two states of baselines, worst first.
DIFF_VERDICTS = [
    "unreadable",
    "deleted",
    "lost",
    "weakened",
    "incomparable",
    "loosened",
    "new",
    "relocated",
    "strengthened",
    "tightened",
    "renamed",
    "preserved",
]


def row(verdict="preserved", test="test_a.py::test_heads", alias="recall", **fields):
    """A row of a test, whose node id ends in the alias as pytest has it."""
    fields = {"measure": "m", "headline": "4 heads, L1H0 1.00"} | fields
    return Row(verdict, _nodeid(test, alias), alias, **fields)


def failed(test="test_a.py::test_heads", alias="recall"):
    """A test that failed without a finding."""
    return FailedTest(_nodeid(test, alias), alias)


def _nodeid(test, alias):
    return f"{test[:-1]}-{alias}]" if test.endswith("]") else f"{test}[{alias}]"


def run(*rows, models=None, gate="never", **fields):
    """A run of these rows, by default at the gate that fails nothing.

    Args:
        rows: its rows.
        models: aliases in order, by default those of the rows, all children of ``recall``.
        gate: its gate.
        fields: further fields of the run.
    """
    aliases = models or dict.fromkeys(row.alias for row in rows)
    made = [
        Model(alias, f"bundled:{alias}", tuple(dict.fromkeys((alias, "recall"))))
        for alias in aliases
    ]
    return Run(tuple(made), rows, gate=gate, **fields)


def left(number):
    """The node ids of so many tests that never ran to an end."""
    return tuple(f"t.py::test_left[{n}-recall]" for n in range(number))


def texts(*rows, width=80, **fields):
    """The lines of a terminal for a run of these rows, without colours."""
    return [line.text for line in terminal_lines(run(*rows, **fields), width)]
