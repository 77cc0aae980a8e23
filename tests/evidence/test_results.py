"""The committed table, and the page that is written from it."""

from collections import Counter
from pathlib import Path

import pytest

from evidence import hidden, page, table
from evidence.recipes import all_cases

ENTRIES = table.read()


def test_the_page_has_the_tables_of_the_results():
    text = page.PAGE.read_text("utf-8")
    assert page.filled(text, ENTRIES) == text


def test_every_case_is_there_once():
    assert max(Counter((one.model, one.case) for one in ENTRIES).values()) == 1
    for model in ("smollm2", "second"):
        there = {one.case for one in ENTRIES if one.model == model and one.kind.startswith("real")}
        assert there == {case.name for case in all_cases(model)}


def test_hidden_damage_is_of_cases_that_there_are():
    """And of all of them. What did not become what it was made as is not counted."""
    for model in ("smollm2", "second"):
        some = [one for one in ENTRIES if one.model == model and one.kind.startswith("hidden")]
        known = {case.name: case for case in hidden.all_cases(model)}
        assert {one.case for one in some} == known.keys()
        assert all(one.further for one in some)
        for one in some:
            as_made = "benign" if known[one.case].healthy else "harmful"
            assert one.truth in (as_made, "not as built")


def test_what_fails_is_what_the_gate_refuses():
    for one in ENTRIES:
        assert one.red["suite"] == bool(one.failing)
        assert set(one.failing) <= set(one.verdicts)
        assert one.red["suite"] <= one.red["suite, change"]
        assert one.red["suite, behaviour"] <= one.red["suite"]


def counted(column, models=("smollm2", "second")):
    some = [one for one in ENTRIES if one.model in models and one.kind.startswith("real")]
    found = table.errors(some, column)
    return [" of ".join(map(str, pair)) for pair in (found.missed, found.alarms)]


#: What the suite here calls the default suite's checks.
DEFAULT = {
    "test_text_loss", "test_repeat_loss", "test_names", "test_agreement", "test_capitals",
    "test_induction_heads", "test_previous_token_heads", "test_name_movers",
    "test_agreement_writers",
}  # fmt: skip
BEHAVIOURS = {
    "test_text_loss", "test_repeat_loss", "test_names", "test_agreement", "test_capitals",
}  # fmt: skip
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("gate", "column"),
    [
        ("`behaviour`", "suite, behaviour"),
        ("`regression`", "suite"),
        ("`regression`, new prompts `never`", "suite, no new prompts"),
        ("`change`", "suite, change"),
    ],
)
def test_the_gates_table_has_these_counts(gate, column):
    missed, alarms = counted(column)
    text = (ROOT / "docs/verdicts.md").read_text("utf-8")
    assert f"| {gate} | {missed} | {alarms} |" in text


def test_what_is_said_in_words_is_counted():
    (missed, alarms), (losses, none) = counted("suite"), counted("losses")
    said = [(ROOT / name).read_text("utf-8") for name in ("README.md", "docs/evidence.md")]
    harmful, benign = missed.split(" of ")[1], alarms.split(" of ")[1]
    for text in (" ".join(each.split()) for each in said):
        assert f"f {harmful} harmful" in text
        assert f"of {benign} benign ones it failed {alarms.split()[0]}" in text
    assert (counted("behaviours"), missed.split()[0], none.split()[0]) == (
        [missed, alarms], "0", "0",
    )  # fmt: skip
    some = [one for one in ENTRIES if one.kind.startswith("real")]
    failing = {
        truth: [bool(BEHAVIOURS & {*one.failing}) for one in some if one.truth == truth]
        for truth in ("harmful", "benign")
    }
    passed, failed = failing["harmful"].count(False), failing["benign"].count(True)
    text = " ".join(said[1].split())
    assert f"five behaviour tests by themselves passed {passed} and failed {failed}." in text
    assert f"Text and repeat loss alone passed {losses.split()[0]} of" in " ".join(said[0].split())
    (first, _), (second, _) = (counted("losses", [model]) for model in ("smollm2", "second"))
    assert f"they passed {first} and {second} harmful ones" in " ".join(said[1].split())


def test_no_single_check_fails_every_harmful_model_and_two_do():
    """What docs/suites.md rests the default suite on."""
    harmful = [one for one in ENTRIES if one.truth == "harmful"]
    failing = [set(one.failing) for one in harmful if one.kind.startswith("real")]
    tests = set().union(*failing)
    assert not [test for test in tests if all(test in each for each in failing)]
    for pair in ({"test_repeat_loss", "test_names"}, {"test_repeat_loss", "test_capitals"}):
        assert all(pair & each for each in failing)
    passed = [one for one in harmful if not DEFAULT & set(one.failing)]
    hidden_there = sum(one.kind.startswith("hidden") for one in harmful)
    assert all(one.kind.startswith("hidden") for one in passed)
    text = " ".join((ROOT / "docs/suites.md").read_text("utf-8").split())
    assert f"these nine pass {len(passed)} of {hidden_there}" in text
    without = [
        sum(not (DEFAULT - {left_out}) & set(one.failing) for one in harmful)
        for left_out in ("test_name_movers", "test_agreement_writers")
    ]
    said = "without `name_movers` they would pass {}, and without `agreement_writers` {}."
    assert said.format(*without) in text


def test_what_new_prompts_said_is_counted():
    asked = {
        "benign": [one.settled for one in ENTRIES if one.truth == "benign" and one.settled],
        "hidden": [
            one.settled for one in ENTRIES
            if one.truth == "harmful" and one.settled and one.kind.startswith("hidden")
        ],
    }  # fmt: skip
    (false, benign), (found, damaged) = (
        (sum("fails" in settled for settled in asked[name]), len(asked[name]))
        for name in ("benign", "hidden")
    )
    verdicts, evidence = (
        " ".join((ROOT / name).read_text("utf-8").split())
        for name in ("docs/verdicts.md", "docs/evidence.md")
    )
    said = (
        f"it failed {false} of the {benign} benign ones that asked, and {found} of {damaged} with"
    )
    assert said in verdicts
    assert f"new prompts failed {false} of {benign}; where hidden damage asked," in evidence
    assert f"damage asked, {found} of {damaged}, and" in evidence
    some = [one for one in ENTRIES if one.truth == "harmful" and one.kind.startswith("hidden")]
    missed = [one for one in some if one.settled and not one.red["suite"]]
    assert not missed


def test_what_is_said_of_hidden_damage_is_counted():
    some = [one for one in ENTRIES if one.kind.startswith("hidden")]
    count = {truth: sum(one.truth == truth for one in some) for truth in ("harmful", "benign")}
    passed = {column: table.errors(some, column).missed[0] for column in table.COLUMNS}
    text = " ".join((ROOT / "docs/evidence.md").read_text("utf-8").split())
    every = sum(len(hidden.all_cases(model)) for model in ("smollm2", "second"))
    assert f"{len(some)} of {every} cases are judged" in text
    assert f"and {len(some)} of the {every} cases of" in text
    assert len(some) == sum(count.values())
    made = f"{count['harmful']} are harmful and {count['benign']} benign"
    assert f"All of them became what they were made as: {made}." in text
    assert f"passed {passed['suite']} of the {count['harmful']} damaged models" in text
    tests = [one for one in some if one.truth == "harmful" and not BEHAVIOURS & {*one.failing}]
    assert f"Its five behaviour tests by themselves passed {len(tests)}." in text
    assert f"Its behaviours alone passed {passed['behaviours']}" in text
    learned = [one for one in some if one.kind.endswith("memorised, healthy control")]
    for model, words in (
        ("smollm2", "The seven are of the 9 whose heads were zeroed and that learned again"),
        ("second", "of the second model's 9 none failed"),
    ):
        red = [one.red["suite"] for one in learned if one.model == model]
        assert (sum(red), len(red)) == ({"smollm2": 7, "second": 0}[model], 9)
        assert words in text
    close = [one for one in some if one.truth == "benign" and one.divergences["text"] < 0.001]
    assert f"Of the {count['benign']}, {len(close)} differ from their base model" in text
    assert table.errors(some, "lm-eval") == table.Errors(missed=(27, 27), alarms=(0, 27))
    losses = f"text and repeat loss passed {passed['losses']} of {count['harmful']}"
    assert f"{losses}, KL on text {passed['divergence on text']}, and KL" in text
    missed = [one for one in some if one.truth == "harmful" and not one.red["suite"]]
    assert {(one.model, one.kind) for one in missed} == {("smollm2", "hidden: names")}
    more = table.errors(some, "suite, behaviour").missed[0] - passed["suite"]
    assert (more, "The gate `behaviour` passed one more than" in text) == (1, True)
    assert passed["divergence on prompts"] == count["harmful"]
    for model, column, words in (
        ("smollm2", "suite", "SmolLM2's controls failed in {} of {} cases"),
        ("smollm2", "suite, no new prompts", "and in {} of {} with `circuits_new_prompts = never`"),
        ("second", "suite", "{} of the second model's {} controls failed"),
    ):
        of_model = [one for one in some if one.model == model]
        assert words.format(*table.errors(of_model, column).alarms) in text
    readme = " ".join((ROOT / "README.md").read_text("utf-8").split())
    assert f"Of {count['harmful']} models that answer some prompts as before" in readme
    said = f"it passed {passed['suite']}, its five behaviour tests alone {len(tests)}, and the"
    assert f"{said} losses {passed['losses']}:" in readme
    alarms = table.errors(some, "suite").alarms
    never = table.errors(some, "suite, no new prompts").alarms[0]
    words = "Of {1} healthy controls it failed {0}, and would have failed {2} without"
    assert words.format(*alarms, never) in readme
