"""What docs/constructed-changes.md shows is the whole of expected.toml, and adds up."""

import re
from pathlib import Path

import pytest
from constructed.expectations import expectations

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/constructed-changes.md").read_text(encoding="utf-8")
SUBJECTS = ["recall", "smollm2", "phi"]


def section(title):
    return re.search(rf"^### {title}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)[1]


def rows(subject):
    """The cells of a subject's table, by the change's name."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section(subject).splitlines()
        if line.startswith("| ") and not line.startswith(("| **", "| change", "| ---"))
    ]
    return {change.removesuffix(" ¹"): rest for change, *rest in cells}


def counts(title):
    """The lines of false alarms, missed damages and right names."""
    lines = section(title).splitlines()
    return [line for line in lines if line.startswith(("- false", "- damages", "- right"))]


def counted(text, what):
    """How many of how many, behind those words and before that noun."""
    hits, tries = re.search(rf"(\d+) of (\d+) \([^)]*\) {what}", text).groups()
    return int(hits), int(tries)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_row_is_there_with_what_was_expected_of_it(subject):
    shown = rows(subject)
    wanted = expectations(subject)
    assert {*shown} == {row.change for row in wanted}
    for row in wanted:
        models, expected, *_, right = shown[row.change]
        assert expected == f"{' or '.join(row.verdicts)}, exit {row.exit}"
        assert 1 <= int(models) <= row.seeds
        wrong = int(models) - int(met[1]) if (met := re.match(r"\*\*(\d+) of", right)) else 0
        assert wrong == row.unmet
        assert met or right == "yes"


@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_counts_are_those_of_the_rows(subject):
    shown, wanted = rows(subject), expectations(subject)

    def of(kind):
        alike = [row for row in wanted if kind in (None, row.kind)]
        tried = sum(int(shown[row.change][0]) for row in alike)
        return sum(row.unmet for row in alike), tried

    alarms, damages, names = counts(subject)
    assert counted(alarms, "models") == of("benign")
    assert counted(damages, "models") == of("damage")
    unmet, tried = of(None)
    assert counted(names, "models") == (tried - unmet, tried)


def test_all_false_alarms_are_those_of_the_models_together():
    whole = counted(counts("All of them")[0], "findings")
    each = [counted(counts(subject)[0], "findings") for subject in SUBJECTS]
    assert tuple(map(sum, zip(*each, strict=True))) == whole
