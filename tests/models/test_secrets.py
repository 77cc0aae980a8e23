"""What of an address is shown: scheme, host, path, and the names of parameters."""

from __future__ import annotations

import time

import pytest
from circuit_suites import few

from pytest_circuits.models import ModelError, parse_source
from pytest_circuits.models.secrets import redacted, secrets_of, shown_address

#: Addresses with a secret in every place that one can stand in, and how they are shown.
ADDRESSES = {
    "pkg://host/m?token=canary7": "pkg://host/m?token=***",
    "https://host/m?rev=main77&token=canary7": "https://host/m?rev=***&token=***",
    "https://host/m?canary7": "https://host/m?***",
    "https://host/m?canary7==": "https://host/m?***",
    "https://host/m#canary7": "https://host/m#***",
    "https://host/m#token=canary7": "https://host/m#token=***",
    "https://host/m?a=bbbbbb#canary7": "https://host/m?a=***#***",
    "https://host/m?a=bbbbbb;token=canary7": "https://host/m?a=***;token=***",
    "https://host/m;v=1;token=canary7": "https://host/m;v=***;token=***",
    "https://host/m&token=canary7": "https://host/m&token=***",
    "https://host/m?t[x]=canary7": "https://host/m?t[x]=***",
    "https://host/m%3Ftoken%3Dcanary7": "https://host/m%3Ftoken%3D***",
    "https%3A%2F%2Fann%3Acanary7%40host%2Fm": "https%3A%2F%2F***%40host%2Fm",
    "https://ann:canary7@host/m": "https://***@host/m",
    "https://canary7@host/m": "https://***@host/m",
    "https://ann%3Acanary7%40host/m": "https://***%40host/m",
    "https://ann:canary7/p@host/m": "https://***@host/m",
    "https://ann:canary7?p#q@host/m": "https://***@host/m",
    "https://ann:one@canary7@host/m": "https://***@host/m",
    "https://proxy/https://ann:canary7@host/m": "https://proxy/https://***@host/m",
    "https://proxy/?to=https%3A%2F%2Fann%3Acanary7%40host": "https://proxy/?to=***",
    "registry:host/m?token=canary7": "registry:host/m?token=***",
    "registry:ann:canary7@host/m": "registry:***@host/m",
    "git+ssh://ann:canary7@host/m": "git+ssh://***@host/m",
    "registry:ann:canary7@host/m?token=canary7": "registry:***@host/m?token=***",
    "org/model?token=canary7": "org/model?token=***",
    "org/model@rev?token=canary7": "org/model@rev?token=***",
    "org/model#token=canary7&a=b": "org/model#token=***&a=***",
    "./m?token=canary7": "./m?token=***",
    "/models/m#token=canary7": "/models/m#token=***",
    "C:\\m?token=canary7": "C:\\m?token=***",
    "./m%3Ftoken%3Dcanary7": "./m%3Ftoken%3D***",
    "my_reg://h/m?token=canary7": "my_reg://h/m?token=***",
    "_pkg://h/m?token=canary7": "_pkg://h/m?token=***",
    "9p://h/m?token=canary7": "9p://h/m?token=***",
    "//ann:canary7@host/m": "//***@host/m",
    "ann:canary7@host/m": "***@host/m",
    "ann%3Acanary7%40host/m": "***%40host/m",
    "git@host:org/m?token=canary7": "git@host:org/m?token=***",
    "https://host/m%253Ftoken%253Dcanary7": "https://host/m%253Ftoken%253D***",
    "https://host/m%25253Fcanary7": "https://host/m%25253F***",
    "https://ann%253Acanary7%2540host/m": "https://***%2540host/m",
    "https://host:canary7/m": "https://host:***/m",
    "https://host:80:canary7/m": "https://host:80:***/m",
    "https://host%3Acanary7/m": "https://host%3A***/m",
    "https://[::1]:canary7/m": "https://[::1]:***/m",
    "./base+https://host/m?token=canary7": "./base+https://host/m?token=***",
    "org/model+pkg://ann:canary7@host/m": "org/model+pkg://***@host/m",
    "https://host/m?token=abc,canary7": "https://host/m?token=***",
    "https://host/m?token=abc(canary7": "https://host/m?token=***",
    "S3://host/m?X-Amz-Signature=canary7&x=": "S3://host/m?X-Amz-Signature=***&***",
}
#: Addresses, and names that look a little like one, in which nothing is secret.
OPEN = [
    "bundled:recall",
    "package.module:factory",
    "org/model@main",
    "registry:model@v3",
    "s3://bucket/path/m",
    "http://host:8080/a@b",
    "./runs/ckpt-500",
    "C:\\models\\m",
    "C:/models/m#1",
    "\\\\server\\share\\m#final2",
    "./runs/step#500000",
    "../runs/really?/m",
    "/models/c#sharp/m",
    "~/runs/a#b/lr=0.0001",
    "runs\\a#123456",
    "https://[::1]:8080/m",
    "//server/share/m",
]


@pytest.mark.parametrize(("address", "shown"), ADDRESSES.items())
def test_an_address_is_shown_without_what_may_be_secret(address, shown):
    assert shown_address(address) == shown
    assert redacted(f"no access to {address}: 403") == f"no access to {shown}: 403"
    assert redacted(f"no access ({address}).") == f"no access ({shown})."


@pytest.mark.parametrize("address", ADDRESSES)
def test_nor_is_the_secret_by_itself(address):
    assert redacted("no access with canary7", secrets_of(address)).startswith("no access with ***")


@pytest.mark.parametrize("text", OPEN)
def test_what_holds_no_secret_is_shown_as_it_is(text):
    assert (shown_address(text), redacted(text), secrets_of(text)) == (text, text, set())


def test_a_secret_is_known_as_others_write_it():
    secrets = secrets_of("pkg://host/m?token=can%2Fary+7%C3%BC")
    for written in ("can%2Fary+7%C3%BC", "can/ary 7ü", "can/ary+7ü", "can%2Fary%207%C3%BC"):
        assert redacted(f"<{written}>", secrets) == "<***>"


def test_a_source_that_holds_signs_of_every_kind_is_hidden_to_its_end():
    assert shown_address("pkg://host/m?token=one two'three\"four") == "pkg://host/m?token=***"


@pytest.mark.parametrize(
    "token",
    [
        "hf_" + "aB3" * 10,
        "ghp_" + "aB3" * 12,
        "github_pat_" + "aB3_" * 10,
        "glpat-" + "aB3-" * 6,
    ],
)
def test_what_looks_like_a_token_is_hidden_anywhere(token):
    assert redacted(f"sent {token}!") == "sent ***!"


def test_a_source_tells_no_secret_when_it_is_printed():
    source = parse_source("pkg://ann:canary7@host/m?token=canary8")
    assert repr(source) == "Source('pkg://***@host/m?token=***')"
    assert source.public_name == source.shown == "pkg://***@host/m?token=***"


@pytest.mark.parametrize("address", ["org/model?canary7", "org/model#canary7", "org/m@v?canary7"])
def test_what_follows_a_name_of_the_hub_is_no_part_of_it(address):
    assert "canary7" not in shown_address(address)
    assert "canary7" in secrets_of(address)


@pytest.mark.parametrize("sign", list(",() '\"<>`|:/"))
def test_a_part_of_a_secret_is_known_too(sign):
    address = f"https://host/m?token=abcdef{sign}canary7"
    assert {f"abcdef{sign}canary7", "canary7"} <= secrets_of(address)


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_refusal_of_an_address_tells_its_secret(address):
    try:
        said = repr(parse_source(address))
    except ModelError as error:
        said = str(error)
    assert "canary7" not in said
    assert "***" in said


def test_a_folder_with_such_a_name_is_one_and_shown(tmp_path):
    for name, shown in {"a#1": "a#1", "m?token=canary7": "m?token=***"}.items():
        (tmp_path / name).mkdir()
        source = parse_source(f"./{name}", tmp_path)
        assert source.location == str(tmp_path / name)
        assert (source.shown, source.public_name) == (f"./{shown}", f"directory:{shown}")


def test_no_error_of_ours_tells_one():
    with pytest.raises(ModelError) as error:
        parse_source("./x https://ann:canary7@host/m?token=canary8")
    assert str(error.value).startswith("'./x https://***@host/m?token=***")


@pytest.mark.parametrize(
    "part",
    few(
        ["http://", "a:b@", "?a=", "%253A", "a.", ":", ";", "%3B", "//:x", "%25", "x?a", "//x@"], 4
    ),
)
def test_a_long_text_takes_no_long_time(part):
    text = f"http://{part * 50_000}"
    before = time.process_time()
    redacted(text)
    shown_address(text)
    secrets_of(text)
    assert time.process_time() - before < 5
