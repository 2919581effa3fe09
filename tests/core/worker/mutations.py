"""Documents that somebody could have: an example with a few things wrong, the same for a seed."""

import copy
import json
import math
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any, Final

import yaml

from numalocal.fields import is_deeper
from numalocal.worker.documents import load_worker

from ..conftest import EXAMPLES

ODD: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 1, 1.5, 4096, 1 << 31, 1 << 63, 10**30, math.inf, math.nan),
    *([], {}, [None], [[]], {"": None}, {"a": {"b": [1]}}, ["-x", 1], [{"name": "a"}]),
    *("", " ", "x" * 10_000, "\x1b[31m", "a\x1b]0;title\x07", "a\0b", "a\nb", "\u202eabc", "ü"),
    *("no", "2024-13-45", "12:30", "64Gi", "64", "1e9", "4 GB", "9" * 5_000, "-", "--", "='", "٣"),
    *("$(A)", "$$", "$(", "$(NUMALOCAL_CPUS)", "../..", "a/../b", "A=B", "numalocal-check"),
    *("engine", "sh", "-c", "vllm serve m --tensor-parallel-size='2", "--tensor-parallel-size"),
    *("-tp=9999999999", "--kv-cache-memory-bytes=x", "--threads", '{"a":', "numactl", "env", "[a"),
    *("llama-server", "vllm/vllm-openai-cpu:v0.9.1", "x:v99999999999999999999.1", "@sha256:", ":"),
    *("windows", "Always", "vllm", "llama.cpp", "sglang"),
)
"""Values that are wrong somewhere, or everywhere."""
KEYS: Final = (
    *("name", "args", "command", "env", "image", "value", "valueFrom", "resources", "limits"),
    *("memory", "requests", "cpu", "volumeMounts", "mountPath", "initContainers", "containers"),
    *("restartPolicy", "nodeName", "os", "volumes", "metadata", "labels", "annotations", "kvCache"),
    *("perRank", "ranks", "replicas", "reservedCores", "engine", "openMP", "pool", "placement"),
    *("namespace", "kind", "envFrom", "spec", "template", "apiVersion", "numalocal.io/cpuset"),
    *("\x1b[2J", "a" * 300, ""),
)
_TEXTS: Final = (
    *("\t", "\0", "\x1b[31m", "&a ", "*a", "!!python/name:os.system ", "<<: *a", "- ", "{", "]"),
    *("'", "? ", "---\n", "\ufeff", "%YAML 1.3\n", ": ", "#", "|\n", "\r", "\x85"),
)
_EXAMPLES: Final = tuple(load_worker(path) for path in sorted(EXAMPLES.glob("*.yaml")))


def hostile(seed: int) -> bytes:
    """Make one."""
    random = Random(seed)
    document: Any = copy.deepcopy(random.choice(_EXAMPLES))
    for _ in range(random.choice((1, 1, 2, 3, 5))):
        if not is_deeper(document, 50):  # or it could not be written
            document = changed(random, document)
    return _written(random, document)


def changed(random: Random, document: Any) -> Any:
    """Spoil one thing of a document, in place where it can be."""
    places = list(_places(document))
    if not places:
        return random.choice(ODD)
    # Near the root all changes are alike: most are made where a template is deep.
    weights = [depth * depth for _, _, depth in places]
    ((holder, key, _),) = random.choices(places, weights)
    change: Callable[[Random, Any, Any], None] = random.choice(
        (_replace, _reword, _reword, _delete, _repeat, _wrap, _swap, _rename, _add, _deepen)
    )
    change(random, holder, key)
    return document


def _places(value: Any, depth: int = 1) -> Iterator[tuple[Any, Any, int]]:
    """Give every mapping and list with each of its keys, and how deep it lies."""
    inner: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for key, one in inner:
        yield value, key, depth
        yield from _places(one, depth + 1)


def _replace(random: Random, holder: Any, key: Any) -> None:
    holder[key] = copy.deepcopy(random.choice(ODD))


def _reword(random: Random, holder: Any, key: Any) -> None:
    """Put another text for a text, which most fields take."""
    if isinstance(holder[key], str):
        holder[key] = random.choice([one for one in ODD if isinstance(one, str)])


def _delete(_random: Random, holder: Any, key: Any) -> None:
    del holder[key]


def _repeat(random: Random, holder: Any, key: Any) -> None:
    if isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
        holder *= random.choice((1, 1, 1, 50))
    else:
        holder[random.choice(KEYS)] = copy.deepcopy(holder[key])


def _wrap(random: Random, holder: Any, key: Any) -> None:
    inner = holder[key]
    holder[key] = random.choice(([inner], {"value": inner}, {random.choice(KEYS): inner}))


def _swap(random: Random, holder: Any, key: Any) -> None:
    other = random.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    holder[key], holder[other] = holder[other], holder[key]


def _rename(random: Random, holder: Any, key: Any) -> None:
    if isinstance(holder, dict):
        holder[random.choice(KEYS)] = holder.pop(key)


def _add(random: Random, holder: Any, _key: Any) -> None:
    value = copy.deepcopy(random.choice(ODD))
    if isinstance(holder, dict):
        holder[random.choice(KEYS)] = value
    else:
        holder.append(value)


def _deepen(random: Random, holder: Any, key: Any) -> None:
    for _ in range(random.choice((3, 60, 120))):
        holder[key] = [holder[key]] if random.random() < 0.5 else {"a": holder[key]}


def _written(random: Random, document: Any) -> bytes:
    if random.random() < 0.1:
        text = json.dumps(document)
    else:
        text = yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False)
    if random.random() < 0.3:
        for _ in range(random.choice((1, 1, 3))):
            at = random.randrange(len(text) + 1)
            text = random.choice(
                (
                    text[:at] + random.choice(_TEXTS) + text[at:],
                    text[:at] + text[at + random.randrange(1, 20) :],
                    text[:at],
                    text + text[at:],
                )
            )
    encoding = random.choice(("utf-8",) * 20 + ("utf-16", "utf-8-sig", "latin-1"))
    return text.encode(encoding, "replace")
