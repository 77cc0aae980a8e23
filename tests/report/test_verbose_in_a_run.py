"""``--circuits-verbose`` in a run: tables of heads in pytest's terminal section."""

import pytest

FRESH = ("--circuits", "--circuits-fresh", "--circuits-verbose")
REGRESSED = ("--circuits-model", "tuned=bundled:recall-regressed")


def section(result):
    """The lines of the section, up to what pytest says next."""
    lines = result.stdout.lines
    start = next(n for n, line in enumerate(lines) if line.strip("=") == " circuits ")
    end = next(n for n in range(start + 1, len(lines)) if lines[n][:3] in ("===", "---"))
    return lines[start + 1 : end]


def test_a_red_run_shows_which_heads_left_by_how_much_and_what_that_did(one_test):
    result = one_test.run("--circuits", "--circuits-verbose", *REGRESSED)
    lines = section(result)
    assert lines[0] == "lost test_heads tuned repeat loss rose 0.00 → 4.16; L1H3 0.97→0.00 +3"
    assert lines[1:5] == [
        "",
        "lost test_heads tuned: induction score (attention probability);",
        "  induction heads: 0.40 or more",
        "  head                     baseline    now  change  tolerance",
    ]
    told = [line.split() for line in lines[5:-4]]
    assert [words[0] for words in told] == [
        "L1H3", "L1H0", "L1H2", "L1H1", "summed", "repeat", "repeat", "repeat", "repeat",
    ]  # fmt: skip
    assert [" ".join(words[5:]) for words in told[:4]] == ["left the role"] * 4
    assert told[5][2:5] == ["0.003", "4.156", "+4.153"]
    assert lines[-1].startswith("1 finding: 1 lost")
    assert max(map(len, lines)) <= 80


@pytest.mark.nightly
def test_two_workers_show_the_same_as_one_process(one_test):
    serial = one_test.run(*FRESH, *REGRESSED)
    workers = one_test.run(*FRESH, *REGRESSED, "-n", "2")
    assert section(workers) == section(serial)


def test_a_green_run_shows_the_strongest_heads(one_test):
    lines = section(one_test.run("--circuits", "--circuits-verbose"))
    assert [line.split()[0] for line in lines if line.startswith("  L")] == [
        "L1H0", "L1H3", "L1H2", "L1H1",
    ]  # fmt: skip
    assert not any("repeat" in line for line in lines[1:])


def test_without_the_option_a_run_shows_lines_alone(one_test):
    assert len(section(one_test.run("--circuits", *REGRESSED))) == 4


@pytest.mark.parametrize("columns", ["40", "160"])
def test_the_tables_fit_the_terminal(one_test, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    lines = section(one_test.run("--circuits", "--circuits-verbose", *REGRESSED))
    assert max(map(len, lines)) <= int(columns)
    assert any("±" in line for line in lines) == (columns == "160")


NAMED = """
def test_heads(circuits, circuit_snapshot):
    assert circuits.induction_scores() == circuit_snapshot(name="a\\x1b[31mred\\nb")
"""


def test_what_a_finding_is_called_does_not_reach_the_terminal_raw(suite):
    suite.write("test_heads.py", NAMED)
    result = suite.run("--circuits", "--circuits-verbose")
    lines = section(result)
    assert [line for line in lines if "(a?[31mred b)" in line] == [lines[0], lines[2]]
    assert all(line.isprintable() for line in lines)
