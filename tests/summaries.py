"""Documents of findings that are edited in tests, with summaries that follow from their numbers."""

from __future__ import annotations

import numpy as np

from pytest_circuits.findings import Head
from pytest_circuits.findings.encoding import decode, encode
from pytest_circuits.findings.statistics import linearised, mean_and_error

#: An error of samples that were rounded to four decimals is that far off at most, as it is stored.
_ROUNDING = 1e-4


def agree(document):
    """Let what a document says twice say the same, where only one of the two was edited.

    Values and what is in the role decide; samples follow by a shift, errors and lists by being
    computed anew. What makes the document no finding is left as it is.
    """
    try:
        _samples(document)
        finding = decode(document)
        if finding.role is not None:
            document["role"]["members"] = encode(finding)["role"]["members"]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return


def _samples(document):
    for behaviour in document["companion"].values():
        if "profile" in behaviour:
            samples = np.array(behaviour["profile"])
            samples = samples + behaviour["value"] - samples.mean()
            behaviour["profile"] = samples.tolist()
            if behaviour["clusters"] == len(samples) > 1:
                behaviour["error"] = _error(samples, behaviour["error"])
    whole = document["companion"].get(document.get("relative_to"), {}).get("profile")
    for label, profile in document.get("profiles", {}).items():
        samples = np.array(profile)
        if document["axes"] == ["layer", "head"]:
            head = Head.parse(label)
            values, errors = (document[part][head.layer] for part in ("values", "errors"))
            place = head.head_index
        else:
            values, errors, place = document, document, None
        value = values["values"] if place is None else values[place]
        if value is None:
            continue
        mean = value if whole is None else value * np.mean(whole)
        samples = samples + mean - samples.mean()
        document["profiles"][label] = samples.tolist()
        if document["clusters"] == len(samples) > 1:
            own = samples if whole is None else linearised(samples, np.array(whole))
            place = "errors" if place is None else place
            errors[place] = _error(own, errors[place])


def _error(samples, stored):
    """The error of their mean; what is stored, if it is that but for what rounding does."""
    found = float(mean_and_error(samples, range(len(samples)))[1])
    return stored if abs(found - stored) <= _ROUNDING else round(found, 4)
