"""docs/speed.md shows code that runs, and names what there is."""

import re

import pytest
from docs.pages import ROOT, blocks, page, too_wide

import pytest_circuits.forward
from pytest_circuits import measures
from pytest_circuits.forward import Runs
from pytest_circuits.models import load, parse_source
from pytest_circuits.prompts import PromptPairs

PAGE = page("speed.md")


class Circuits:
    """Measures on the bundled model, as the fixture gives them."""

    def __init__(self):
        self.runs = Runs(load(parse_source("bundled:recall"), device="cpu").bridge)

    def patch(self, pairs, **options):
        return measures.patch(self.runs, pairs, **options)


def test_the_sweep_is_no_pass_for_every_cell():
    (code,) = [text for language, text in blocks(PAGE) if language == "python"]
    pairs = PromptPairs(["a apple bear bell a"], ["a bird bear bell a"], ["apple"], ["bird"])
    names = {"circuits": Circuits(), "pairs": pairs}

    exec(code, names)  # noqa: S102

    assert names["recovered"].values.shape == (2, 6)
    assert names["circuits"].runs.passes == 2


def test_the_warning_is_called_so():
    (name,) = re.findall(r"`(\w+Warning)`", PAGE)
    assert issubclass(getattr(pytest_circuits.forward, name), UserWarning)


def test_no_output_is_too_wide():
    assert too_wide(PAGE) == []


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#]+)", PAGE))
def test_links_lead_somewhere(target):
    assert (ROOT / "docs" / target).exists()
