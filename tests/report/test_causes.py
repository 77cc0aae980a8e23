"""One cause once: what one behaviour changed is told together, and counted as one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from handmade_rows import run
from verdicts.handmade import TOLERANCE, number, role

from pytest_circuits.baselines import Comparison
from pytest_circuits.findings import Allowance, Behaviour, Direction
from pytest_circuits.report import Row, json_report, read_report, terminal_lines
from pytest_circuits.report.causes import causes
from pytest_circuits.report.github import annotate
from pytest_circuits.report.json_document import document
from pytest_circuits.report.markdown import markdown_report
from pytest_circuits.report.merging import merge
from pytest_circuits.report.page_view import page_view
from pytest_circuits.verdicts import NewBehaviour, Outcome, Settlement, judge

PAIRS = {"kind": "pairs", "texts": "t1", "tokens": "aa11"}
OTHER = {"kind": "pairs", "texts": "t2", "tokens": "bb22"}
CONVENTION = {"metric": "logit difference", "first_token": "none"}
ALLOWED = replace(
    TOLERANCE,
    behaviours={
        name: Allowance(0.2, 0.05)
        for name in ("logit_diff", "clean_logit_diff", "logit_diff_gap", "whole_logit_diff")
    },
)


def logits(name, value, *, vital=False):
    return Behaviour(name, value, 0.01, 10, Direction.HIGHER, "logits", vital=vital)


def logit_diff(value, prompts=PAIRS):
    return replace(number(value, error=0.01), prompts=prompts, convention=CONVENTION)


def movers(value, heads=None, prompts=PAIRS, name="logit_diff"):
    return replace(
        role(heads or {"L1H0": 0.9, "L1H1": 0.8}),
        measure="head_attribution",
        companion=(logits(name, value, vital=True),),
        prompts=prompts,
        convention=CONVENTION,
    )


def faithfulness(value, whole):
    return replace(
        logit_diff(value),
        measure="faithfulness",
        quantity="faithfulness",
        unit="fraction",
        companion=(logits("whole_logit_diff", whole),),
        relative_to="whole_logit_diff",
        allowance=Allowance(0.05, 0.0),
    )


def told(test, found, approved, alias="candidate", settlement=None):
    tolerance = replace(ALLOWED, value=approved.allowance or ALLOWED.value)
    verdict = judge(found, approved, tolerance)
    if settlement is not None:
        verdict = verdict.settled(settlement)
    comparison = Comparison("", found, found, None, verdict)
    passes = verdict.kind not in ("lost", "weakened")
    nodeid = f"t.py::test_{test}[{alias}]"
    return Row.judged(nodeid, alias, comparison, passes=passes, written=False)


def fell(alias="candidate", now=3.0):
    """What one logit difference that fell from 3.6 changes."""
    return [
        told("ablation", movers(now), movers(3.6), alias),
        told("faithful", faithfulness(0.77, now), faithfulness(0.74, 3.6), alias),
        told("ioi", logit_diff(now), logit_diff(3.6), alias),
        told("movers", movers(now, {"L1H0": 0.5, "L1H1": 0.8}), movers(3.6), alias),
        told(
            "patching",
            movers(now, name="clean_logit_diff"),
            movers(3.6, name="clean_logit_diff"),
            alias,
        ),
    ]


def names_of(rows):
    return [row.test.removeprefix("t.py::test_").partition("[")[0] for row in rows]


def section(made, width=80):
    return [line.text for line in terminal_lines(made, width)]


def test_findings_that_share_a_behaviour_that_moved_are_one_cause():
    (cause,) = causes(run(*fell()))

    assert cause.text.endswith("fell 3.60 → 3.00 (tolerance 0.20)")
    assert len(cause.rows) == 5
    assert set(names_of(cause.also_in)) | {names_of([cause.lead])[0]} >= {"ablation", "patching"}


def test_a_terminal_tells_the_behaviour_once_and_then_what_each_finding_has_of_its_own():
    lines = section(run(*fell()))

    assert sum("3.60 → 3.00" in line for line in lines) == 1
    assert any("L1H0 0.90→0.50" in line for line in lines)
    assert any("faithfulness itself 0.74 → 0.77" in line for line in lines)
    (also,) = [line for line in lines if "also in: " in line]
    assert len(also.partition("also in: ")[2].split(", ")) == 2
    assert lines[-1].startswith("5 findings: 5 weakened; 1 cause")


def test_every_finding_keeps_its_verdict_whatever_else_was_selected():
    alone = [replace(row) for row in fell()]

    assert {row.verdict for row in alone} == {"weakened"}
    for row in fell():
        (cause,) = causes(run(row))
        assert (cause.rows, cause.headline(row)) == ((row,), row.headline)


def test_the_same_behaviour_on_other_prompts_is_another_cause():
    rows = [
        told("ioi", logit_diff(3.0), logit_diff(3.6)),
        told("capitals", logit_diff(9.0, OTHER), logit_diff(11.0, OTHER)),
    ]

    assert [names_of(cause.rows) for cause in causes(run(*rows))] == [["capitals"], ["ioi"]]


def test_causes_come_by_size_behaviours_before_heads_whatever_their_names():
    rows = [
        told("a_heads", movers(3.6, {"L1H0": 0.1, "L1H1": 0.8}), movers(3.6)),
        told("b_small", logit_diff(3.3), logit_diff(3.6)),
        told("c_large", logit_diff(6.0, OTHER), logit_diff(11.0, OTHER)),
    ]

    made = run(*rows)

    assert [names_of(cause.rows)[0] for cause in causes(made)] == ["c_large", "b_small", "a_heads"]
    assert "logit difference slipped 3.60 → 3.30" in rows[1].headline


def test_a_behaviours_own_finding_leads_the_findings_that_have_it_beside_their_heads():
    (cause,) = causes(run(*fell()))

    assert names_of([cause.lead]) == ["ioi"]
    assert "logit difference fell 3.60 → 3.00" in section(run(*fell()))[0]


def test_what_fails_leads_a_cause_whose_own_finding_is_waived():
    rows = [replace(row, passes=True) if "ioi" in row.test else row for row in fell()]

    (cause,) = causes(run(*rows))

    assert names_of([cause.lead]) != ["ioi"]
    assert not cause.lead.passes


def drop(value, ablated="L1H0"):
    return replace(
        logit_diff(value),
        measure="ablate",
        quantity="drop of the logit difference",
        direction=Direction.TWO_SIDED,
        convention={**CONVENTION, "ablated": ablated},
        companion=(),
    )


def test_what_an_ablation_costs_comes_after_behaviours_however_much_it_moved():
    rows = [
        told("ablation", drop(1.0), drop(3.0)),
        told("ioi", logit_diff(3.3), logit_diff(3.6)),
    ]

    assert [names_of(cause.rows) for cause in causes(run(*rows))] == [["ioi"], ["ablation"]]


@pytest.mark.parametrize(("now", "first"), [(2.7, "capitals"), (3.4, "ioi")])
def test_what_fails_on_new_prompts_is_ordered_as_a_behaviour_by_its_size(now, first):
    heads = told("ioi", movers(3.6, {"L1H0": 0.1, "L1H1": 0.8}), movers(3.6))
    new = NewBehaviour("logit_diff", "logits", 3.6, 3.0, -0.6, (-0.8, -0.4), 0.2, 64)
    hidden = replace(heads, settlement=Settlement(Outcome.FAILS, (new,), "64 pairs", "ab12"))
    slipped = told("capitals", logit_diff(now, OTHER), logit_diff(3.7, OTHER))

    assert names_of([causes(run(hidden, slipped))[0].lead]) == [first]


NEW = NewBehaviour("logit_diff", "logits", 3.6, 3.0, -0.6, (-0.8, -0.4), 0.2, 64)


def asked(test, outcome, now=3.6, **fields):
    """Heads that lost strength, on whose prompts new ones were asked for."""
    found = movers(now, {"L1H0": 0.1, "L1H1": 0.8})
    row = told(test, found, movers(3.6), settlement=Settlement(outcome, **fields))
    return replace(row, passes=outcome is Outcome.HOLDS)


def test_what_new_prompts_said_is_told_of_every_finding_whatever_improved_beside_it():
    said = {"behaviours": (NEW,), "prompts": "64 pairs", "identity": "prompts:1"}
    for outcome, words in (
        (Outcome.HOLDS, "re-routed, holds on new prompts"),
        (Outcome.FAILS, "hidden damage, fails on new prompts"),
    ):
        rows = [
            told("ioi", logit_diff(4.5), logit_diff(3.6)),
            asked("movers", outcome, now=4.5, **said),
            asked("patching", outcome, now=4.5, **said),
        ]
        lines = " ".join(line.strip() for line in section(run(*rows)))
        assert lines.count(words) == 2
        text = markdown_report(run(*rows), 60_000)
        assert words in text
        assert text.count("on new prompts (64 pairs): logit diff 3.60 → 3.00 (tolerance 0.20,") == 2


def test_each_finding_says_why_it_is_not_settled():
    rows = [
        asked("movers", Outcome.UNSETTLED, why="pairs has no held-out prompts"),
        asked("patching", Outcome.UNSETTLED, why="no reference"),
    ]
    lines = " ".join(line.strip() for line in section(run(*rows)))
    assert "not settled: pairs has no held-out prompts" in lines
    assert "not settled: no reference" in lines


@pytest.mark.parametrize("now", [3.6, 4.5])
def test_hidden_damage_of_one_behaviour_is_one_cause_whatever_the_gates_own_prompts_say(now):
    here = {"behaviours": (NEW,), "prompts": "64 pairs", "identity": "prompts:1"}
    rows = [
        asked("movers", Outcome.FAILS, now=now, **here),
        asked("patching", Outcome.FAILS, now=now, **here),
        asked("elsewhere", Outcome.FAILS, now=now, **{**here, "identity": "prompts:2"}),
    ]
    assert sorted(len(cause.rows) for cause in causes(run(*rows))) == [1, 2]
    assert document(run(*rows))["summary"]["causes"] == 2


def test_what_improved_is_no_cause_of_heads_that_lost_strength():
    rows = [
        told("ioi", logit_diff(4.5), logit_diff(3.6)),
        told("movers", movers(4.5, {"L1H0": 0.1, "L1H1": 0.8}), movers(3.6)),
    ]
    assert len(causes(run(*rows))) == 2


def test_the_logit_difference_beside_a_divergence_is_the_same_behaviour():
    def divergence(now):
        return replace(
            number(0.5, error=0.01), measure="kl_divergence", quantity="KL", unit="nats",
            direction=Direction.LOWER, companion=(logits("logit_diff", now),), prompts=PAIRS,
            convention={**CONVENTION, "other": "a model"},
        )  # fmt: skip

    rows = [
        told("ioi", logit_diff(3.0), logit_diff(3.6)),
        told("kl", divergence(3.0), divergence(3.6)),
    ]
    assert len(causes(run(*rows))) == 1


def test_a_behaviour_that_improved_is_no_cause_of_hidden_damage():
    heads = told("ioi", movers(4.5, {"L1H0": 0.1, "L1H1": 0.8}), movers(3.6))
    new = NewBehaviour("logit_diff", "logits", 3.6, 3.0, -0.6, (-0.8, -0.4), 0.2, 64)
    hidden = replace(heads, settlement=Settlement(Outcome.FAILS, (new,), "64 pairs", "ab12"))
    (cause,) = causes(run(hidden))
    assert cause.reason is None
    assert cause.text == hidden.headline


def test_models_have_causes_of_their_own():
    made = run(*fell("one"), *fell("other"))

    assert [{row.alias for row in cause.rows} for cause in causes(made)] == [{"one"}, {"other"}]
    assert document(made)["summary"]["causes"] == 2


def test_findings_that_share_two_behaviours_with_two_others_are_one_cause():
    both = replace(
        movers(3.0), companion=(logits("logit_diff", 3.0), logits("logit_diff_gap", 6.0))
    )
    before = replace(
        movers(3.6), companion=(logits("logit_diff", 3.6), logits("logit_diff_gap", 7.2))
    )
    gap = replace(movers(3.6), companion=(logits("logit_diff_gap", 6.0),))
    gap_before = replace(movers(3.6), companion=(logits("logit_diff_gap", 7.2),))
    rows = [
        told("gap", gap, gap_before),
        told("ioi", logit_diff(3.0), logit_diff(3.6)),
        told("both", both, before),
    ]

    assert len(causes(run(*rows))) == 1


def test_what_a_waiver_lets_pass_keeps_its_line():
    *others, patching = fell()
    waived = replace(patching, waived=True, waiver="until 2027-01-31: known", passes=True)

    lines = section(run(*others, waived))

    assert any("waived until 2027-01-31: known" in line for line in lines)


def test_harm_of_two_ablations_is_not_one_behaviour():
    rows = [told(head, drop(1.0, head), drop(2.0, head)) for head in ("L1H0", "L1H1")]

    assert len(causes(run(*rows))) == 2


# ---- Every output -------------------------------------------------------------------------------


def test_markdown_has_a_line_a_finding_with_news_and_names_the_others_there():
    text = markdown_report(run(*fell()))
    table = text.partition("| verdict |")[2].partition("\n\n")[0]

    assert table.count("**weakened**") == 3
    assert "also in: " in table
    assert table.count("3.60 → 3.00") == 1
    assert "5 weakened; 1 cause" in text.splitlines()[0]


def test_the_page_begins_with_causes():
    view = page_view(
        run(*fell(), told("capitals", logit_diff(9.0, OTHER), logit_diff(11.0, OTHER)))
    )

    assert [len(cause.also) for cause in view.foremost] == [0, 4]
    assert (view.shared, view.more) == ("2 causes", 0)


def test_github_annotates_a_cause_once_and_what_findings_have_of_their_own():
    told_there = annotate(run(*fell()), ".")

    assert [each.level for each in told_there] == ["error"] * 3
    assert "also in: " in told_there[0].message


def test_json_has_findings_and_causes():
    (model,) = document(run(*fell()))["models"]
    (cause,) = model["causes"]

    assert cause["reason"]["identity"].startswith("logit_diff:")
    assert len(cause["findings"]) == 5
    assert {each["own"] for each in cause["findings"]} >= {"", "L1H0 0.90→0.50"}


def test_a_report_that_is_read_back_and_merged_has_the_same_causes(tmp_path):
    rows = fell()
    for name, part in (("one", rows[:2]), ("two", rows[2:])):
        (tmp_path / name).write_text(json_report(run(*part)))
    merged = merge([(name, read_report(tmp_path / name)) for name in ("one", "two")])

    assert section(merged) == section(run(*rows))


# ---- Traded -------------------------------------------------------------------------------------


def better_and_worse():
    return [
        *fell(now=3.37),
        told("capitals", logit_diff(12.9, OTHER), logit_diff(11.0, OTHER)),
        told("capital_movers", movers(12.9, prompts=OTHER), movers(11.0, prompts=OTHER)),
    ]


def test_a_model_that_got_better_and_worse_is_traded_and_both_sides_are_said():
    lines = " ".join(line.strip() for line in section(run(*better_and_worse()), width=200))

    said = lines.partition("candidate: ")[2]
    assert "traded, worse: logit diff" in said
    assert "slipped 3.60 → 3.37" in said
    assert "; better: logit diff" in said
    assert "improved 11.00 → 12.90" in said
    # Each behaviour once, however many findings have it.
    assert said.count("→ 3.37") == said.count("→ 12.90") == 1


def test_a_trade_names_each_cause_once_with_its_own_finding():
    def heads(value, gap):
        wider = Behaviour("logit_diff_gap", gap, 0.01, 10, Direction.HIGHER, "logits")
        made = movers(value)
        return replace(made, companion=(*made.companion, wider))

    rows = [
        told("movers", heads(2.6, 0.1), heads(3.6, 7.0)),
        told("ioi", logit_diff(2.6), logit_diff(3.6)),
        told("capitals", logit_diff(12.9, OTHER), logit_diff(11.0, OTHER)),
    ]
    said = document(run(*rows))["models"][0]["traded"]
    assert said == (
        "traded, worse: logit difference fell 3.60 → 2.60 (ioi); "
        "better: logit difference improved 11.00 → 12.90 (capitals)"
    )


@pytest.mark.parametrize("rows", [fell(), better_and_worse()[5:]], ids=["worse", "better"])
def test_a_model_that_only_got_worse_or_better_traded_nothing(rows):
    made = run(*rows)

    assert "traded" not in "\n".join(section(made))
    assert document(made)["models"][0]["traded"] is None


def test_a_finding_that_got_better_and_worse_says_both():
    heads = told("m", movers(3.0, {"L1H0": 0.9, "L1H1": 0.99}), movers(3.6))

    assert heads.verdict == "weakened"
    assert heads.headline == (
        "logit diff fell 3.60 → 3.00; traded for L1H1 0.80→0.99; mechanism intact"
    )


def test_noise_within_tolerance_is_no_trade():
    rows = [told("ioi", logit_diff(3.0), logit_diff(3.6))]
    rows += [told("capitals", logit_diff(11.1, OTHER), logit_diff(11.0, OTHER))]

    assert document(run(*rows))["models"][0]["traded"] is None
