"""Ask the container runtime itself to refuse a pod's containers while the node's agent is away.

NRI's default validator (`plugins/default-validator` of NRI 0.10 and later) reads which plugins a
pod requires from its annotations; where it is off, they are of no effect.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from numalocal import names
from numalocal.problems import printable
from numalocal.worker.composing import NotPlain, compose

_POD: Final = f"{names.ANNOTATION_REQUIRED_PLUGINS}/pod"
_CONTAINER: Final = f"{names.ANNOTATION_REQUIRED_PLUGINS}/container."
_MOST_NOTES: Final = 8


def required_plugins(given: Mapping[str, Any]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Add the agent to the plugins that a pod's annotations require.

    Give the annotations to change, and a sentence for each that nobody can read, at most eight.
    The validator takes the first of a container's own annotation, the pod's and the bare one: all
    that are there name the agent then.
    """
    theirs = sorted(name for name in given if _is_one(name))
    if not any(name in (names.ANNOTATION_REQUIRED_PLUGINS, _POD) for name in theirs):
        theirs.append(names.ANNOTATION_REQUIRED_PLUGINS)
    written, notes = {}, []
    for name in theirs:
        plugins = _plugins(given.get(name, ""))
        if plugins is None:
            said = printable(str(given[name]))
            notes.append(f"annotation {name} stays as it is, for it is no list of plugins: {said}")
        elif names.PLUGIN not in plugins:
            written[name] = json.dumps([*plugins, names.PLUGIN], separators=(",", ":"))
    return written, tuple(notes[:_MOST_NOTES])


def _is_one(name: str) -> bool:
    return name in (names.ANNOTATION_REQUIRED_PLUGINS, _POD) or name.startswith(_CONTAINER)


def _plugins(value: Any) -> list[str] | None:
    """Read a YAML list of names, as the validator does; None where it is none."""
    try:
        documents = compose(str(value))
    except NotPlain:
        return None
    found = documents[0] if documents else None
    if found is None:
        return []
    is_list = isinstance(found, list) and all(isinstance(one, str) for one in found)
    return found if is_list else None
