"""Expand `$(NAME)` in a container's command, args and environment as the kubelet does.

Mirrors k8s.io/kubernetes/third_party/forked/golang/expansion.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

_REFERENCE: Final = re.compile(r"\$(?:\$|\(([^)]*)\))")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Put values for `$(NAME)`; `$$` is a dollar, and what is not known stays as it is."""

    def value(reference: re.Match[str]) -> str:
        name = reference[1]
        if name is None:
            return "$"
        return variables.get(name, reference[0])

    # Behind the last parenthesis no reference ends, and to look for it there takes for ever.
    end = text.rfind(")") + 1
    return _REFERENCE.sub(value, text[:end]) + text[end:].replace("$$", "$")


def size_bytes(text: str, sizes: Mapping[str, int]) -> int:
    """Say how many bytes a text has at most when expanded, by the sizes of what is known."""
    size = len(text.encode("utf-8", "surrogatepass"))
    for reference in _REFERENCE.finditer(text, 0, text.rfind(")") + 1):
        size += sizes.get(reference[1], 0)
    return size


def environment(entries: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    """Give a container's variables in order, each expanded with those before it.

    Variables that come with a device are none of these, as in the kubelet.  Of two with the same
    name the last wins; one whose value is not known (None) is left out.
    """
    known: dict[str, str] = {}
    for name, value in entries:
        if value is None:
            known.pop(name, None)
        else:
            known[name] = expand(value, known)
    return known
