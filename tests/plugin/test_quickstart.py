"""The quickstart suite, copied elsewhere and run as a user runs it."""

import ast
import random

import pytest
from circuit_suites import copy_of_recall, counts, few

#: The default suite leaves out what the model can't have.
GREEN = {"passed": 5, "skipped": 6}
INDUCTION_HEADS = ("L1H0", "L1H1", "L1H2", "L1H3")


def verdicts(result):
    """The circuits section: verdict, test and line of every finding."""
    lines = result.stdout.lines
    start = next(n for n, line in enumerate(lines) if line.strip("=") == " circuits ")
    end = next(
        n for n in range(start, len(lines)) if "held against" in lines[n] or "findings:" in lines[n]
    )
    told = [line.split() for line in lines[start + 1 : end] if not line.startswith(" ")]
    return {test: verdict for verdict, test, *_ in told}


def without_helpers(path):
    """Delete every ``assert_*(…)`` statement of a module; how many there were."""
    removed = 0

    class Remover(ast.NodeTransformer):
        def visit_Expr(self, node):
            nonlocal removed
            call = node.value
            if not (
                isinstance(call, ast.Call) and getattr(call.func, "id", "").startswith("assert_")
            ):
                return node
            removed += 1
            return None

    tree = Remover().visit(ast.parse(path.read_text(encoding="utf-8")))
    path.write_text(ast.unparse(tree), encoding="utf-8")
    return removed


def test_the_reference_has_the_circuits_of_its_baselines(quickstart):
    before = quickstart.stamps()
    result = quickstart.run("--circuits")
    assert (result.ret, counts(result)) == (0, GREEN)
    assert set(verdicts(result).values()) == {"preserved"}
    assert quickstart.stamps() == before


def test_a_benign_checkpoint_is_green(quickstart):
    result = quickstart.run("--circuits", "--circuits-model", "candidate=bundled:recall-finetuned")
    assert (result.ret, counts(result)) == (0, GREEN)
    assert set(verdicts(result).values()) <= {"preserved", "strengthened"}


def check_regressed(quickstart):
    before = quickstart.stamps()
    result = quickstart.run("--circuits", "--circuits-model", "candidate=bundled:recall-regressed")
    assert (result.ret, counts(result)) == (1, {"failed": 5, "skipped": 6})
    assert set(verdicts(result).values()) == {"lost", "weakened"}
    left = [line for line in result.stdout.lines if "left the role:" in line]
    assert sum(head in left[0] for head in INDUCTION_HEADS) == 3
    assert left[0].endswith(" and 1 more")
    result.stdout.fnmatch_lines(
        [
            "lost: repeat loss rose 0.00 → 4.*L1H? ?.??→0.0? +3*",
            "  repeat loss rose 0.00 → 4.* (tolerance 0.01)",
            "  no induction heads left (4 before)",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    assert quickstart.stamps() == before


def test_a_regressed_checkpoint_is_red_and_names_the_lost_heads(quickstart):
    check_regressed(quickstart)


def test_a_regressed_checkpoint_is_as_red_without_the_assert_helpers(quickstart):
    removed = sum(without_helpers(path) for path in quickstart.path.glob("test_*.py"))
    assert removed >= 2
    check_regressed(quickstart)
    result = quickstart.run("--circuits")
    assert (result.ret, counts(result)) == (0, GREEN)


@pytest.mark.parametrize("draw", few(range(4), 2))
@pytest.mark.parametrize("helpers", [True, False], ids=["helpers", "no helpers"])
def test_a_checkpoint_with_a_randomly_drawn_head_knocked_out_is_red_and_names_it(
    quickstart, draw, helpers
):
    seed = random.SystemRandom().randrange(2**32)
    head = random.Random(seed).choice(INDUCTION_HEADS)
    layer, index = map(int, head[1:].split("H"))
    drawn = f"{head} was drawn (seed {seed})"

    def knock_out(tensors):
        tensors[f"layers.{layer}.attn.o.weight"][:, 16 * index : 16 * (index + 1)] = 0

    copy_of_recall(quickstart.path / "checkpoint", knock_out)
    if not helpers:
        for path in quickstart.path.glob("test_*.py"):
            without_helpers(path)
    result = quickstart.run("--circuits", "--circuits-model", "candidate=./checkpoint")
    assert result.ret == 1, drawn
    failing = [
        line
        for line in result.stdout.lines
        if line.split()[1:3] in (["assert", "weakened:"], ["assert", "lost:"])
    ]
    assert any(head in line for line in failing), f"{drawn}: {failing}"
    shown = [line for line in result.stdout.lines if line.split()[:1] in (["weakened"], ["lost"])]
    assert any(head in line for line in shown), f"{drawn}: {shown}"
