"""The table of architectures is made anew row by row, and only of what came out as it should."""

import runpy
from pathlib import Path

import pytest
from zoo.checks import CHECKS
from zoo.outcomes import Outcome

SCRIPT = Path(__file__).parents[2] / "scripts/architectures_table.py"
PAGE = (
    "Words.\n\n<!-- the table, by scripts/architectures_table.py -->\n\n"
    "| `GPT2LMHeadModel` | gpt2 | old |\n\n"
    "<!-- the refusals, by scripts/architectures_table.py -->\n"
    "<!-- what is not measured, by scripts/architectures_table.py -->\n"
    "<!-- the end, by scripts/architectures_table.py -->\nMore words.\n"
)


@pytest.fixture
def script(monkeypatch):
    """The script's names, and the outcomes that it gets in place of measured ones."""
    found = {name: Outcome("equal") for name in CHECKS}
    names = runpy.run_path(str(SCRIPT))
    told = names["renewed"].__globals__
    monkeypatch.setitem(told, "outcomes", lambda asked: dict.fromkeys(asked, found))
    return names, found


def test_rows_that_are_asked_for_are_written_and_others_stay(script):
    names, _ = script

    page = names["renewed"](PAGE, ["llama"])

    rows = names["rows_of"](page)
    assert list(rows) == ["gpt2", "llama"]
    assert rows["gpt2"] == "| `GPT2LMHeadModel` | gpt2 | old |\n"
    assert set(rows["llama"].split(" | ")[2:-1]) == {"✓"}
    assert page.startswith("Words.\n")
    assert page.endswith("\nMore words.\n")
    assert "## Refusals\n\n|  | because | it says | on |" in page
    assert "no adapter for them: `AXK1ForCausalLM`" in page


def test_what_is_written_stays_when_it_is_written_again(script):
    names, _ = script
    page = names["renewed"](PAGE, ["llama"])

    assert names["renewed"](page, ["llama"]) == page


def test_nothing_is_written_of_what_did_not_come_out_as_it_should(script):
    names, found = script
    found["logit_lens"] = Outcome("WRONG", "value is off by 0.5 of 1")

    with pytest.raises(ValueError, match=r"llama: logit_lens: WRONG: value is off by 0\.5"):
        names["renewed"](PAGE, ["llama"])


def test_a_measure_of_what_a_model_does_not_have_is_a_dash(script):
    names, found = script
    for measure in ("patch resid_mid", "attribution_patching resid_mid"):
        found[measure] = Outcome("refused", "LlamaForCausalLM has no resid_mid", has=False)

    cells = names["rows_of"](names["renewed"](PAGE, ["llama"]))["llama"].split(" | ")

    assert cells.count("–") == 1
    assert cells.count("✓") == len(cells) - 4
