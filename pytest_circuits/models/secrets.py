"""Tokens and passwords: what libraries say may hold them, and what we say must not."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from pathlib import Path

#: What stands in a secret's place.
HIDDEN = "***"
_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
#: ``user:password@`` of an address, a hub's token, and what a request's header has.
_SECRETS = re.compile(
    r"(?<=://)[^/?#\s'\"]+(?=@)|\bhf_[A-Za-z0-9]{20,}|(?<=Bearer )[^\s'\"]+", re.IGNORECASE
)
#: A shorter value is a word that any text may have.
_SHORTEST = 6


def redacted(text: str) -> str:
    """A text without the secrets in it.

    These are the hub's token, from the environment or from ``hf auth login``, whatever looks like
    one or stands in an authorization header, and an address's user and password.
    """
    for secret in _known():
        # Libraries show what they can't send as Python writes it.
        for written in {secret, repr(secret)[1:-1]}:
            text = text.replace(written, HIDDEN)
    return _SECRETS.sub(HIDDEN, text)


def _known() -> list[str]:
    """The values that must not be shown, longest first."""
    values = [os.environ.get(name, "") for name in _VARIABLES]
    # Only the hub's own library reads the stored token; without it nobody can have said it.
    hub = sys.modules.get("huggingface_hub.constants")
    if hub is not None:
        with suppress(OSError, ValueError):
            values.append(Path(hub.HF_TOKEN_PATH).read_text(encoding="utf-8"))
    found = {value.strip() for value in values}
    return sorted((value for value in found if len(value) >= _SHORTEST), key=len, reverse=True)
