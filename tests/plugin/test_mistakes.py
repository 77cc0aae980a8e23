"""What a test asks of a measure and can't have is told in a line, without our frames."""

from circuit_suites import RECALL

MISTAKES = {
    "ablate(P, heads=['L9H9'])": "ablate on recall: this NativeModel has no head L9H9: its last",
    "ablate(P, heads=['head 5'])": "ablate on recall: 'head 5' is no head label: write L5H1",
    "ablated(heads=['L9H9']).__enter__()": "ablated on recall: this NativeModel has no head L9H9",
    "attention_between(P, key='S2')": "attention_between on recall: these prompts name no position",
    "patch(P, site='resid')": "patch on recall: can't patch at 'resid'; sites are resid_pre",
    "patch(P, site='mlp_out')": "patch on recall: NativeModel has no mlp_out: it has no MLPs.",
    "logit_diff('dog')": "logit_diff on recall: this measure takes prompt pairs (PromptPairs,",
    "faithfulness(P, Circuit(['L7H0']))": "faithfulness on recall: this NativeModel has no head",
    "text_loss('dog ' * 100)": "text_loss on recall: text 0 has 101 tokens, and the model's",
    "kl_divergence(P, to='recal')": "kl_divergence on recall: no model of this run is called",
    "kl_divergence(P, to='bundled:no')": "kl_divergence on recall: no bundled model is called 'no'",
}


def test_a_mistake_is_told_in_a_line(suite):
    suite.ini(RECALL)
    tests = [
        f"def test_{number}(circuits):\n    circuits.{call}\n"
        for number, call in enumerate(MISTAKES)
    ]
    head = (
        "from pytest_circuits import Circuit, prompts\nP = prompts.repeated_phrases(n=2, length=5)"
    )
    suite.write("test_mistakes.py", "\n\n".join([head, *tests]))

    lines = suite.run("--circuits").stdout.lines

    for number, message in enumerate(MISTAKES.values()):
        place = next(n for n, line in enumerate(lines) if f"_ test_{number}[recall] _" in line)
        assert lines[place + 1].startswith(message)
        following = [line for line in lines[place + 1 : place + 4] if line[:1] in "_="]
        assert following  # nothing but the message stands there


def test_a_wrong_argument_is_an_error_of_the_line_that_gives_it(suite):
    suite.ini(RECALL)
    suite.write("test_heads.py", "def test_heads(circuits):\n    circuits.induction_scores(sed=3)")

    result = suite.run("--circuits")

    assert "session/" not in result.stdout.str()
    result.stdout.fnmatch_lines([
        ">       circuits.induction_scores(sed=3)",
        "E       TypeError: induction_scores() got an unexpected keyword argument 'sed'",
        "",
        "test_heads.py:2: TypeError",
    ])  # fmt: skip


def test_what_is_ablated_is_part_of_the_convention(suite):
    suite.ini(RECALL)
    test = """
from pytest_circuits import prompts
P = prompts.repeated_phrases(n=4, length=5)


def test_without(circuits, circuit_snapshot):
    with circuits.ablated(heads=[{head!r}]):
        found = circuits.repeat_loss()
    assert found == circuit_snapshot
"""
    suite.write("test_without.py", test.format(head="L1H0"))
    suite.approve()
    suite.write("test_without.py", test.format(head="L1H1"))

    result = suite.run("--circuits")

    result.stdout.fnmatch_lines(["*incomparable*convention.without differs: L1H0 → L1H1*"])
