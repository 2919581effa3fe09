"""Any pod, in any state: it gets what it asks for, or sentences, and keeps all the rest."""

import copy
import json
import os
import time
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numalocal import names
from numalocal.errors import SpecInvalid
from numalocal.fields import MAX_PROBLEMS, is_deeper
from numalocal.worker.admission import admit, asks
from numalocal.worker.inject import CheckImage, PoolNumbers

from ..conftest import GIB
from .mutations import ODD, changed
from .real_pods import REAL

PODS = int(os.environ.get("NUMALOCAL_HOSTILE_PODS", "400"))
MOST_SECONDS = 5.0
IMAGE = CheckImage(image="binder:1", pull_policy="IfNotPresent")
POOLS = {
    "cpuset": PoolNumbers(cpus_per_set=4, node_bytes=64 * GIB),
    "none": PoolNumbers(),
}
VALUES = {
    "cpusets": ("1", "2", "64", "0", "-1", "65", "1.0", "1e1", "", " 2 ", "٣", "1" * 5000),
    "pool": ("cpuset", "none", "gone", "", "A", "a/b", "x" * 64, "numalocal.io/cpuset"),
    "engine": ("vllm", "sglang", "llama.cpp", "ovms", "tgi", "none", "vlm", "", "x" * 5000),
    "openmp": ("auto", "gnu", "intel", "none", "libgomp", ""),
    "reserved-cores": ("0", "1", "1024", "1025", "-1", "two"),
    "memory": ("8Gi", "64", "1e30", "-1Gi", "4 GB", "9" * 64 + "E", "", "1.5G"),
    "kv-cache": ("auto", "4Gi", "64Gi", "1", ""),
    "container": ("server", "a", "istio-proxy", "gone", "", "A", "x" * 64),
    "bound-containers": ("istio-proxy", ""),
    "notes": ("all is well", "x" * 100_000),
    "attempt": ("1", "9" * 5000),
    "cpuset": ("1",),
}


def hostile(seed: int) -> Any:
    """Make a pod, the same for a seed."""
    random = Random(seed)
    pod: Any = copy.deepcopy(REAL[random.choice(sorted(REAL))])
    annotations = pod["metadata"]["annotations"]
    for _ in range(random.choice((0, 1, 2, 4))):
        field = random.choice(sorted(VALUES))
        annotations[f"numalocal.io/{field}"] = random.choice(VALUES[field])
    if random.random() < 0.3 and (made := outcome(pod)[0]):
        pod = made  # as it comes again, after somebody else
    for _ in range(random.choice((0, 0, 1, 1, 2, 3, 5))):
        if not is_deeper(pod, 50):
            pod = changed(random, pod)
    if random.random() < 0.1 and isinstance(pod, dict):
        pod["metadata"] = random.choice((pod.get("metadata"), *ODD))
    return pod if isinstance(pod, dict) else {}


def outcome(pod: Any) -> tuple[Any, list[str], tuple[str, ...]]:
    try:
        admitted = admit(pod, POOLS, IMAGE)
    except SpecInvalid as error:
        return None, [str(one) for one in error.problems], ()
    return json.loads(json.dumps(admitted.pod)), [], admitted.warnings


def text(value: Any) -> str:
    return json.dumps(value, sort_keys=False)


def untouched(pod: dict[str, Any], engine: str) -> str:
    """Write what is nobody's but the author's, in its order, byte for byte."""
    spec = {
        field: value
        for field, value in pod["spec"].items()
        if field not in ("containers", "initContainers", "volumes")
    }
    containers = [
        {k: v for k, v in one.items() if k not in ("args", "env", "resources", "volumeMounts")}
        if one["name"] == engine
        else one
        for one in pod["spec"]["containers"]
    ]
    inits = [
        one
        for one in pod["spec"].get("initContainers") or ()
        if one["name"] != names.CHECK_CONTAINER
    ]
    volumes = [
        one for one in pod["spec"].get("volumes") or () if one.get("name") != names.SHM_VOLUME
    ]
    metadata = {
        field: value
        for field, value in pod["metadata"].items()
        if field not in ("labels", "annotations")
    }
    return "\n".join(map(text, (spec, containers, inits, volumes, metadata)))


def theirs(table: Any) -> dict[str, Any]:
    ours = ("numalocal.io/", "required-plugins.noderesource.dev")
    return {key: one for key, one in (table or {}).items() if not key.startswith(ours)}


def check(pod: Any) -> None:
    before = text(pod)
    started_s = time.process_time()
    made, sentences, warnings = outcome(pod)

    assert time.process_time() - started_s < MOST_SECONDS
    assert text(pod) == before
    assert bool(made) != bool(sentences)
    assert len(sentences) <= MAX_PROBLEMS
    for one in (*sentences, *warnings):
        assert one.isprintable()
        assert len(one) < 800
    assert len(warnings) < 40
    if made:
        check_made(pod, made, warnings)


def check_made(pod: Any, made: Any, warnings: tuple[str, ...]) -> None:
    again, refused, _ = outcome(made)
    assert refused == []
    assert text(again) == text(made)
    annotations = made["metadata"]["annotations"]
    engine = annotations["numalocal.io/container"]
    assert untouched(made, engine) == untouched(pod, engine)
    for kind in ("labels", "annotations"):
        assert text(theirs(made["metadata"][kind])) == text(theirs(pod["metadata"].get(kind)))
    said = sum(len(annotations.get(f"numalocal.io/{one}", "")) for one in ("notes", "container"))
    assert said < 16_384 or names.ANNOTATION_NOTES in pod["metadata"]["annotations"]
    (holder,) = (
        one["name"]
        for one in (*made["spec"]["containers"], *made["spec"]["initContainers"])
        if any("numalocal.io/" in key for key in (one.get("resources") or {}).get("limits") or ())
    )
    assert holder == engine
    stays = {
        one["name"]
        for one in made["spec"]["initContainers"]
        if one.get("restartPolicy") == "Always"
    }
    assert not stays & set(annotations["numalocal.io/bound-containers"].split(","))
    assert sum(map(len, warnings)) < 16_384


@pytest.mark.parametrize("name", REAL)
def test_a_pod_as_controllers_make_them_is_admitted(name: str) -> None:
    made, sentences, _ = outcome(REAL[name])

    assert sentences == []
    assert made
    check(REAL[name])


@settings(max_examples=PODS, derandomize=True, deadline=None)
@given(st.integers(0, 2**48))
def test_any_pod_is_admitted_once_and_for_all_or_refused_with_sentences(seed: int) -> None:
    pod = hostile(seed)
    if asks(pod):
        check(pod)


def test_a_pod_as_large_as_can_be_takes_a_second_and_not_more() -> None:
    pod = copy.deepcopy(REAL["Istio"])
    pod["spec"]["containers"] += [
        {"name": f"c{number}", "env": [{"name": "A", "value": "$(B)" * 20}], "image": "x" * 50}
        for number in range(7_500)
    ]
    assert 1_000_000 < len(text(pod)) < 1_572_864

    check(pod)
