"""What is said of a model, without the secrets that libraries say."""

import pytest

from pytest_circuits.models import ModelError
from pytest_circuits.models.secrets import redacted

SHORT, LONG = "secret-0f9d8e", "secret-0f9d8e7c6b5a"


@pytest.mark.parametrize(
    ("first", "second"), [(SHORT, LONG), (LONG, SHORT)], ids=["short first", "long first"]
)
def test_of_a_token_that_begins_like_another_nothing_is_left(monkeypatch, first, second):
    monkeypatch.setenv("HF_TOKEN", first)
    monkeypatch.setenv("HUGGING_FACE_HUB_TOKEN", second)

    assert redacted(f"sent {LONG}, then {SHORT}.") == "sent ***, then ***."
    assert str(ModelError(f"got {LONG}")) == "got ***"
