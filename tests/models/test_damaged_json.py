"""JSON of a checkpoint that is none, or is made to break its reader, is refused by its name."""

import shutil

import pytest

from pytest_circuits.models import ModelError, load, parse_source
from pytest_circuits.models.fingerprint import fingerprint
from pytest_circuits.models.sources.source import BUNDLED

DAMAGES = {
    "brackets": b"[" * 200_000,
    "objects": b'{"a":' * 100_000,
    "a NUL": b"\0",
    "Latin-1": b'{"a": "\xe9"}',
    "a list": b"[]",
}


@pytest.mark.parametrize("data", DAMAGES.values(), ids=list(DAMAGES))
@pytest.mark.parametrize("name", ["config.json", "model.safetensors.index.json", "tokenizer.json"])
def test_a_checkpoints_json_is_refused(tmp_path, name, data):
    shutil.copytree(BUNDLED / "recall", tmp_path / "model")
    (tmp_path / "model" / name).write_bytes(data)
    with pytest.raises(ModelError) as error:
        load(parse_source(str(tmp_path / "model")))
    if name != "tokenizer.json":
        assert name in str(error.value)


def test_weights_with_a_header_that_is_nested_too_deeply_are_no_weights(tmp_path):
    header = b"[" * 200_000
    file = tmp_path / "model.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ValueError, match="is nested more than 64 levels deep"):
        fingerprint([file])
