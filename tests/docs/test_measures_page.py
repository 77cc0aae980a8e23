"""docs/measures.md runs as it stands, names everything there is, and its table is right."""

import doctest
import re
import runpy
from pathlib import Path

import pytest

import pytest_circuits
from pytest_circuits import measures, prompts
from pytest_circuits.forward import SITES
from pytest_circuits.verdicts import default_tolerance

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/measures.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```pycon\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
CODE = "\n".join(BLOCKS)

_NUMBER = re.compile(r"-?\d+(?:\.(\d+))?")


class Alike(doctest.OutputChecker):
    """The same text, and numbers to one unit of their last place: machines differ in no more."""

    def check_output(self, want, got, optionflags):
        if _NUMBER.sub("#", want) != _NUMBER.sub("#", got):
            return super().check_output(want, got, optionflags)
        numbers = zip(_NUMBER.finditer(want), _NUMBER.finditer(got), strict=True)
        return all(_near(one, other) for one, other in numbers)


def _near(one, other):
    places = [len(number[1] or "") for number in (one, other)]
    unit = 10.0 ** -places[0] if places[0] else 0
    return places[0] == places[1] and abs(float(one[0]) - float(other[0])) <= 1.01 * unit


@pytest.fixture(scope="module")
def ran():
    """The first finding of every measure, and what did not print what the page shows."""
    found = {}

    def recording(name, measure):
        def record(*args, **options):
            result = measure(*args, **options)
            found.setdefault(name, result)
            return result

        return record

    text, failures = [], 0
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(Alike(), verbose=False)
    with pytest.MonkeyPatch.context() as patched:
        for name in measures.__all__:
            patched.setattr(measures, name, recording(name, getattr(measures, name)))
        names = {}
        for block in BLOCKS:
            line = PAGE[: PAGE.index(block)].count("\n")
            case = parser.get_doctest(block, names, "measures", "docs/measures.md", line)
            failures += runner.run(case, out=text.append, clear_globs=False).failed
            names = case.globs
    assert failures == 0, "".join(text)
    return found


def test_every_example_prints_what_is_shown(ran):
    assert ran


@pytest.mark.parametrize("name", [name for name in measures.__all__ if name != "canary"])
def test_every_measure_has_an_example(ran, name):
    assert name in ran


@pytest.mark.parametrize(
    "call",
    [f"{name}(" for name in pytest_circuits.__all__ if name.startswith("assert_")]
    + [f"{name}(" for name in ("enough_prompts", "paired_differences", "PromptPairs", "Circuit")]
    + [f"prompts.{name}" for name in prompts.__all__ if name.islower()],
)
def test_everything_else_that_is_public_has_one_too(call):
    assert call in CODE


def rows(title):
    """The cells of the table whose header begins with that."""
    table = PAGE[PAGE.index(f"\n| {title} |") + 1 :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table]


#: A cell that is not among these names the behaviours themselves.
COMPANIONS = {"": []} | {name: re.findall(r"`(\w+)`", what) for name, what in rows("companion")}


def test_the_table_says_what_findings_are(ran):
    shown = {name.strip("`"): rest for name, *rest in rows("measure")}
    assert set(shown) == set(measures.__all__) - {"canary", "ablated"}
    for name, (values, unit, better, companion, tolerance, helpers) in shown.items():
        finding = ran[name]
        assert values == (" × ".join(finding.axes) or "one number"), name
        assert (unit, better) == (finding.unit, finding.direction.value), name
        beside = COMPANIONS.get(companion, companion.split(", "))
        assert beside == [one.name for one in finding.companion], name
        if finding.screen:
            assert tolerance == "", name
        else:
            value = default_tolerance(finding).value
            assert allowance(tolerance) == pytest.approx((value.floor, value.share)), name
        for helper in re.findall(r"`(\w+)`", helpers):
            check_takes(helper, finding)


def allowance(words):
    """The floor and the share that a cell of the table names."""
    floor, _, share = words.removesuffix(" %").partition(" or ")
    return float(floor), float(share or 0) / 100


def test_the_table_is_the_one_that_the_script_writes(ran):
    script = runpy.run_path(str(ROOT / "scripts/measures_table.py"))
    found = {name: finding for name, finding in ran.items() if name != "ablated"}
    assert script["table"](found, PAGE) in PAGE


def check_takes(helper, finding):
    """Every value is enough for what it is asked, and no measure's finding is refused."""
    options = {
        "assert_head_ranking": {"top": ["L0H0"], "margin": 99.0},
        "assert_component_ranking": {"top": ["L1 attn"]},
        "assert_complete": {"at_most": 9.0},
        "assert_logit_lens": {"from_layer": 0, "at_least": -99.0},
    }
    getattr(pytest_circuits, helper)(finding, **options.get(helper, {"at_least": -99.0}))


@pytest.mark.parametrize("site", SITES)
def test_every_site_is_there(site):
    assert f"`{site}`" in PAGE


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#]+)", PAGE))
def test_links_lead_somewhere(target):
    assert (ROOT / "docs" / target).exists()
