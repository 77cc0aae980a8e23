from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pytest_circuits.models import ModelError, SourceKind, bundled_names, parse_source
from pytest_circuits.models.sources.folders import checkpoint_folder


@pytest.fixture
def home(tmp_path, monkeypatch):
    (tmp_path / "checkpoints" / "step-500").mkdir(parents=True)
    (tmp_path / "notes.txt").write_text("no model")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_models_that_come_along_are_named():
    assert bundled_names() == ["recall", "recall-finetuned", "recall-regressed"]


def test_a_bundled_model_is_a_source():
    source = parse_source(" bundled:recall ")

    assert (source.kind, source.location) == (SourceKind.BUNDLED, "recall")
    assert source.public_name == source.text == "bundled:recall"


@pytest.mark.parametrize("text", ["./checkpoints/step-500", "checkpoints/step-500"])
def test_a_folder_is_a_source(home, text):
    source = parse_source(text)

    assert source.kind is SourceKind.DIRECTORY
    assert Path(source.location) == home / "checkpoints" / "step-500"
    assert source.public_name == "directory:step-500"


def test_an_absolute_folder_is_a_source(home):
    assert parse_source(str(home)).location == str(home)


def test_a_relative_folder_starts_from_the_base(home, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))

    source = parse_source("checkpoints/step-500", base=home)

    assert Path(source.location) == home / "checkpoints" / "step-500"


@pytest.mark.parametrize(
    "text", ["~/checkpoints/step-500", "$MODELS/step-500", "${MODELS}/step-500"]
)
def test_home_and_variables_are_expanded(home, monkeypatch, text):
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setenv("MODELS", str(home / "checkpoints"))

    assert Path(parse_source(text).location) == home / "checkpoints" / "step-500"


@pytest.mark.parametrize(
    ("text", "location", "revision"),
    [
        ("gpt2", "gpt2", None),
        ("org/name-1.0_x", "org/name-1.0_x", None),
        ("org/name@main", "org/name", "main"),
        ("org/name@refs/pr/1", "org/name", "refs/pr/1"),
        ("EleutherAI/pythia-70m@step1000", "EleutherAI/pythia-70m", "step1000"),
    ],
)
def test_a_hub_id_is_a_source(home, text, location, revision):
    source = parse_source(text)

    assert source.kind is SourceKind.HUB
    assert (source.location, source.revision) == (location, revision)
    assert source.public_name == text


def test_a_folder_comes_before_a_hub_id_of_the_same_name(home):
    (home / "gpt2").mkdir()

    assert parse_source("gpt2").kind is SourceKind.DIRECTORY


def test_a_gguf_file_is_a_source(home):
    (home / "model.gguf").touch()

    source = parse_source("./model.gguf")

    assert (source.kind, Path(source.location)) == (SourceKind.GGUF, home / "model.gguf")
    assert source.public_name == "gguf:model.gguf"


@pytest.mark.parametrize("text", ["models:make", "my.models.tiny:Maker.make", "größe:mach"])
def test_a_function_is_a_source(home, text):
    source = parse_source(text)

    assert (source.kind, source.location, source.public_name) == (SourceKind.FACTORY, text, text)


@pytest.mark.parametrize("text", ["s3://bucket/model", "registry:team/model/3", "mlflow:/models/1"])
def test_what_has_a_scheme_may_be_known_to_somebody_else(home, text):
    source = parse_source(text)

    assert (source.kind, source.location, source.public_name) == (SourceKind.OTHER, text, text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "there is no such file or folder"),
        ("./missing", "there is no such file or folder"),
        ("/nowhere/at/all", "there is no such file or folder"),
        ("~/missing", "there is no such file or folder"),
        ("$MISSING/model", "there is no such file or folder"),
        ("runs\\checkpoint", "there is no such file or folder"),
        ("a/b/c", "there is no such file or folder"),
        ("org/name@", "there is no such file or folder"),
        ("org/na me", "there is no such file or folder"),
        ("./missing.gguf", "there is no such file or folder"),
        ("a.b:", "there is no such file or folder"),
        ("./notes.txt", "is a file"),
    ],
)
def test_anything_else_is_refused_with_what_a_source_is(home, text, why):
    with pytest.raises(ModelError) as error:
        parse_source(text)

    assert str(error.value) == (
        f"{text!r} is no model source: {why}.\n"
        "A source is bundled:NAME (recall, recall-finetuned, recall-regressed), the folder of a "
        "checkpoint or\nof an adapter, a .gguf file, a hub id with or without a revision "
        "(org/name@revision),\nor package.module:factory."
    )


@pytest.mark.parametrize("name", ["", "gpt2", "../bundled/recall", "recall/config.json"])
def test_an_unknown_bundled_name_is_refused_with_the_known_ones(name):
    with pytest.raises(ModelError) as error:
        parse_source(f"bundled:{name}")

    assert str(error.value) == (
        f"no bundled model is called {name!r}.\n"
        "There are: recall, recall-finetuned, recall-regressed."
    )


@pytest.mark.parametrize(
    ("name", "meant"),
    [("recal", "recall"), ("Recall", "recall"), ("recall-finetuend", "recall-finetuned")],
)
def test_a_mistyped_bundled_name_is_asked_about(name, meant):
    with pytest.raises(ModelError) as error:
        parse_source(f"bundled:{name}")

    assert str(error.value) == (
        f"no bundled model is called {name!r}: did you mean {meant!r}?\n"
        "There are: recall, recall-finetuned, recall-regressed."
    )


def test_reading_a_source_imports_no_torch():
    code = (
        "import sys\n"
        "from pytest_circuits.models import parse_source, ModelPool\n"
        "parse_source('bundled:recall')\n"
        "ModelPool()\n"
        "print(*sorted({'torch', 'transformers', 'transformer_lens'} & set(sys.modules)))\n"
    )

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (run.returncode, run.stdout.strip(), run.stderr) == (0, "", "")


def folder_with(tmp_path, *names):
    for name in names:
        (tmp_path / name).write_text("{}")
    return parse_source(str(tmp_path))


def test_a_folder_without_config_is_no_checkpoint(tmp_path):
    source = folder_with(tmp_path, "model.safetensors")

    with pytest.raises(ModelError) as error:
        checkpoint_folder(source)

    assert str(error.value) == (
        f"{tmp_path}: there is no config.json, so this is no checkpoint.\n"
        "Name the folder that `save_pretrained` wrote."
    )


@pytest.mark.parametrize(
    ("names", "config", "said"),
    [
        (["ref", "policy"], "adapter_config.json", "adapters: policy, ref."),
        (
            ["checkpoint-1000", "checkpoint-500", "checkpoint-1500", "checkpoint-2000"],
            "config.json",
            "checkpoints: checkpoint-500, checkpoint-1000, checkpoint-1500 ….",
        ),
    ],
)
def test_a_folder_of_folders_names_those_that_are_sources(tmp_path, names, config, said):
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / config).write_text("{}")
    first = said.partition(": ")[2].partition(",")[0]

    with pytest.raises(ModelError) as error:
        checkpoint_folder(parse_source(str(tmp_path)))

    assert str(error.value) == (
        f"{tmp_path}: there is no config.json, so this is no checkpoint.\n"
        f"Its sub-folders hold {said}\n"
        f"Name one of them, as in {tmp_path / first}."
    )


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0123abcd\nsize 4567890\n"


@pytest.mark.parametrize(
    "name", ["model.safetensors", "config.json", "tokenizer.json", "tokenizer.model"]
)
def test_a_pointer_of_git_lfs_is_called_one(tmp_path, name):
    source = folder_with(tmp_path, "config.json", "model.safetensors", "tokenizer.json")
    (tmp_path / name).write_text(POINTER)

    with pytest.raises(ModelError) as error:
        checkpoint_folder(source)

    assert str(error.value) == (
        f"{tmp_path}: {name} is a Git LFS pointer, not the file itself.\n"
        f"Run `git lfs pull` where it was cloned."
    )


def test_many_pointers_are_counted(tmp_path):
    source = folder_with(tmp_path, "config.json")
    for number in range(1, 4):
        (tmp_path / f"model-0000{number}-of-00003.safetensors").write_text(POINTER)

    with pytest.raises(ModelError, match=r"00001-of-00003\.safetensors and 2 more are Git LFS p"):
        checkpoint_folder(source)


def test_the_weights_of_an_adapter_may_be_a_pointer_too(tmp_path):
    source = folder_with(tmp_path, "adapter_config.json")
    (tmp_path / "adapter_model.safetensors").write_text(POINTER)

    with pytest.raises(ModelError, match=r"adapter_model\.safetensors is a Git LFS pointer"):
        checkpoint_folder(source)


def test_a_pointer_that_is_never_read_does_no_harm(tmp_path):
    source = folder_with(tmp_path, "config.json", "model.safetensors")
    for name in ("loss.png", "pytorch_model.bin"):
        (tmp_path / name).write_text(POINTER)

    assert checkpoint_folder(source) == tmp_path


@pytest.mark.parametrize("ending", ["bin", "pt", "pth", "ckpt", "pkl", "pickle"])
def test_pickled_weights_are_refused_with_the_way_to_convert_them(tmp_path, ending):
    source = folder_with(tmp_path, "config.json", f"weights.{ending}")

    with pytest.raises(ModelError) as error:
        checkpoint_folder(source)

    assert f"the weights are pickled (weights.{ending}), which could run any code" in str(
        error.value
    )
    assert "save_pretrained(folder" in str(error.value)


def test_pickled_files_beside_safetensors_do_no_harm(tmp_path):
    source = folder_with(tmp_path, "config.json", "model.safetensors", "optimizer.pt")

    assert checkpoint_folder(source) == tmp_path


def test_a_folder_without_weights_is_refused(tmp_path):
    source = folder_with(tmp_path, "config.json", "tokenizer.json")

    with pytest.raises(ModelError, match="there are no weights"):
        checkpoint_folder(source)


def test_a_folder_that_went_away_is_refused(tmp_path):
    (tmp_path / "checkpoint").mkdir()
    source = parse_source(str(tmp_path / "checkpoint"))
    (tmp_path / "checkpoint").rmdir()

    with pytest.raises(ModelError, match=r"there is no config\.json"):
        checkpoint_folder(source)
