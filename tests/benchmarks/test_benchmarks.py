"""The benchmarks run, on toys: what they measure is for whoever runs them to judge."""

import json
import re
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
from circuit_suites import EXAMPLES

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
#: A median with its least and most.
SPREAD = r"[\d.]+ \([\d.]+ … [\d.]+\)"


@pytest.fixture(scope="module")
def benchmark():
    """Imports a benchmark by name, as its neighbours do; forgets all of them in the end."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        patch.setenv("TQDM_DISABLE", "1")
        yield import_module
    for name in {path.stem for path in BENCHMARKS.glob("*.py")} - before:
        sys.modules.pop(name, None)


def rows(text):
    """The table's cells, without its head."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return lines[2:]


@pytest.mark.parametrize("asked", ["^bundled residual late", "^llama"])
def test_sweeps_are_as_transformer_lens_has_them(benchmark, capsys, asked):
    benchmark("sweeps").main([f"--rows={asked}", "--repeat=2", "--share=3", "--tiny"])
    (row,) = rows(capsys.readouterr().out)
    assert row[1] == "late"
    assert all(re.match(SPREAD, row[number]) for number in (2, 4, 6))
    assert row[7:9] == ["CPU", "one in 3"]
    assert float(row[9]) < 1e-4


def test_a_row_that_there_is_not_is_refused(benchmark):
    with pytest.raises(SystemExit, match="no row matches 'sideways'"):
        benchmark("sweeps").main(["--rows=sideways"])


def test_two_sweeps_that_disagree_are_told(benchmark, monkeypatch):
    found = benchmark("against").Comparison([1.0], 1.0, [2.0], [2.0], deviation=2e-4)
    monkeypatch.setattr(benchmark("sweeps"), "compare", lambda *_, **__: found)
    with pytest.raises(SystemExit, match=r"the two disagree: bundled residual \(late\)"):
        benchmark("sweeps").main(["--rows=^bundled residual late"])


def test_the_rows_of_the_bound_are_those_counted_by_hand(benchmark):
    config = SimpleNamespace(n_layers=2, n_heads=2)
    needed, rows = benchmark("bound").needed, benchmark("bound").Rows
    # Prompts that differ in the second of three tokens. Layer 0 has a cell where they differ,
    # whose stream then differs in two positions in layer 1.
    assert needed(config, "resid_pre", "each", 1, 3) == [
        rows(queries=1, keys=1, outputs=2, mlp=2),
        rows(queries=1 + 1, keys=2 + 1 + 1, outputs=3, mlp=3),
    ]
    # Two heads in each layer, in both positions at once.
    assert needed(config, "head_out", "all", 1, 3) == [
        rows(heads=4, mlp=4),
        rows(queries=2, keys=4, outputs=2, heads=2, mlp=2 + 2),
    ]
    # Each position by itself: of the last layer's heads only those at the end reach it.
    assert needed(config, "head_out", "each", 1, 3) == [
        rows(heads=4, mlp=4),
        rows(queries=2, keys=4, outputs=4, heads=2, mlp=4 + 2),
    ]


def test_shares_of_the_bound_are_printed(benchmark, capsys):
    benchmark("bound").main(["--repeat=2", "--tiny"])
    found = rows(capsys.readouterr().out)
    assert [row[1] for row in found] == ["late", "early"] * 3
    assert all(re.fullmatch(SPREAD, row[2]) for row in found)


@pytest.mark.nightly
def test_growth_is_printed(benchmark, capsys, monkeypatch):
    shape = dict(benchmark("subjects").LLAMA_TINY)
    del shape["num_hidden_layers"]
    monkeypatch.setattr(benchmark("growth"), "SHAPE", shape)
    benchmark("growth").main(["--repeat=1", "--doublings=1"])
    found = rows(capsys.readouterr().out)
    assert [row[:3] for row in found[:2]] == [["4", "16", "1"], ["8", "16", "1"]]
    assert re.fullmatch(r"[\d.]+ \(× [\d.]+\)", found[1][3])


def test_a_peak_of_memory_is_printed_beside_the_budget(benchmark, capsys):
    benchmark("memory").main(["--one=1", "--tiny"])
    name, count, peak, budget = capsys.readouterr().out.strip("|\n ").split(" | ")
    assert (name, count) == ("resid_pre, each", "64")
    assert float(peak) < float(budget)


def test_the_other_tool_gives_the_same(benchmark, capsys):
    pytest.importorskip("nnsight")
    benchmark("other_tool").main(["--repeat=1", "--tiny"])
    assert capsys.readouterr().out.count("times as fast") == 2


@pytest.mark.nightly
def test_a_suite_is_run_cold_and_again(benchmark, capsys):
    benchmark("suite").main([f"--suite={EXAMPLES / 'quickstart'}", "--repeat=1"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("quickstart, 1 rounds")
    assert [bool(re.search(SPREAD, line)) for line in lines[1:]] == [True] * 4


def test_findings_that_are_not_remembered_are_told(benchmark, monkeypatch, tmp_path):
    def run(folder, *arguments):
        counts = {"findings": 4, "remembered": 3}
        (folder / "report.json").write_text(json.dumps({"summary": counts}))
        return 1.0

    monkeypatch.setattr(benchmark("suite"), "run", run)
    with pytest.raises(SystemExit, match="3 of 4 findings were remembered"):
        benchmark("suite").one_round(tmp_path)
