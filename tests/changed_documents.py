"""JSON documents with one change each, at every place."""

import copy

VALUES = (None, True, 0, -0.5, 10**400, "", [], ["a"], [1.5], {"a": 1})


def changed_documents(document, *, whole=()):
    """Every document with one change, and where it is.

    Args:
        document: an object.
        whole: names of fields within which nothing is changed.
    """
    for path in _paths(document, whole):
        for value in (..., *VALUES):
            yield path, value, changed(document, path, value)
        # Beside it, a field that no format has.
        *way, last = path
        if isinstance(last, str):
            beside = (*way, f"{last} 2")
            yield beside, 1, changed(document, beside, 1)


def changed(document, path, value):
    """The document with another value at a place; without the place for ``...``."""
    document = copy.deepcopy(document)
    *way, last = path
    part = document
    for step in way:
        part = part[step]
    if value is ...:
        del part[last]
    else:
        part[last] = value
    return document


def _paths(part, whole, path=()):
    for step, inner in part.items() if isinstance(part, dict) else enumerate(part):
        yield (*path, step)
        if isinstance(inner, (dict, list)) and step not in whole:
            yield from _paths(inner, whole, (*path, step))
