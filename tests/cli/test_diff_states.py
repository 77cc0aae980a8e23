"""pytest-circuits diff: which two states are compared, where, and on what machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from circuit_suites import in_fresh_python

FILE = "__circuits__/recall/test_heads/test_heads.json"
WEAKENED = "weakened test_heads recall repeat loss rose 1.00 → 2.00; L0H1 0.90→0.60"
STRENGTHENED = "strengthened test_heads recall repeat loss improved 2.00 → 1.00; L0H1 0.60→0.90"
CHANGED = [WEAKENED, "1 finding changed: 1 weakened"]


@pytest.fixture
def two(repository, store, baseline):
    """A repository with two commits, of which the second weakened a finding."""
    store("recall", baseline(0.9))
    repository.commit("Approve the heads")
    store("recall", baseline(0.6, loss=2.0))
    repository.commit("Approve less")
    return repository


@pytest.fixture
def parted(two, store):
    """A branch that left the first commit, and has a baseline of another test."""
    two.git("checkout", "-qb", "side", "HEAD^")
    store("recall", test="test_late")
    two.commit("Approve another")
    return two


# Which states


@pytest.mark.parametrize(
    ("revisions", "heading"),
    [
        (["HEAD^"], "HEAD^ → working tree"),
        (["HEAD^", "HEAD"], "HEAD^ → HEAD"),
        (["HEAD^..HEAD"], "HEAD^ → HEAD"),
        (["HEAD^.."], "HEAD^ → HEAD"),
        (["v1", "main"], "v1 → main"),
    ],
)
def test_states_are_named_as_in_git_diff(two, command, revisions, heading):
    two.git("tag", "-am", "The first version", "v1", "HEAD^")
    assert command("diff", *revisions) == (1, [f"baselines: {heading}", *CHANGED], [])


def test_from_the_later_to_the_earlier_the_words_are_the_other_way_round(two, command):
    assert command("diff", "..HEAD^")[1][:2] == ["baselines: HEAD → HEAD^", STRENGTHENED]


def test_three_dots_tell_what_a_branch_did_since_it_left(parted, command):
    base = parted.git("rev-parse", "main^")[:8]
    for revisions in ("main...side", "main..."):
        right = "side" if revisions.endswith("side") else "HEAD"
        status, out, _ = command("diff", revisions)
        assert (status, out) == (
            1,
            [
                f"baselines: {base} (where {right} left main) → {right}",
                "new test_late recall 1 head, L0H1 0.90; repeat loss 1.00",
                "1 finding changed: 1 new",
            ],
        )
    assert len(command("diff", "main..side")[1]) == 4


def test_what_is_staged_is_part_of_the_working_tree(two, command, store, baseline):
    store("recall", baseline(0.9))
    two.git("add", "--all")
    assert command("diff")[1][1] == STRENGTHENED
    assert command("diff", "HEAD^")[1][-1] == "no changes"


def test_a_file_that_was_only_touched_is_the_same(two, command):
    os.utime(FILE, ns=(1, 1))
    assert command("diff")[:2] == (0, ["baselines: HEAD → working tree", "no changes"])


# Which files


def test_the_whole_repository_is_looked_at_from_a_folder_in_it(two, command, monkeypatch, store):
    store("tuned", folder=two.path / "sub")
    (two.path / "deep/er").mkdir(parents=True)
    monkeypatch.chdir("deep/er")
    out = command("diff", "HEAD^")[1]
    assert [line.split()[:3] for line in out[1:3]] == [
        ["weakened", "heads", "in"],
        ["new", "heads", "in"],
    ]


def test_paths_limit_it_and_count_from_the_current_folder(two, command, monkeypatch, store):
    store("tuned", folder=two.path / "sub")
    told = "new test_heads tuned 1 head, L0H1 0.90; repeat loss 1.00"
    assert command("diff", "HEAD^", "--", "sub")[1][1:3] == [told, "only below sub"]
    monkeypatch.chdir("sub")
    assert command("diff", "HEAD^", "--", ".")[1][1] == told
    assert command("diff", "--", "../__circuits__")[1] == [
        "baselines: HEAD → working tree",
        "only below ../__circuits__",
        "no changes",
    ]
    assert command("diff", "HEAD^", "HEAD", "--", f"../{FILE}")[1][1] == WEAKENED


def test_a_path_outside_the_repository_is_a_usage_error(two, command):
    status, out, errors = command("diff", "--", "/nowhere")
    assert (status, out) == (2, [])
    assert "/nowhere" in errors[0]


def test_a_path_that_is_nowhere_is_a_usage_error(two, command, monkeypatch):
    assert refused(command, "HEAD^", "--", "__circuits__", "nosuch") == (
        "pytest-circuits: there is no 'nosuch' in HEAD^ or working tree"
    )
    assert "'nosuch' in HEAD^ or HEAD" in refused(command, "HEAD^", "HEAD", "--", "nosuch")
    assert "no '*.txt'" in refused(command, "--", "*.txt")


def test_a_path_that_one_state_has_is_fine(two, command):
    (two.path / "empty").mkdir()
    assert command("diff", "--", "empty")[0] == 0
    Path(FILE).unlink()
    two.commit("Delete it")
    assert command("diff", "HEAD^", "--", FILE)[0] == 1
    assert command("diff", "HEAD^", "HEAD", "--", "*.json")[0] == 1
    assert command("diff", "HEAD", "HEAD^", "--", FILE)[0] == 1


def test_other_files_are_none_of_its_business(two, command):
    for name in ("notes.json", "__circuits__/notes.json", "__circuits__/recall/a/notes.txt"):
        path = two.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("{")
    assert command("diff")[:2] == (0, ["baselines: HEAD → working tree", "no changes"])


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_symbolic_links_are_not_followed_and_said(two, command, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "heads.json"
    Path(FILE).rename(outside)
    Path(FILE).symlink_to(outside)
    Path(FILE).with_name("test_late.json").symlink_to(outside)
    status, out, errors = command("diff")
    assert (status, out[1:]) == (
        3,
        [
            "unreadable test_heads recall working tree: is a symbolic link",
            "unreadable test_late  recall working tree: is a symbolic link",
            "2 findings changed: 2 unreadable",
        ],
    )
    assert errors[:2] == [
        f"{two.path / FILE}: is a symbolic link.",
        "Put the file that it leads to in its place.",
    ]
    two.commit("Link them")
    for states in (["HEAD^", "HEAD"], ["HEAD^"]):
        status, out, _ = command("diff", *states)
        assert (status, out[-1]) == (3, "2 findings changed: 2 unreadable")
        assert f"{states[1] if states[1:] else 'working tree'}: is a symbolic link" in out[1]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_is_said_also_where_it_stayed_or_was(two, command, baseline, store):
    Path(FILE).rename("elsewhere.json")
    Path(FILE).symlink_to(two.path / "elsewhere.json")
    two.commit("Link it")
    Path("elsewhere.json").write_text("{}")
    told = "unreadable test_heads recall {}: is a symbolic link"
    assert command("diff")[:2][1][1] == told.format("working tree")
    two.commit("Change what it leads to")
    status, out, _ = command("diff", "HEAD^", "HEAD")
    assert (status, out[1]) == (3, told.format("HEAD"))
    assert command("diff", "HEAD^", "HEAD", "--", "elsewhere.json")[0] == 0
    Path(FILE).unlink()
    store("recall", baseline(0.9))
    status, out, _ = command("diff")
    assert (status, out[1]) == (3, told.format("HEAD"))
    two.commit("A file again")
    assert command("diff", "HEAD^", "HEAD")[1][1] == told.format("HEAD^")
    assert command("diff")[0] == 0


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
@pytest.mark.parametrize(
    ("folder", "told"),
    [
        ("__circuits__/recall/test_heads", "* recall"),
        ("__circuits__/recall", "* recall"),
        ("__circuits__", "* *"),
    ],
)
def test_folders_that_are_links_are_said_too(two, command, folder, told):
    Path(folder).rename("elsewhere")
    Path(folder).symlink_to(two.path / "elsewhere")
    status, out, errors = command("diff")
    lines = [" ".join(line.split()) for line in out[1:-1]]
    assert (status, lines[0]) == (
        3,
        f"unreadable {told} working tree: is behind a symbolic link",
    )
    assert lines[1].startswith("deleted test_heads recall")
    assert errors[1] == "Put the folder that it leads to in its place."
    two.commit("Link it")
    assert command("diff", "HEAD^", "HEAD")[0] == 3
    assert command("diff", "--html", "a.html", "--json", "a.json")[0] == 3


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_other_links_are_none_of_its_business(two, command):
    Path("notes").symlink_to(two.path / "nowhere")
    Path("__circuits__/recall/test_heads/notes.txt").symlink_to(two.path / "nowhere")
    assert command("diff")[:2] == (0, ["baselines: HEAD → working tree", "no changes"])
    two.commit("Link them")
    assert command("diff", "HEAD^", "HEAD")[0] == 0


def test_submodules_are_not_looked_into(two, command, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    subprocess.run(["git", "clone", "-q", two.path, other / "clone"], check=True)
    two.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other / "clone"), "m")
    two.commit("Add a submodule")
    (two.path / "m" / FILE).unlink()
    assert command("diff", "HEAD^")[:2] == (0, ["baselines: HEAD^ → working tree", "no changes"])
    assert command("diff", "HEAD^", "HEAD")[0] == 0


# Whatever the user has configured


def test_configuration_changes_nothing(two, command, monkeypatch):
    for name, value in {
        "color.ui": "always",
        "core.pager": "false",
        "core.quotePath": "true",
        "diff.external": "false",
        "diff.ignoreSubmodules": "none",
        "diff.noprefix": "true",
        "diff.orderFile": "/nowhere",
        "diff.relative": "true",
        "diff.renames": "copies",
    }.items():
        two.git("config", name, value)
    folder = two.path / "sub"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert command("diff", "HEAD^")[1][1:] == CHANGED
    assert command("diff", "HEAD^", "HEAD")[1][1:] == CHANGED


@pytest.mark.parametrize("name", ["GIT_LITERAL_PATHSPECS", "GIT_NOGLOB_PATHSPECS"])
def test_how_paths_are_to_be_read_changes_nothing(two, command, monkeypatch, name):
    monkeypatch.setenv(name, "1")
    assert command("diff", "HEAD^")[1][1:] == CHANGED


def test_a_git_folder_elsewhere_is_found(two, command, monkeypatch):
    monkeypatch.setenv("GIT_DIR", ".git")
    assert command("diff", "HEAD^")[1][1:] == CHANGED
    (two.path / "sub").mkdir()
    monkeypatch.chdir("sub")
    monkeypatch.setenv("GIT_DIR", "../.git")
    monkeypatch.setenv("GIT_WORK_TREE", "..")
    assert command("diff", "HEAD^")[1][1:] == CHANGED


def test_a_path_with_spaces_and_other_letters_is_no_trouble(
    repository, command, store, baseline, monkeypatch
):
    folder = repository.path / "Prüfung [1] * ø"
    store("recall", folder=folder, parameters="ü/ö")
    repository.commit("Grüße")
    store("recall", baseline(0.6), folder=folder, parameters="ü/ö")
    monkeypatch.chdir(folder)
    status, out, _ = command("diff")
    assert (status, out[-1]) == (1, "1 finding changed: 1 weakened")
    assert out[1].startswith("weakened test_heads[_")
    assert command("diff", "--", ".")[0] == 1


def test_a_clone_in_a_folder_with_spaces_is_no_trouble(two, command, monkeypatch):
    two.git("clone", "-q", ".", "a clone of ü")
    monkeypatch.chdir("a clone of ü")
    assert command("diff", "HEAD^")[1][1:] == CHANGED


def test_a_work_tree_of_its_own_is_no_trouble(two, command, monkeypatch):
    two.git("worktree", "add", "-q", "apart", "HEAD")
    monkeypatch.chdir("apart")
    assert command("diff", "HEAD^")[1][1:] == CHANGED


# What it refuses


def refused(command, *arguments):
    status, out, errors = command("diff", *arguments)
    assert (status, out) == (2, [])
    return "\n".join(errors)


def test_an_unknown_revision_is_a_usage_error(two, command):
    for revisions in (["nonsense"], ["HEAD", "nonsense"], ["nonsense..HEAD"], ["HEAD...nonsense"]):
        assert refused(command, *revisions) == (
            "pytest-circuits: git knows no revision 'nonsense' here.\nIf others have it: git fetch"
        )


@pytest.mark.parametrize("revision", ["", "-5", FILE, "HEAD:__circuits__"])
def test_what_is_no_commit_is_a_usage_error(two, command, revision):
    assert "git knows no revision" in refused(command, revision)


def test_a_path_without_dashes_is_told_how_to_be_one(two, command):
    assert refused(command, "__circuits__").endswith(
        "To look at a path: pytest-circuits diff -- __circuits__"
    )


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["main", "a b"], "main -- 'a b'"),
        (["__circuits__", "main"], "main -- __circuits__"),
        (["HEAD", "main", "__circuits__", "a b"], "HEAD main -- __circuits__ 'a b'"),
    ],
)
def test_the_advice_keeps_what_is_a_revision(two, command, words, advice):
    (two.path / "a b").mkdir()
    assert refused(command, *words).endswith(f": pytest-circuits diff {advice}")


@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use can't be deleted there")
def test_a_folder_that_is_gone_is_a_usage_error(two, command, monkeypatch):
    (two.path / "gone").mkdir()
    monkeypatch.chdir("gone")
    (two.path / "gone").rmdir()
    assert refused(command).startswith("pytest-circuits: the working directory is not there any")


def test_a_branch_that_only_origin_has_is_named(two, command, monkeypatch):
    two.git("branch", "base", "HEAD^")
    two.git("clone", "-q", ".", "clone")
    monkeypatch.chdir("clone")
    assert refused(command, "base").endswith("'base' here, but it knows origin/base")
    assert command("diff", "origin/base")[0] == 1


def test_three_revisions_are_too_many(two, command):
    assert refused(command, "a", "b", "c").startswith(
        "pytest-circuits: 3 revisions (a, b, c), and two can be compared."
    )


def test_a_shallow_clone_says_what_to_fetch(two, command, monkeypatch):
    two.git("clone", "-q", "--depth=1", f"file://{two.path}", "clone")
    monkeypatch.chdir("clone")
    assert refused(command, "HEAD^") == (
        "pytest-circuits: git knows no revision 'HEAD^' here: this clone is shallow.\n"
        "Fetch what is missing: git fetch --unshallow, or git fetch --depth=1 origin REV"
    )
    two.git("-C", "clone", "fetch", "-q", "--unshallow")
    assert command("diff", "HEAD^")[1][1:] == CHANGED


def test_branches_without_a_common_commit_have_no_three_dots(two, command, store):
    two.git("checkout", "-q", "--orphan", "other")
    two.commit("Begin anew")
    assert "main and other have no commit in common" in refused(command, "main...other")
    assert command("diff", "main..other")[0] == 0


def test_a_repository_without_commits_is_a_usage_error(repository, command):
    assert refused(command) == (
        "pytest-circuits: there is no commit yet that baselines could be compared with"
    )


def test_outside_a_repository_it_is_a_usage_error(tmp_path, command, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    assert refused(command).startswith("pytest-circuits: git: not a git repository")


def test_what_git_says_to_do_is_passed_on(two, command, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    text = refused(command)
    assert text.startswith("pytest-circuits: git: detected dubious ownership in repository at ")
    assert "git config --global --add safe.directory" in text


def test_without_git_it_is_a_usage_error(two, command, monkeypatch):
    monkeypatch.setenv("PATH", str(two.path))
    assert refused(command).startswith("pytest-circuits: there is no git here")


# What it costs


def test_it_asks_git_a_few_times_however_many_baselines_there_are(
    two, command, store, baseline, monkeypatch
):
    for number in range(12):
        store("recall", baseline(0.9), test=f"test_{number}")
    calls = []
    run = subprocess.run
    monkeypatch.setattr(
        subprocess, "run", lambda *args, **options: calls.append(args) or run(*args, **options)
    )
    assert len(command("diff", "HEAD^")[1]) == 15
    assert len(calls) == 8


def test_it_needs_neither_a_model_nor_what_draws_pages(two):
    code = """
import contextlib, io, sys
from pytest_circuits.cli import main
with contextlib.redirect_stdout(io.StringIO()) as out:
    status = main(["diff", "HEAD^"])
heavy = {"torch", "transformer_lens", "transformers", "syrupy", "pytest", "plotly", "jinja2"}
print(status, len(out.getvalue().splitlines()), sorted(heavy & set(sys.modules)))
"""
    assert in_fresh_python(code) == "1 3 []\n"
