"""Hostile values, the same for a seed: what anybody may write, and what a broken peer sends."""

import json
from random import Random
from typing import Any

from numalocal import names
from numalocal.sets.assignment import Assignment
from numalocal.sets.memoryask import Enforcement, MemoryPolicy, Overflow
from numalocal.sets.near import MemoryNodes
from numalocal_deviceplugin.deviceids import sets_named
from numalocal_deviceplugin.wire import nri_v1alpha1_pb2 as nri

from ..nodes import N0, N1, make_partition

GIVEN = tuple(Assignment.of(sets_named(make_partition().sets, [one])).to_json() for one in (N0, N1))
NUMBERS = ("1", "0", "-1", "1" * 5000, "1e999", "NaN", "Infinity", "-0", "٣", "0x1", "1_0", "true")
TEXTS = (
    "",
    " ",
    "\0",
    "\x1b[31m",
    "\ufeff",
    "\u202e",
    "ä" * 100,
    "x" * 100_000,
    "../../..",
    "a/b:c",
    "system.slice:cri-containerd:id",
    "=" * 50,
    "{}",
    "[" * 100_000,
    '{"sets":' * 20_000,
    "0-8191," * 9000 + "1",
    "0-" + "9" * 5000,
    ",".join(map(str, range(8000))),
    "\\ud800",
    *NUMBERS,
)
WORDS = (*MemoryPolicy, *MemoryNodes, *Overflow, *Enforcement, "64Gi", "1e18")
KEYS = (
    names.assignment("cpuset"),
    names.assignment("\ud7ff"),
    names.assignment(""),
    names.assignment("x" * 5000),
    *sorted(names.POD_ANNOTATIONS),
    "x",
    "",
)
_MOST_TEXT = 256 << 10
"""Kubernetes refuses annotations that are longer together."""
NAMES = ("engine", "app", names.CHECK_CONTAINER, "", "x" * 5000, "a\n\x1b[0m")


def number(random: Random) -> Any:
    return random.choice((0, -1, 1, 2**31, 2**63, 10**400, 1.5, float("nan"), float("inf"), True))


def assignment(random: Random) -> str:
    """Write an assignment that is right, wrong in a place, or none at all."""
    given: Any = json.loads(random.choice(GIVEN))
    entry = random.choice(given["sets"])
    for _ in range(random.choice((0, 0, 1, 1, 2))):
        field = random.choice((*entry, "memoryNodes", "threadsPerCore", "x"))
        entry[field] = random.choice(
            (None, [], {}, [[]], {"a": 1}, number(random), random.choice(TEXTS), "0-7", "7-0")
        )
    match random.randrange(8):
        case 0:
            times = random.choice((0, 2, 64, 65, 400))
            given["sets"] = given["sets"] * min(times, _MOST_TEXT // len(json.dumps(given)) + 1)
        case 1:
            given["sets"] = random.choice((None, 1, "x", {}, [1], [None], ["x"]))
        case 2:
            return mutated(random, json.dumps(given).encode()).decode(errors="replace")
        case 3:
            return random.choice(TEXTS)
        case _:
            pass
    return json.dumps(given)


def annotations(random: Random, *, engines: bool) -> dict[str, str]:
    found = {}
    for _ in range(random.choice((0, 1, 2, 4))):
        text = random.choice((random.choice(TEXTS), random.choice(WORDS), assignment(random)))
        found[random.choice(KEYS)] = text
    if engines and random.random() < 0.7:
        found[names.assignment("cpuset")] = assignment(random)
    return found


def pod(random: Random, number_: int) -> nri.PodSandbox:
    made = nri.PodSandbox(
        id=f"sandbox-{number_}",
        uid=random.choice((f"uid-{number_}", "uid-0", "", "x" * 5000)),
        namespace=random.choice(("default", "kube-system", "", "x" * 300)),
        name=random.choice((f"pod-{number_}", "pod-0", *TEXTS[:8])),
    )
    made.annotations.update(annotations(random, engines=random.random() < 0.1))
    if random.random() < 0.5:
        made.annotations[names.ANNOTATION_BOUND_CONTAINERS] = names.CHECK_CONTAINER
    return made


def container(random: Random, number_: int) -> nri.Container:
    made = nri.Container(
        id=random.choice((f"id-{number_}", "id-0", "")),
        pod_sandbox_id=f"sandbox-{random.randrange(4)}",
        name=random.choice(NAMES),
        state=random.choice((0, 1, 2, 3, 4, 77, -5)),  # type: ignore[arg-type]
        args=[random.choice(TEXTS) for _ in range(random.choice((0, 1, 5)))],
        env=[random.choice(TEXTS) for _ in range(random.choice((0, 1, 5)))],
    )
    made.annotations.update(annotations(random, engines=True))
    made.linux.cgroups_path = random.choice(TEXTS[:14])
    cpu = made.linux.resources.cpu
    cpu.cpus, cpu.mems = random.choice(("", "0-7", *TEXTS)), random.choice(("", "0", *TEXTS))
    cpu.quota.value = random.choice((-1, 0, 1, 2**62))
    cpu.period.value = random.choice((0, 1, 2**63))
    return made


def worker(random: Random) -> tuple[nri.PodSandbox, nri.Container]:
    """Make a pod that has its CPU sets from the kubelet, and says of them what it likes."""
    owner = nri.PodSandbox(id="sandbox", uid="uid", namespace="default", name="pod-0")
    for key in random.sample(sorted(names.POD_ANNOTATIONS), random.randrange(1, 5)):
        owner.annotations[key] = random.choice((random.choice(TEXTS), random.choice(WORDS)))
    if random.random() < 0.8:
        owner.annotations[names.ANNOTATION_BOUND_CONTAINERS] = names.CHECK_CONTAINER
    engine = container(random, 1)
    engine.pod_sandbox_id, engine.id = owner.id, "id"
    engine.name = random.choice(("engine", "engine", names.CHECK_CONTAINER, *NAMES))
    engine.annotations.clear()
    if engine.name != names.CHECK_CONTAINER:
        engine.annotations[names.assignment("cpuset")] = random.choice(GIVEN)
    return owner, engine


def mutated(random: Random, data: bytes) -> bytes:
    """Change, cut, double or fill in a few bytes."""
    spoilt = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8))):
        place = random.randrange(len(spoilt) + 1)
        match random.randrange(4):
            case 0 if spoilt:
                spoilt[place % len(spoilt)] = random.randrange(256)
            case 1:
                del spoilt[place : place + random.choice((1, 4, 100))]
            case 2:
                spoilt[place:place] = spoilt[place : place + 20]
            case _:
                spoilt[place:place] = random.randbytes(random.choice((1, 4, 40)))
    return bytes(spoilt)
