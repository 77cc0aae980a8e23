"""Workflows and actions hold what keeps them safe, and say what they do."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ACTIONS = sorted((ROOT / ".github/actions").glob("*/action.yml"))
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
EXAMPLES = sorted((ROOT / "docs/examples").glob("*.yml"))
PINNED = re.compile(r"[\w.-]+(?:/[\w.-]+)+@[0-9a-f]{40}")


def load(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def named(paths):
    return pytest.mark.parametrize(
        "path", paths, ids=lambda path: path.relative_to(ROOT).as_posix()
    )


def jobs(path):
    return load(path).get("jobs", {}).values()


def steps(path):
    """Every step of a workflow or of an action."""
    loaded = load(path)
    if "runs" in loaded:
        return loaded["runs"]["steps"]
    return [step for job in jobs(path) for step in job["steps"]]


def ours(step):
    """The action of this repository that a step uses, by its folder's name."""
    found = re.search(r"(?:^\$|/pytest-circuits)/\.github/actions/([\w-]+)", step.get("uses", ""))
    return found and found[1]


def test_there_is_something_to_check():
    assert (len(ACTIONS), len(WORKFLOWS), len(EXAMPLES)) == (2, 3, 1)


@named(ACTIONS + WORKFLOWS + EXAMPLES)
def test_what_is_used_is_pinned_to_a_commit(path):
    used = [step["uses"] for step in steps(path) if "uses" in step]
    assert [one for one in used if not one.startswith("$/") and not PINNED.fullmatch(one)] == []


def test_an_action_is_pinned_to_the_same_commit_everywhere_and_says_which_version():
    commits = {}
    for path in ACTIONS + WORKFLOWS + EXAMPLES:
        lines = path.read_text(encoding="utf-8").splitlines()
        for line in lines:
            found = re.search(r"uses: (actions/[\w-]+)[\w/-]*@(\w+)(.*)", line)
            if found:
                assert re.fullmatch(r" # v\d+\.\d+\.\d+", found[3]), line
                commits.setdefault(found[1], set()).add((found[2], found[3]))
    assert len(commits) == 5
    assert [action for action, versions in commits.items() if len(versions) > 1] == []


@named(ACTIONS + WORKFLOWS + EXAMPLES)
def test_no_expression_is_pasted_into_a_script(path):
    assert [step["run"] for step in steps(path) if "${{" in step.get("run", "")] == []


@named(WORKFLOWS + EXAMPLES)
def test_a_job_may_do_little_and_ends(path):
    assert load(path)["permissions"] == {}
    assert "concurrency" in load(path)
    for job in jobs(path):
        assert set(job["permissions"]) <= {"contents", "pull-requests"}
        assert job["permissions"].get("contents", "read") == "read"
        assert job["timeout-minutes"] <= 180


@named(WORKFLOWS + EXAMPLES)
def test_only_a_job_that_runs_no_suite_may_write(path):
    for job in jobs(path):
        if "write" in job["permissions"].values():
            used = {ours(step) or step["uses"].partition("@")[0] for step in job["steps"]}
            assert used == {"actions/download-artifact", "circuits-comment"}
            assert "head.repo.full_name == github.repository" in job["if"]


@named(WORKFLOWS + EXAMPLES)
def test_no_token_stays_in_a_checkout(path):
    checkouts = [step for step in steps(path) if "actions/checkout" in step.get("uses", "")]
    assert [step for step in checkouts if step["with"]["persist-credentials"] is not False] == []


@named(WORKFLOWS + EXAMPLES)
def test_our_actions_get_inputs_that_they_have(path):
    for step in steps(path):
        if name := ours(step):
            declared = load(ROOT / f".github/actions/{name}/action.yml")["inputs"]
            assert set(step["with"]) <= set(declared)
            assert {key for key, value in declared.items() if value.get("required")} <= set(
                step["with"]
            )


@named(ACTIONS)
def test_everything_an_action_takes_and_gives_is_described(path):
    action = load(path)
    for what in [action, *action["inputs"].values(), *action.get("outputs", {}).values()]:
        assert len(what["description"]) > 20
    for value in action["inputs"].values():
        assert ("default" in value) != value.get("required", False)


@named(ACTIONS)
def test_every_input_is_used(path):
    text = path.read_text(encoding="utf-8")
    assert [name for name in load(path)["inputs"] if f"inputs.{name}" not in text] == []


@named(ACTIONS)
def test_a_step_sets_what_its_script_reads_and_nothing_else(path):
    for step in steps(path):
        if "run" not in step:
            continue
        (script,) = re.findall(r'^bash "\$GITHUB_ACTION_PATH/([a-z]+\.sh)"$', step["run"])
        text = (path.parent / script).read_text(encoding="utf-8")
        for other in re.findall(r"\$here/([a-z]+\.(?:py|sh))", text):
            text += (path.parent / other).read_text(encoding="utf-8")
        read = set(re.findall(r"INPUT_[A-Z_]+", text))
        read |= {f"INPUT_{name}" for name in re.findall(r"""_checked\(["']([A-Z_]+)""", text)}
        assert {name for name in step["env"] if name != "GH_TOKEN"} == read - {"INPUT_"}
        assert step["shell"] == "bash"


def test_what_comes_after_a_red_gate_still_happens():
    path = ROOT / ".github/actions/circuits-gate/action.yml"
    order = [step.get("id") or step["name"] for step in steps(path)]
    after = steps(path)[order.index("gate") + 1 :]
    assert [step["name"] for step in after] == ["Keep the report", "Save the hub's cache"]
    assert all("always()" in step["if"] for step in after)
    assert not any(step.get("continue-on-error") for step in steps(path))
