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
        *way, last = path
        for value in (..., *VALUES):
            changed = copy.deepcopy(document)
            part = changed
            for step in way:
                part = part[step]
            if value is ...:
                del part[last]
            else:
                part[last] = value
            yield path, value, changed
        # Beside it, what nothing knows.
        if isinstance(last, str):
            changed = copy.deepcopy(document)
            part = changed
            for step in way:
                part = part[step]
            part[f"{last} 2"] = 1
            yield (*way, f"{last} 2"), 1, changed


def _paths(part, whole, path=()):
    for step, inner in part.items() if isinstance(part, dict) else enumerate(part):
        yield (*path, step)
        if isinstance(inner, (dict, list)) and step not in whole:
            yield from _paths(inner, whole, (*path, step))
