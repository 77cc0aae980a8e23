"""Candidates whose tokenizer or embeddings are others than the reference's.

What is measured on them is the same quantity as in the reference's baselines, or the run says why
it is not.
"""

import json

import numpy as np
import pytest
from circuit_suites import copy_of_recall, counts
from safetensors.numpy import load_file, save_file
from transformers import PreTrainedTokenizerFast

#: Scores on drawn tokens, and a behaviour on prompts.
TWO_TESTS = """
from pytest_circuits import prompts

PAIRS = prompts.repeated_phrases(n=8, length=5)


def test_heads(circuits, circuit_snapshot):
    assert circuits.induction_scores() == circuit_snapshot


def test_pairs(circuits, circuit_snapshot):
    assert circuits.logit_diff(PAIRS) == circuit_snapshot
"""


@pytest.fixture(scope="module")
def stored():
    """The files of the suite's baselines, approved once."""
    return {}


@pytest.fixture
def two_tests(suite, stored):
    """A suite with a test on drawn tokens and one on prompts, their baselines stored."""
    suite.write("test_two.py", TWO_TESTS)
    if not stored:
        stored.update((path.relative_to(suite.path), path) for path in suite.approve().values())
        stored.update((name, path.read_text()) for name, path in stored.items())
    for name, text in stored.items():
        suite.write(name, text.removesuffix("\n"))
    return suite


def candidate(folder, change=None, rows=None):
    """The reference's model in ``folder``, its tokenizer changed, its embeddings with new rows.

    As many as there are tokens then, or ``rows``. They are the mean of the others, as those that
    transformers adds are about that.
    """
    copy_of_recall(folder)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    if change is not None:
        change(tokenizer)
        tokenizer.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    more = (len(tokenizer) if rows is None else rows) - config["d_vocab"]
    config["d_vocab"] += more
    (folder / "config.json").write_text(json.dumps(config))
    tensors = load_file(folder / "model.safetensors")
    for name in ("tok_embed.weight", "head.weight"):
        mean = tensors[name].mean(axis=0, keepdims=True)
        tensors[name] = np.concatenate([tensors[name], np.repeat(mean, more, axis=0)])
    save_file(tensors, folder / "model.safetensors")


def reworded(folder, change):
    """The reference's model, the words of its tokenizer changed in their file."""
    copy_of_recall(folder)
    path = folder / "tokenizer.json"
    document = json.loads(path.read_text())
    change(document["model"]["vocab"])
    path.write_text(json.dumps(document))


def run(suite):
    return suite.run("--circuits", "--circuits-model", "candidate=./candidate")


def verdicts(result):
    """The verdict of each test, and what is said of it."""
    found = {}
    for line in result.stdout.lines:
        word, _, rest = line.partition(" ")
        if word in ("preserved", "incomparable", "weakened", "lost", "strengthened", "new"):
            test, _, _ = rest.strip().partition(" ")
            found[test] = last = word
        elif line.strip().startswith("also in: "):
            # Further findings with the same cause, and the same verdict.
            found |= dict.fromkeys(line.strip().removeprefix("also in: ").split(", "), last)
    return found


def with_added_tokens(tokenizer):
    tokenizer.add_tokens(["unicorn", "dragon"])
    tokenizer.add_special_tokens({"pad_token": "<pad>"})


def tuned_for_chat(tokenizer):
    tokenizer.chat_template = (
        "{% for message in messages %}<{{ message.role }}> {{ message.content }}{% endfor %}"
    )
    tokenizer.add_special_tokens({"extra_special_tokens": ["<user>", "<assistant>"]})
    tokenizer.init_kwargs["add_bos_token"] = False


@pytest.mark.parametrize(
    ("change", "rows"),
    [
        pytest.param(with_added_tokens, None, id="added tokens, resized embeddings"),
        pytest.param(with_added_tokens, 65, id="added tokens, embeddings not resized"),
        pytest.param(None, 128, id="embeddings padded"),
        pytest.param(tuned_for_chat, None, id="chat template, its tokens, add_bos_token off"),
    ],
)
def test_what_the_measures_do_not_see_changes_nothing(two_tests, change, rows):
    candidate(two_tests.path / "candidate", change, rows)
    result = run(two_tests)
    assert verdicts(result) == {"test_heads": "preserved", "test_pairs": "preserved"}
    assert result.ret == 0


# Another tokenizer


def turned_round(vocabulary):
    words = list(vocabulary)[2:]  # BOS and "a" stay
    for word, number in zip(words, reversed([vocabulary[word] for word in words]), strict=True):
        vocabulary[word] = number


def test_another_tokenizer_of_the_same_size_makes_findings_incomparable(two_tests):
    reworded(two_tests.path / "candidate", turned_round)
    result = run(two_tests)
    assert verdicts(result) == {"test_heads": "incomparable", "test_pairs": "incomparable"}
    result.stdout.fnmatch_lines(["*tokenizer differs: 60 ids, first 2 'apple' → 'tree'"])
    section = result.stdout.str().partition("= circuits =")[2]
    assert "also in: test_pairs" in section
    assert section.count("differs") == 1
    assert result.ret == 1


def other_words(vocabulary):
    """Every third word is one that no builder has, and the numbers are turned round."""
    turned_round(vocabulary)
    for word in list(vocabulary)[3::3]:
        vocabulary[f"{word}x"] = vocabulary.pop(word)


def test_prompts_that_another_tokenizer_chose_are_no_second_difference(two_tests):
    reworded(two_tests.path / "candidate", other_words)
    result = two_tests.run(
        "--circuits",
        "--circuits-model=candidate=./candidate",
        "--circuits-json=run.json",
        "-Wdefault",
    )
    report = json.loads((two_tests.path / "run.json").read_text())
    said = {
        entry["test"].rpartition("::")[2]: [
            reason["subject"] for reason in entry["verdicts"]["candidate"]["reasons"]
        ]
        for entry in report["tests"]
    }
    assert said == {"test_heads": ["tokenizer"], "test_pairs": ["tokenizer"]}
    assert verdicts(result) == {"test_heads": "incomparable", "test_pairs": "incomparable"}
    section = result.stdout.str().partition("= circuits =")[2]
    assert section.count("differs") == 1


def test_a_word_that_became_a_special_token_makes_findings_on_drawn_tokens_incomparable(two_tests):
    candidate(
        two_tests.path / "candidate",
        lambda tokenizer: tokenizer.add_tokens(["tree"], special_tokens=True),
    )
    result = run(two_tests)
    assert verdicts(result)["test_heads"] == "incomparable"
    result.stdout.fnmatch_lines(["incomparable test_heads candidate tokenizer differs"])


def test_a_tokenizer_without_bos_is_another_convention(two_tests):
    def drop_bos(tokenizer):
        tokenizer.bos_token = None

    candidate(two_tests.path / "candidate", drop_bos)
    result = run(two_tests)
    assert verdicts(result) == {"test_heads": "incomparable", "test_pairs": "incomparable"}
    result.stdout.fnmatch_lines(["* tokenizer differs: first token <bos> → *"])


def test_another_bos_is_another_first_token(two_tests):
    def begin(tokenizer):
        tokenizer.add_special_tokens({"bos_token": "<begin>"})

    candidate(two_tests.path / "candidate", begin)
    result = run(two_tests)
    assert verdicts(result) == {"test_heads": "incomparable", "test_pairs": "incomparable"}
    result.stdout.fnmatch_lines(["*tokenizer differs: first token <bos> → <begin>"])


# Tokens without an embedding, and no tokenizer


ADVICE = (
    "After adding tokens, call model.resize_token_embeddings(len(tokenizer)) before training, or "
    "use the tokenizer that the model was trained with."
)


def without_embedding(token):
    return (
        f"the tokenizer's token {token!r} (id 65) has no embedding: the model's embeddings have "
        f"65 rows."
    )


def test_a_token_that_has_no_embedding_is_named_where_it_is_used(suite):
    calls = [
        'logit_diff(PromptPairs(["dog unicorn"], ["dog star"], ["cat"], ["star"]))',
        'logit_diff(PromptPairs(["dog"], ["star"], ["unicorn"], ["star"]))',
        'text_loss("dog unicorn")',
    ]
    tests = [f"def test_{n}(circuits):\n    circuits.{call}" for n, call in enumerate(calls)]
    suite.write("test_it.py", "\n\n".join(["from pytest_circuits import PromptPairs", *tests]))
    candidate(suite.path / "candidate", with_added_tokens, 65)
    result = run(suite)
    assert counts(result) == {"failed": len(calls)}
    for number, call in enumerate(calls):
        measure = call.partition("(")[0]
        assert failure(result, f"test_{number}") == [
            f"{measure} on candidate: {without_embedding('unicorn')}",
            ADVICE,
        ]


def test_a_bos_that_has_no_embedding_is_named(two_tests):
    candidate(
        two_tests.path / "candidate",
        lambda tokenizer: tokenizer.add_special_tokens({"bos_token": "<begin>"}),
        65,
    )
    result = run(two_tests)
    for test, measure in (("test_heads", "induction_scores"), ("test_pairs", "logit_diff")):
        assert failure(result, test) == [
            f"{measure} on candidate: {without_embedding('<begin>')}",
            ADVICE,
        ]


def failure(result, test):
    """What stands under a failed test's title."""
    lines = result.stdout.lines
    start = next(n for n, line in enumerate(lines) if f"_ {test}[candidate] _" in line)
    end = next(n for n in range(start + 1, len(lines)) if lines[n][:4] in ("____", "===="))
    return [line.removeprefix("E").strip() for line in lines[start + 1 : end] if line.strip()]
