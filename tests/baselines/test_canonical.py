from __future__ import annotations

import json
import math

import pytest

from pytest_circuits.baselines.codec import dumps


def test_a_document_has_one_exact_text():
    document = {
        "name": 'ünïcode → "quoted"\n',
        "count": 3,
        "nothing": None,
        "yes": True,
        "empty": {},
        "none": [],
        "row": [0.1, -2.0, None, 1e-05],
        "matrix": [[0.5, 1.0], [None, 2.0]],
        "deep": {"list": [{"a": 1}, []]},
    }

    assert dumps(document) == (
        "{\n"
        '  "name": "ünïcode → \\"quoted\\"\\n",\n'
        '  "count": 3,\n'
        '  "nothing": null,\n'
        '  "yes": true,\n'
        '  "empty": {},\n'
        '  "none": [],\n'
        '  "row": [0.1, -2.0, null, 1e-05],\n'
        '  "matrix": [\n'
        "    [0.5, 1.0],\n"
        "    [null, 2.0]\n"
        "  ],\n"
        '  "deep": {\n'
        '    "list": [\n'
        "      {\n"
        '        "a": 1\n'
        "      },\n"
        "      []\n"
        "    ]\n"
        "  }\n"
        "}\n"
    )
    assert json.loads(dumps(document)) == document


def test_reading_a_text_and_writing_it_again_changes_no_byte():
    text = dumps({"values": [[0.1, 0.30000000000000004], [1e22, 5e-324]], "n": 10})

    assert dumps(json.loads(text)) == text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_json_is_refused(value):
    with pytest.raises(ValueError, match="not JSON compliant"):
        dumps({"values": [[0.1, value]]})
