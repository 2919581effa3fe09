import time
from collections.abc import Mapping
from typing import Any

import pytest

from numalocal.engines import EngineSettings
from numalocal.errors import SpecInvalid
from numalocal.sets.memoryask import Enforcement, MemoryAsk, MemoryPolicy, Overflow
from numalocal.sets.near import MemoryNodes
from numalocal.worker.documents import load_worker
from numalocal.worker.spec import parse_worker

from ..conftest import EXAMPLES


def document(container: Mapping[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    template = {"spec": {"containers": [container or {"name": "main", "image": "x"}]}}
    return {"metadata": {"name": "llama"}, "spec": {"template": template} | spec}


def nested(depth: int) -> dict[str, Any]:
    return {"a": nested(depth - 1)} if depth else {}


def problems_of(raw: Mapping[str, Any]) -> dict[str, str]:
    with pytest.raises(SpecInvalid) as refused:
        parse_worker(raw)
    return {one.path: str(one) for one in refused.value.problems}


def test_everything_but_the_template_has_a_default() -> None:
    worker = parse_worker(document())

    assert (worker.name, worker.namespace, worker.replicas, worker.ranks, worker.pool) == (
        "llama",
        "default",
        1,
        1,
        "cpuset",
    )
    assert worker.engine == EngineSettings(name="none", openmp="auto", reserved_cores=None)
    assert worker.ask.memory_bytes is None
    assert worker.template.engine.name == "main"


def test_memory_is_counted_over_all_ranks() -> None:
    worker = parse_worker(document(ranks=2, memory={"perRank": "64Gi"}))

    assert worker.ask.memory_bytes == 128 << 30


def test_what_is_asked_of_memory_is_part_of_what_each_pod_asks() -> None:
    memory = {"policy": "Preferred", "nodes": "MemoryOnly", "onOverflow": "Interleave"}
    ask = parse_worker(document(memory=memory, enforcement="BestEffort")).ask

    assert ask.memory == MemoryAsk(
        MemoryPolicy.PREFERRED, MemoryNodes.MEMORY_ONLY, Overflow.INTERLEAVE
    )
    assert ask.enforcement is Enforcement.BEST_EFFORT


def test_the_container_named_engine_is_the_engines() -> None:
    raw = document()
    raw["spec"]["template"]["spec"]["containers"].append({"name": "engine", "image": "y"})

    assert parse_worker(raw).template.engine.name == "engine"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_every_example_is_a_worker(path: Any) -> None:
    assert parse_worker(load_worker(path)).ranks >= 1


def test_all_problems_are_told_at_once_with_their_paths() -> None:
    raw = {
        "metadata": {},
        "spec": {
            "replicas": -1,
            "ranks": 0,
            "pool": "CPU set",
            "placment": "Spread",
            "engine": {"name": "triton", "openMP": "sun", "reservedCores": 1.5},
            "memory": {"perRank": "64 GB", "policy": "interleave", "nodes": 0, "onOverflow": "No"},
            "enforcement": "Best",
            "template": {"spec": {"restartPolicy": "Never", "containers": []}},
        },
    }

    assert set(problems_of(raw)) == {
        "metadata.name",
        "spec.replicas",
        "spec.ranks",
        "spec.pool",
        "spec.placment",
        "spec.engine.name",
        "spec.engine.openMP",
        "spec.engine.reservedCores",
        "spec.memory.perRank",
        "spec.memory.policy",
        "spec.memory.nodes",
        "spec.memory.onOverflow",
        "spec.enforcement",
        "spec.template.spec.restartPolicy",
        "spec.template.spec.containers",
    }


@pytest.mark.parametrize(
    ("raw", "path", "sentence"),
    [
        pytest.param(
            document(placment="Pack"), "spec.placment", "did you mean placement?", id="typing error"
        ),
        pytest.param(
            document() | {"specs": {}}, "specs", "{} is not a field; did you mean spec?", id="root"
        ),
        pytest.param(
            document() | {"replicas": 2},
            "replicas",
            "2 is not a field here; did you mean spec.replicas?",
            id="indent",
        ),
        pytest.param(
            document(nodeSelector={"a": "b"}),
            "spec.nodeSelector",
            "is not a field here; did you mean spec.template.spec.nodeSelector?",
            id="of the pod",
        ),
        pytest.param(
            document(memory="64Gi"),
            "spec.memory",
            "'64Gi' must be a mapping such as {perRank: 64Gi}",
            id="memory alone",
        ),
        pytest.param(
            document() | {"apiVersion": "numalocal.io/v1"},
            "apiVersion",
            "'numalocal.io/v1' must be one of: numalocal.io/v1alpha1",
            id="version",
        ),
        pytest.param(
            document() | {"kind": "Deployment"}, "kind", "must be one of: CpuInfer", id="kind"
        ),
        pytest.param(document(replicas=10_001), "spec.replicas", "from 0 to 10000", id="replicas"),
        pytest.param(
            document() | {"metadata": {"name": "a", "namespace": "A"}},
            "metadata.namespace",
            "is no namespace's name, which must be at most 63",
            id="namespace",
        ),
        pytest.param(
            document({"name": "a", "lifecycle": nested(200)}),
            "spec",
            "must not be nested more than 100 levels deep",
            id="depth",
        ),
        pytest.param(
            document(colour="red"), "spec.colour", "is not a field; known: replicas", id="unknown"
        ),
        pytest.param(
            document(engine={"name": "triton"}),
            "spec.engine.name",
            "'triton' must be one of: llama.cpp, none, ollama",
            id="engine",
        ),
        pytest.param(
            document(engine={"name": "llama.cpp"}, memory={"kvCache": "4Gi"}),
            "spec.memory.kvCache",
            "'4Gi' cannot be told to engine llama.cpp; leave it out (engines that can: vllm)",
            id="KV cache that cannot be told",
        ),
        pytest.param(
            document(engine={"name": "vllm"}, memory={"perRank": "4Gi", "kvCache": "4Gi"}),
            "spec.memory.kvCache",
            "must be less than spec.memory.perRank",
            id="KV cache without weights",
        ),
        pytest.param(
            document(engine={"name": "vllm"}, memory={"kvCache": "much"}),
            "spec.memory.kvCache",
            "must be an amount of memory such as 64Gi",
            id="KV cache that is no amount",
        ),
        pytest.param(
            document(memory={"perRank": True}),
            "spec.memory.perRank",
            "must be an amount of memory such as 64Gi",
            id="amount",
        ),
        pytest.param(
            document(
                {"name": "main", "resources": {"limits": {"memory": "1Gi"}}},
                ranks=2,
                memory={"perRank": "1Gi"},
            ),
            "spec.template.spec.containers[0].resources.limits.memory",
            "is less than 2 x spec.memory.perRank = 2147483648 bytes",
            id="limit below the ranks",
        ),
        pytest.param(
            document({"name": "main", "resources": {"limits": {"numalocal.io/cpuset": 1}}}),
            "spec.template.spec.containers[0].resources.limits[numalocal.io/cpuset]",
            "must not be requested here",
            id="resource",
        ),
        pytest.param(
            document(
                template={
                    "metadata": {"annotations": {"numalocal.io/attempt": "9"}},
                    "spec": {"containers": [{"name": "a"}]},
                }
            ),
            "spec.template.metadata.annotations[numalocal.io/attempt]",
            "'9' must be left out: numalocal writes it from the spec",
            id="an annotation of ours",
        ),
        pytest.param(
            document(
                template={
                    "metadata": {"labels": {"numalocal.io/worker": "other"}},
                    "spec": {"containers": [{"name": "a"}]},
                }
            ),
            "spec.template.metadata.labels[numalocal.io/worker]",
            "must be left out",
            id="a label of ours",
        ),
        pytest.param(
            document({"name": "numalocal-check"}),
            "spec.template.spec.containers[0].name",
            "choose another name",
            id="our container's name",
        ),
        pytest.param(
            document() | {"metadata": {"name": 64 * "a"}},
            "metadata.name",
            "is no worker's name, which must be at most 63 lower case letters",
            id="a name that no label can hold",
        ),
        pytest.param(
            document(template={"spec": {"containers": [{"name": "a"}], "initContainers": [{}]}}),
            "spec.template.spec.initContainers[0].name",
            "null is no container's name, which must be at most 63",
            id="container without a name",
        ),
        pytest.param(
            {"metadata": {"name": "a"}}, "spec.template.spec.containers", "", id="no spec"
        ),
        pytest.param(
            {"metadata": {"name": "a"}, "spec": []}, "spec", "[] must be a mapping", id="a list"
        ),
        pytest.param(
            document() | {"spec": {"template": {"spec": {"containers": {"a": 1}}}}},
            "spec.template.spec.containers",
            "must be",
            id="containers as a mapping",
        ),
    ],
)
def test_a_problem_says_what_would_be_right(raw: dict[str, Any], path: str, sentence: str) -> None:
    assert sentence in problems_of(raw)[path]


def test_null_stands_for_the_default_as_in_a_cluster() -> None:
    fields = ("replicas", "ranks", "pool", "placement", "engine", "memory", "enforcement")

    worker = parse_worker(document(**dict.fromkeys(fields)))

    assert worker == parse_worker(document())


def test_no_problem_is_told_twice() -> None:
    raw = document(template={"spec": {"containers": 1}})

    with pytest.raises(SpecInvalid) as refused:
        parse_worker(raw)

    assert [str(one) for one in refused.value.problems] == [
        "spec.template.spec.containers: 1 must be a list"
    ]


@pytest.mark.parametrize("name", ["a", "a.b", "0", "a-b.c-d", 63 * "a"])
def test_a_name_is_what_pods_and_labels_can_carry(name: str) -> None:
    assert parse_worker(document() | {"metadata": {"name": name}}).name == name


@pytest.mark.parametrize(
    "name",
    [None, "", 5, "A", "a_b", "-a", "a.", "a..b", "a/../b", "a\n", "a\x1b[31m", "ä", 64 * "a"],
)
def test_no_other_name_reaches_a_path_or_a_terminal(name: object) -> None:
    sentence = problems_of(document() | {"metadata": {"name": name}})["metadata.name"]

    assert "is no worker's name" in sentence
    assert sentence.isprintable()


@pytest.mark.no_cover
def test_any_number_of_problems_is_fifty_and_takes_no_time() -> None:
    many = {f"field {number}": [0] for number in range(100_000)}
    raw = document({"name": "a", "args": 100_000 * [1], "env": 100_000 * [1]}, **many)
    start = time.process_time()

    with pytest.raises(SpecInvalid) as refused:
        parse_worker(raw)

    assert len(refused.value.problems) == 50
    assert time.process_time() - start < 5
