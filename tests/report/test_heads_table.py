"""``--circuits-verbose``: a finding head by head, worst first, never wider than the terminal."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from handmade_rows import run

from pytest_circuits.baselines import Baseline, Served, compare
from pytest_circuits.findings import Behaviour, Direction, Finding, Null, Role
from pytest_circuits.report import Details, Row, terminal_lines
from pytest_circuits.report.terminal_tables import heads_lines
from pytest_circuits.verdicts import default_tolerance

UP, DOWN = np.array([-0.1, -0.1, 0.1, 0.1]), np.array([0.1, 0.1, -0.1, -0.1])
LOSS = Behaviour("repeat_loss", 0.5, 0.05, 4, Direction.LOWER, "nats")
GAP = Behaviour("logit_diff_gap", 4.0, 0.1, 4, Direction.HIGHER, "logits", vital=True)


def finding(values, errors=None, **fields):
    """A finding of these values."""
    values = np.array(values, dtype=float)
    made = {
        "measure": "m", "quantity": "score", "unit": "probability",
        "direction": Direction.HIGHER, "axes": (), "values": values,
        "errors": np.full(values.shape, 0.01) if errors is None else errors,
        "samples": 4, "clusters": 4, "convention": {"block": 16}, "prompts": {},
    }  # fmt: skip
    return Finding(**made | fields)


def heads(values, shape=(3, 4), loss=0.5, **fields):
    """A finding of heads, by label; each goes through the samples as its profile does."""
    matrix = np.zeros(shape)
    profiles = {}
    for label, value in values.items():
        mean, profile = value if isinstance(value, tuple) else (value, UP)
        layer, head = map(int, label[1:].split("H"))
        matrix[layer, head] = mean
        profiles[label] = mean + profile
    role = {
        "axes": ("layer", "head"), "role": Role("copiers", 0.4), "profiles": profiles,
        "companion": (replace(LOSS, value=loss),),
    }  # fmt: skip
    return finding(matrix, **role | fields)


def cells(values, labels=None, **fields):
    """A finding of a layer's positions, fractions of a gap."""
    about = {
        "axes": ("layer", "position"), "direction": Direction.TWO_SIDED, "companion": (GAP,),
        "relative_to": "logit_diff_gap", "labels": {"position": labels} if labels else {},
    }  # fmt: skip
    return finding(values, **about | fields)


def row_of(found, approved=None, *, test="test_a.py::test_heads[tuned]", name="", judged=True):
    """The row of a finding that was held against a baseline."""
    baseline = None
    if approved is not None:
        baseline = Baseline(name, approved, default_tolerance(approved))
    details = Details.of(name, found, baseline)
    if not judged:
        return Row.uncompared(test, "tuned", found, details=details)
    comparison = compare(name, found, found, baseline and Served("", baseline))
    passes = comparison.kind in ("preserved", "relocated", "strengthened", "new")
    return Row.judged(test, "tuned", comparison, passes=passes, written=False, details=details)


def table(*arguments, width=80, **options):
    """The lines of a row's table."""
    return [line.text for line in heads_lines(row_of(*arguments, **options), width)]


BEFORE = heads({"L0H1": 0.9, "L1H2": (0.8, DOWN), "L2H0": 0.6})
AFTER = heads({"L0H1": 0.3, "L1H2": 0.1, "L2H3": (0.8, DOWN), "L2H0": 0.5}, loss=0.9)


def test_heads_that_something_happened_to_come_first_worst_first_then_the_others():
    assert table(AFTER, BEFORE) == [
        "weakened test_heads tuned: score (probability); copiers: 0.40 or more",
        "  head             baseline    now  change  tolerance   error",
        "  L0H1                0.900  0.300  -0.600      0.090  ±0.010  left the role",
        "  L2H0                0.600  0.500  -0.100      0.060  ±0.010  weaker",
        "  L1H2                0.800  0.100  -0.700      0.080  ±0.010  moved to L2H3",
        "  L2H3                0.000  0.800  +0.800      0.050  ±0.010  took L1H2's part",
        "  summed strength     2.300  1.300  -1.000      0.230       -  weaker",
        "  repeat loss         0.500  0.900  +0.400      0.100  ±0.050  rose (nats)",
    ]


def test_heads_within_tolerance_say_nothing_and_a_behaviour_that_held_its_unit():
    before = heads({"L0H1": 0.9, "L2H0": 0.6})
    *_, last, whole, loss = table(heads({"L0H1": 0.9, "L2H0": 0.3}), before)
    assert last.split() == ["L0H1", "0.900", "0.900", "+0.000", "0.090", "±0.010"]
    assert whole.split()[:2] == ["summed", "strength"]
    assert loss.endswith("±0.050  (nats)")


def test_heads_that_joined_or_work_against_the_behaviour_say_so():
    two_sided = {"direction": Direction.TWO_SIDED}
    lines = table(
        heads({"L0H1": 0.9, "L0H2": 0.7, "L0H3": -0.6}, **two_sided),
        heads({"L0H1": 0.9}, **two_sided),
        width=120,
    )
    assert any(line.endswith("joined the role") and "L0H2" in line for line in lines)
    assert any(line.endswith("now against the behaviour") and "L0H3" in line for line in lines)
    assert lines[0].endswith("copiers: 0.40 or more in magnitude")


def test_a_head_that_was_overtaken_names_the_other():
    after = heads({"L0H1": 0.6, "L0H2": (0.9, DOWN)})
    before = heads({"L0H1": 0.9, "L0H2": (0.6, DOWN)})
    assert "weaker, overtaken by L0H2" in table(after, before, width=120)[2]


def test_a_null_and_its_p_are_shown_where_they_are_known():
    nulls = {"L0H1": Null(0.03, 0.0012)}
    head, first, second, *_ = table(heads({"L0H1": 0.9, "L0H2": 0.7}, nulls=nulls))[2:]
    assert head.split() == ["head", "now", "error", "null", "p"]
    assert first.split() == ["L0H1", "0.900", "±0.010", "0.030", "0.0012"]
    assert second.split() == ["L0H2", "0.700", "±0.010", "-", "-"]


def test_a_head_that_met_its_null_left_for_that():
    was = heads({"L0H1": 0.9}, nulls={"L0H1": Null(0.0, 0.001)})
    now = heads({"L0H1": 0.9}, nulls={"L0H1": Null(0.8, 0.4)})
    assert any("left the role: met its null" in line for line in table(now, was, width=120))


MANY = {f"L{layer}H{head}": 0.5 + 0.01 * layer for layer in range(6) for head in range(4)}


def test_about_ten_heads_are_shown_and_the_others_counted():
    weak = {label: value - 0.3 for label, value in MANY.items()}
    lines = table(heads(weak, shape=(6, 4)), heads(MANY, shape=(6, 4)))
    assert len([line for line in lines if line.startswith("  L")]) == 10
    assert "  and 14 more, all beyond tolerance" in lines
    first = ("L0", "L1", "L2")
    half = {label: value - 0.3 * label.startswith(first) for label, value in MANY.items()}
    assert "  and 14 more, 2 of them beyond tolerance" in table(
        heads(half, shape=(6, 4)), heads(MANY, shape=(6, 4))
    )


def test_heads_whose_reasons_a_short_row_left_out_are_still_told():
    weak = {label: value - 0.3 for label, value in MANY.items()}
    whole = row_of(heads(weak, shape=(6, 4)), heads(MANY, shape=(6, 4)))
    short = replace(whole, reasons=whole.reasons[:2], more_reasons=len(whole.reasons) - 2)
    lines = [line.text for line in heads_lines(short, 80)]
    assert len([line for line in lines if line.endswith("left the role")]) == 10


def test_of_a_preserved_finding_the_strongest_heads_are_enough():
    many = heads(MANY, shape=(6, 4))
    assert table(many, many) == [
        "preserved test_heads tuned: score (probability); copiers: 0.40 or more",
        "  head  baseline    now  change  tolerance   error",
        "  L5H0     0.550  0.550  +0.000      0.055  ±0.010",
        "  L5H1     0.550  0.550  +0.000      0.055  ±0.010",
        "  L5H2     0.550  0.550  +0.000      0.055  ±0.010",
        "  L5H3     0.550  0.550  +0.000      0.055  ±0.010",
        "  and 20 more",
    ]


def test_a_new_finding_shows_what_was_measured_now():
    assert table(heads({"L0H1": 0.9})) == [
        "new test_heads tuned: score (probability); copiers: 0.40 or more",
        "  there is no baseline to compare it with",
        "  head           now   error",
        "  L0H1         0.900  ±0.010",
        "  repeat loss  0.500  ±0.050  (nats)",
    ]


def test_a_finding_that_was_never_compared_says_so():
    assert "  it was never compared with a baseline" in table(heads({"L0H1": 0.9}), judged=False)


def test_where_no_head_has_the_role_the_strongest_are_shown():
    lines = table(heads({"L0H1": 0.3}))
    assert lines[1] == "  no head has the role"
    assert [line.split()[0] for line in lines[4:8]] == ["L0H1", "L0H0", "L0H2", "L0H3"]


def test_what_can_not_be_compared_stands_without_a_baseline():
    lines = table(heads({"L0H1": 0.9}, convention={"block": 32}), heads({"L0H1": 0.9}))
    assert lines[1:4] == [
        "  not the quantity that the baseline holds, so only what was measured now:",
        "  convention.block differs: 16 → 32",
        "  head           now   error",
    ]


def test_cells_of_a_matrix_come_worst_first_and_then_the_largest():
    before = [[0.9, 0.5, -0.6], [0.01, 0.3, 0.0]]
    after = [[0.9, 0.2, -0.9], [0.01, 0.3, 0.0]]
    assert table(cells(after, ("IO", "S1", "END")), cells(before, ("IO", "S1", "END")))[1:] == [
        "  cell                   baseline     now  change  tolerance   error",
        "  layer 0, position S1      0.500   0.200  -0.300      0.050  ±0.010  weaker",
        "  layer 0, position END    -0.600  -0.900  -0.300      0.060  ±0.010  stronger",
        "  layer 0, position IO      0.900   0.900  +0.000      0.090  ±0.010",
        "  layer 1, position S1      0.300   0.300  +0.000      0.050  ±0.010",
        "  layer 1, position IO      0.010   0.010  +0.000      0.050  ±0.010",
        "  layer 1, position END     0.000   0.000  +0.000      0.050  ±0.010",
        "  logit diff gap            4.000   4.000  +0.000      0.200  ±0.100  (logits)",
    ]


def test_cells_of_which_less_is_better_get_worse_and_better():
    about = {"axes": ("layer",), "direction": Direction.LOWER}
    lines = table(finding([5.0, 1.0], **about), finding([1.0, 5.0], **about))
    assert [line.split()[-1] for line in lines if "layer" in line] == [
        "layer",
        "weaker",
        "stronger",
    ]


def test_one_number_is_one_line():
    logits = {"quantity": "logit difference", "unit": "logits"}
    assert table(finding(3.1, **logits), finding(5.0, **logits)) == [
        "weakened test_heads tuned: logit difference (logits)",
        "                    baseline    now  change  tolerance   error",
        "  logit difference     5.000  3.100  -1.900      0.500  ±0.010  fell",
    ]


def test_fractions_of_what_is_gone_are_undefined():
    gone = replace(GAP, value=0.01)
    nothing = np.full((2, 2), np.nan)
    lines = table(cells(nothing, errors=nothing, companion=(gone,)), cells([[0.5, 0.1], [0, 0]]))
    assert lines[1:] == [
        "  undefined: fractions of the logit diff gap, which is gone, mean nothing",
        "                  baseline    now  change  tolerance   error",
        "  logit diff gap     4.000  0.010  -3.990      0.200  ±0.100  gone (logits)",
    ]


def test_heads_of_a_fraction_that_means_nothing_any_more_are_undefined_now():
    fractions = {"companion": (GAP,), "relative_to": "logit_diff_gap"}
    gone = {**fractions, "companion": (replace(GAP, value=0.3),)}
    lines = table(heads({"L2H3": 7.0}, **gone), heads({"L0H1": 0.9, "L0H2": 0.5}, **fractions))
    shown = [line.split() for line in lines if line.startswith("  L")]
    assert shown == [
        ["L0H1", "0.900", "undefined", "-", "0.090", "-"],
        ["L0H2", "0.500", "undefined", "-", "0.050", "-"],
    ]


def test_a_behaviour_that_an_older_baseline_lacks_is_shown_as_it_is_now():
    gain = replace(LOSS, name="repeat_gain", value=2.0)
    after = heads({"L0H1": 0.5}, companion=(LOSS, gain))
    *_, last = table(after, heads({"L0H1": 0.9}))
    assert last.split() == ["repeat", "gain", "-", "2.000", "-", "-", "±0.050", "(nats)"]


def test_heads_of_which_the_baseline_knew_no_role_are_shown_as_cells():
    before = replace(heads({"L0H1": 0.9}), role=None, profiles={})
    lines = table(heads({"L0H1": 0.3}), before)
    assert lines[1].split()[:2] == ["cell", "baseline"]
    assert lines[2].split()[0] == "L0H1"
    assert lines[2].endswith("weaker")


def test_an_error_that_is_not_known_is_left_out():
    assert "±" not in "".join(table(finding(1.0, errors=np.array(np.nan))))


def test_large_numbers_have_one_decimal():
    assert table(finding(12345.678))[-1].split() == ["score", "12345.7", "±0.0"]


def test_a_row_without_its_finding_has_no_table():
    assert heads_lines(replace(row_of(AFTER, BEFORE), details=None), 80) == []


def test_what_is_news_is_coloured_as_its_finding_is():
    lines = heads_lines(row_of(AFTER, BEFORE), 80)
    coloured = {line.text.split()[0]: line.parts[0].colour for line in lines}
    assert coloured["weakened"] == coloured["L0H1"] == coloured["repeat"] == "red"
    assert coloured["head"] == ""


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 100, 160])
def test_no_line_is_wider_than_the_terminal_and_no_value_is_cut(width):
    long = "position of the very last token before the answer"
    rows = [
        row_of(AFTER, BEFORE, test=f"t.py::test_{'x' * 99}[tuned]"),
        row_of(heads({"L0H1": 0.9})),
        row_of(cells([[0.2, 0.0]], (long, "b")), cells([[0.9, 0.0]], (long, "b"))),
    ]
    for row in rows:
        lines = [line.text for line in heads_lines(row, width)]
        assert max(map(len, lines)) <= width
    assert any("0.900" in line.split() for line in table(heads({"L0H1": 0.9}), width=width))


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (160, ["head", "baseline", "now", "change", "tolerance", "error", "null", "p"]),
        (80, ["head", "baseline", "now", "change", "tolerance", "error"]),
        (68, ["head", "baseline", "now", "change", "tolerance"]),
        (58, ["head", "baseline", "now", "change"]),
        (40, ["head", "baseline", "now"]),
    ],
)
def test_columns_that_say_least_go_first(width, columns):
    nulls = {"L0H1": Null(0.03, 0.0012)}
    lines = table(heads({"L0H1": 0.5}, nulls=nulls), heads({"L0H1": 0.9}, nulls=nulls), width=width)
    assert next(line.split() for line in lines if line.startswith("  head")) == columns


def test_what_happened_goes_on_below_where_there_is_no_room_beside():
    lines = table(AFTER, BEFORE, width=40)
    assert lines[lines.index("  L0H1              0.900  0.300") + 1] == "    left the role"


HOSTILE = "\x1b[31mred\x07\r\n\u202e@x|`<script>\ud800"


def test_names_that_a_terminal_would_obey_are_shown_harmless():
    labels = (HOSTILE, "b")
    row = row_of(
        cells([[0.2, 0.0]], labels), cells([[0.9, 0.0]], labels),
        test=f"t.py::test_{HOSTILE}[tuned]", name=HOSTILE,
    )  # fmt: skip
    lines = terminal_lines(run(row), 100, verbose=True)
    text = "".join(line.text for line in lines)
    assert "@x|`<script>" in text
    assert text.isprintable()
    text.encode()


# In the section


def section(*rows, **fields):
    return [line.text for line in terminal_lines(run(*rows, **fields), 80, verbose=True)]


def test_tables_stand_between_the_findings_and_what_they_come_to():
    fine = row_of(BEFORE, BEFORE, test="t.py::test_fine[tuned]")
    lines = section(fine, row_of(AFTER, BEFORE))
    empty = [number for number, line in enumerate(lines) if not line]
    assert [lines[number + 1].split(":")[0] for number in empty] == [
        "weakened test_heads tuned",
        "preserved test_fine tuned",
        "2 findings",
    ]
    assert empty[0] == 2


def test_without_the_option_there_are_none():
    texts = [line.text for line in terminal_lines(run(row_of(AFTER, BEFORE)), 80)]
    assert len(texts) == 2


def test_several_models_have_their_tables_below_the_overview_without_gaping():
    fine = replace(row_of(BEFORE, BEFORE), alias="fine", test="test_a.py::test_heads[fine]")
    for rows in ((fine, row_of(AFTER, BEFORE)), (fine, row_of(BEFORE, BEFORE))):
        lines = section(*rows)
        assert not any(one == two == "" for one, two in pairwise(lines))
        assert lines[-1].startswith("2 findings")
