"""What pods may say by annotation, and that what anybody else writes there is a refusal."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal import engines, names
from numalocal.sets.assignment import Assignment
from numalocal_deviceplugin import assigning, binding
from numalocal_deviceplugin.correcting import corrections
from numalocal_deviceplugin.deviceids import sets_named
from numalocal_deviceplugin.errors import AgentError
from numalocal_deviceplugin.pods import Container, Pod, bound_containers
from numalocal_deviceplugin.settings import Idle, Settings

from .nodes import N0, N1, make_container, make_node, make_partition, make_pod, make_state

LONGEST_SENTENCE = 1000


@pytest.mark.parametrize(
    ("text", "listed"), [("", set()), (" ,, ", set()), ("a, b,,a", {"a", "b"})]
)
def test_bound_containers_are_a_list_with_commas(text: str, listed: set[str]) -> None:
    assert bound_containers(make_pod(bound_containers=text)) == listed


ASSIGNED = Assignment.of(sets_named(make_partition().sets, [N0, N1])).to_json()
ONE = {"id": N0, "pool": "cpuset", "cpus": "2-3", "numaNode": 0, "memoryBytes": 5}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
cpu_lists = st.lists(st.integers(0, 9), min_size=1, max_size=9).map(
    lambda ids: ",".join(map(str, ids))
)
near_sets = st.fixed_dictionaries(
    {
        "id": st.sampled_from([N0, N1, "other"]) | json_values,
        "pool": st.just("cpuset"),
        "cpus": cpu_lists,
        "numaNode": st.integers(0, 9) | json_values,
        "memoryBytes": st.integers(0, 1 << 64),
    },
    optional={"memoryNodes": cpu_lists, "threadsPerCore": st.integers(0, 9) | json_values},
)
assignments = (
    st.sampled_from(
        [
            ASSIGNED,
            "[" * 60_000,
            '{"sets":["x"]}',
            json.dumps({"sets": [{**ONE, "numaNode": 1e999}]}),
        ]
    )
    | st.text()
    | json_values.map(lambda value: json.dumps({"sets": value}))
    | st.lists(near_sets, max_size=3).map(lambda sets: json.dumps({"sets": sets}))
)
words = st.text(max_size=20) | st.sampled_from(
    ["9" * 5000, "engine", "1", "auto", "-1", "x" * 9999]
)
pods = st.dictionaries(
    st.sampled_from(sorted(names.POD_ANNOTATIONS)), words
) | st.fixed_dictionaries(
    {
        names.ANNOTATION_ENGINE: st.sampled_from(sorted(engines.ENGINES)),
        names.ANNOTATION_CONTAINER: st.sampled_from(["engine", "fetch"]),
        names.ANNOTATION_BOUND_CONTAINERS: st.sampled_from(["numalocal-check,fetch", ""]) | words,
    },
    optional={
        names.ANNOTATION_CPUSETS: words,
        names.ANNOTATION_OPENMP: st.sampled_from(sorted(engines.OPENMP_RUNTIMES)),
        names.ANNOTATION_RESERVED_CORES: st.integers(0, 1 << 40).map(str),
    },
)
containers = st.builds(
    make_container,
    name=st.sampled_from(["engine", "fetch", "web"]),
    assignment=st.just("") | assignments,
    command=st.lists(st.text(max_size=9) | st.sampled_from(["vllm", "serve", "sh", "-c"])),
    env=st.lists(st.sampled_from(["OMP_NUM_THREADS", "NUMALOCAL_CPUS", "LD_PRELOAD"])),
)


def pod_with(annotations: dict[str, str], name: str = "llama-0") -> Pod:
    return Pod(id=name, uid=name, namespace="default", name=name, annotations=annotations)


@given(
    annotations=pods,
    container=containers,
    online=st.sampled_from(["0-7", "0-3", "0-2,4-5,7", "0"]),
)
def test_whatever_annotations_say_a_container_is_bound_or_refused_with_a_sentence(
    annotations: dict[str, str], container: Container, online: str
) -> None:
    pod, node = pod_with(annotations), make_node(online=online)

    try:
        claim = assigning.assignment_of(pod, container, node, lambda namespace, name: (N0, N1))
        binding.refuse_unserved(pod, container, claim, node)
        bound = binding.born(pod, container, claim, node)
    except AgentError as error:
        refusal = str(error)
    else:
        refusal = "pod default/llama-0 is not refused"
        assert bound is not None
        assert bound.cpus <= node.machine.online
        assert bound.mems <= {0, 1}
    assert "pod default/llama-0" in refusal
    assert refusal.isprintable()
    assert len(refusal) < LONGEST_SENTENCE


@given(pods, containers)
def test_nobodys_annotations_stop_the_binding_of_others(
    annotations: dict[str, str], container: Container
) -> None:
    hostile, other = pod_with(annotations, "bad"), make_pod("good")
    state = make_state(settings=Settings(idle=Idle.EXCLUSIVE))

    now = state.rebuild([hostile, other], [(hostile, container), (other, make_container("web"))])

    found = corrections(now.node, undecided=now.facts.undecided)
    web = next(one for one in found if one.pod == other)
    assert web.binding.cpus == now.node.others
    assert all(one.message.isprintable() for one in now.refusals)
    assert all(len(one.message) < LONGEST_SENTENCE for one in now.refusals)
