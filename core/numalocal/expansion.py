"""Expand `$(NAME)` in a container's command, args and environment as the kubelet does.

Mirrors k8s.io/kubernetes/third_party/forked/golang/expansion.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

_REFERENCE: Final = re.compile(r"\$(?:\$|\(([^)]*)\))")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Put values for `$(NAME)`; `$$` is a dollar, and what is not known stays as it is."""

    def value(reference: re.Match[str]) -> str:
        name = reference[1]
        if name is None:
            return "$"
        return variables.get(name, reference[0])

    return _REFERENCE.sub(value, text)


def environment(entries: Sequence[Mapping[str, Any]], first: Mapping[str, str]) -> dict[str, str]:
    """Give a container's plain variables, each expanded with `first` and those before it.

    References to cluster objects mean nothing here, and are left out.
    """
    known = dict(first)
    own = {}
    for entry in entries:
        if "value" in entry:
            own[entry["name"]] = known[entry["name"]] = expand(str(entry["value"]), known)
    return own
