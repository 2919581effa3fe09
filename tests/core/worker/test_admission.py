import copy
import json
from collections.abc import Mapping
from typing import Any

import pytest

from numalocal.errors import SpecInvalid
from numalocal.worker.admission import admit, asks
from numalocal.worker.inject import CheckImage, PoolNumbers

from ..conftest import GIB

IMAGE = CheckImage(image="binder:1", pull_policy="IfNotPresent")
TOKEN = {"name": "t", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}
POOLS = {"cpuset": PoolNumbers(cpus_per_set=4, node_bytes=64 * GIB)}
Pod = dict[str, Any]


def pod(
    containers: list[Any] | None = None, annotations: Mapping[str, str] | None = None, **spec: Any
) -> Pod:
    asked = {"numalocal.io/cpusets": "1", "numalocal.io/engine": "llama.cpp"}
    usual = [{"name": "server", "image": "llama.cpp:server", "args": ["-m", "/m.gguf"]}]
    return {
        "metadata": {"name": "p", "annotations": asked | dict(annotations or {})},
        "spec": {"containers": usual if containers is None else containers, **spec},
    }


def admitted(raw: Pod) -> Pod:
    return json.loads(json.dumps(admit(raw, POOLS, IMAGE).pod))  # type: ignore[no-any-return]


def refused(raw: Pod) -> list[str]:
    with pytest.raises(SpecInvalid) as error:
        admit(raw, POOLS, IMAGE)
    return [str(one) for one in error.value.problems]


def container(made: Pod, name: str) -> Pod:
    both = (*made["spec"].get("initContainers", ()), *made["spec"]["containers"])
    return next(one for one in both if one["name"] == name)


def test_a_pod_gets_what_a_workers_has() -> None:
    made = admitted(pod(annotations={"numalocal.io/memory": "8Gi"}))

    engine, check = container(made, "server"), container(made, "numalocal-check")
    memory = str(8 * GIB)
    assert engine["resources"] == {
        "limits": {"numalocal.io/cpuset": "1", "memory": memory},
        "requests": {"numalocal.io/cpuset": "1", "cpu": "4", "memory": memory},
    }
    assert engine["args"][:2] == ["-m", "/m.gguf"]
    assert "--cpu-mask" in engine["args"]
    assert made["spec"]["initContainers"][0] is not None
    assert check["image"] == "binder:1"
    assert check["resources"]["limits"] == {"memory": memory}
    annotations = made["metadata"]["annotations"]
    assert annotations["numalocal.io/container"] == "server"
    assert annotations["numalocal.io/bound-containers"] == "numalocal-check"
    labels = {"numalocal.io/injected": "true", "numalocal.io/bound": "true"}
    assert made["metadata"]["labels"] == labels
    assert made["metadata"]["name"] == "p"


@pytest.mark.parametrize(
    ("annotations", "names", "engine"),
    [
        ({}, ["a", "b"], "a"),
        ({}, ["a", "engine"], "engine"),
        ({"kubectl.kubernetes.io/default-container": "b"}, ["a", "b"], "b"),
        ({"kubectl.kubernetes.io/default-container": "gone"}, ["a", "b"], "a"),
        ({}, ["queue-proxy", "kserve-container"], "kserve-container"),
        ({"numalocal.io/container": "b"}, ["a", "b", "engine"], "b"),
    ],
)
def test_which_container_gets_the_sets(
    annotations: dict[str, str], names: list[str], engine: str
) -> None:
    made = admitted(pod([{"name": name, "args": ["x"]} for name in names], annotations))

    holders = [
        one["name"]
        for one in made["spec"]["containers"]
        if "numalocal.io/cpuset" in one.get("resources", {}).get("limits", {})
    ]
    assert holders == [engine]


def test_sidecars_are_others_and_init_containers_that_end_are_bound() -> None:
    inits = [{"name": "fetch"}, {"name": "istio-proxy", "restartPolicy": "Always"}]

    made = admitted(pod(initContainers=inits))

    assert [one["name"] for one in made["spec"]["initContainers"]] == [
        "numalocal-check",
        "fetch",
        "istio-proxy",
    ]
    bound = made["metadata"]["annotations"]["numalocal.io/bound-containers"]
    assert bound == "numalocal-check,fetch"


def test_a_pod_that_is_never_started_again_waits_for_the_agent() -> None:
    assert container(admitted(pod(restartPolicy="Never")), "numalocal-check")["args"] == [
        "check",
        "--wait",
        "60",
    ]
    assert container(admitted(pod(restartPolicy="OnFailure")), "numalocal-check")["args"] == [
        "check"
    ]


def test_a_check_that_may_have_to_do_without_a_plan_is_told_the_number_of_ranks() -> None:
    asking = {"numalocal.io/cpusets": "2"}
    told = {"name": "NUMALOCAL_RANKS", "value": "2"}

    never = container(admitted(pod(annotations=asking, restartPolicy="Never")), "numalocal-check")
    again = container(admitted(pod(annotations=asking)), "numalocal-check")

    assert told in never["env"]
    assert told not in again["env"]


def test_a_pod_that_comes_again_stays_as_it_is() -> None:
    once = admitted(pod(annotations={"numalocal.io/engine": "vllm", "numalocal.io/cpusets": "2"}))

    assert admitted(once) == once


def test_what_the_api_server_and_other_webhooks_add_to_the_check_is_no_difference() -> None:
    once = admitted(pod())
    check = container(once, "numalocal-check")
    check |= {"terminationMessagePath": "/dev/termination-log", "volumeMounts": [TOKEN]}
    check["env"] = [*check["env"], {"name": "INJECTED", "value": "x"}]
    check["securityContext"] = {**check["securityContext"], "runAsUser": 1_000_660_000}
    once["spec"]["containers"].append({"name": "istio-proxy"})

    assert admitted(once) == once


def test_the_check_follows_an_engine_whose_memory_somebody_changed() -> None:
    once = admitted(pod())
    container(once, "server")["resources"]["limits"]["memory"] = "1Gi"

    again = admitted(once)

    assert container(again, "numalocal-check")["resources"]["limits"] == {"memory": "1Gi"}
    assert admitted(again) == again


@pytest.mark.parametrize(
    "change",
    [
        {"image": "evil"},
        {"command": ["true"]},
        {"args": ["--help"]},
        {"securityContext": {"privileged": True}},
        {"restartPolicy": "Always"},
        {"envFrom": [{"configMapRef": {"name": "plan"}}]},
        {"lifecycle": {"postStart": {"exec": {"command": ["true"]}}}},
        {"workingDir": "/tmp"},
        {"terminationMessagePath": "/etc/hostname"},
        {"terminationMessagePolicy": "FallbackToLogsOnError"},
    ],
    ids=str,
)
def test_a_check_that_is_not_ours_is_refused(change: dict[str, Any]) -> None:
    once = admitted(pod())
    container(once, "numalocal-check").update(change)

    (said,) = refused(once)
    (field,) = change
    assert said.startswith(f"spec.initContainers[numalocal-check].{field}: ")
    assert "differs from the check that numalocal makes" in said


@pytest.mark.parametrize(
    "path", ["/", "//", "/numalocal-bind", "/proc", "/proc/self/", "/sys/fs/../fs", "/dev", "dev/x"]
)
def test_nothing_hides_what_the_check_is_or_reads(path: str) -> None:
    once = admitted(pod())
    container(once, "numalocal-check")["volumeMounts"] = [TOKEN, {"name": "v", "mountPath": path}]

    assert "hides what the check is, or reads" in refused(once)[0]


@pytest.mark.parametrize("name", ["NUMALOCAL_CPUS", "NUMALOCAL_MEMORY_PER_RANK_BYTES"])
def test_nobody_else_tells_the_check_its_plan(name: str) -> None:
    once = admitted(pod(annotations={"numalocal.io/memory": "1Gi"}))
    check = container(once, "numalocal-check")
    check["env"] = [*check["env"], {"name": name, "value": "1"}]

    assert "nothing else in its name" in refused(once)[0]
    check["env"] = []
    assert "must have what numalocal tells the check" in refused(once)[0]


@pytest.mark.parametrize(
    "change",
    [{"env": ["x"]}, {"env": {"A": 1}}, {"volumeMounts": [1]}, {"volumeMounts": "x"}],
    ids=str,
)
def test_a_check_of_any_shape_is_read(change: dict[str, Any]) -> None:
    once = admitted(pod())
    container(once, "numalocal-check").update(change)

    assert refused(once)


def test_there_is_one_check() -> None:
    once = admitted(pod())
    once["spec"]["initContainers"].append(container(once, "numalocal-check"))

    assert refused(once) == ["spec.initContainers: 'numalocal-check' is there twice; leave it out"]


@pytest.mark.parametrize("name", ["bound-containers", "notes", "attempt"])
def test_what_numalocal_writes_nobody_else_does(name: str) -> None:
    said = refused(pod(annotations={f"numalocal.io/{name}": "a"}))

    assert said == [
        f"metadata.annotations[numalocal.io/{name}]: 'a' must be left out: numalocal writes it"
    ]


def test_a_pod_that_was_made_to_look_injected_is_not_believed() -> None:
    once = admitted(pod(initContainers=[{"name": "proxy", "restartPolicy": "Always"}]))
    right = copy.deepcopy(once)
    once["metadata"]["labels"] = {}
    once["metadata"]["annotations"] |= {
        "numalocal.io/bound-containers": "numalocal-check,proxy",
        "numalocal.io/container": "server",
    }

    assert admitted(once) == right


def test_init_containers_of_others_that_come_later_are_bound_as_well() -> None:
    once = admitted(pod())
    once["spec"]["initContainers"].insert(0, {"name": "istio-init"})

    annotations = admitted(once)["metadata"]["annotations"]
    assert annotations["numalocal.io/bound-containers"] == "numalocal-check,istio-init"


def test_an_init_container_gets_no_sets_of_its_own() -> None:
    asking = {"name": "fetch", "resources": {"limits": {"numalocal.io/cpuset": "1"}}}

    (said,) = refused(pod(initContainers=[asking]))

    assert said.startswith("spec.initContainers[0].resources.limits[numalocal.io/cpuset]: ")
    assert "only container server of this pod gets CPU sets" in said


def test_labels_that_are_none_are_refused_and_not_replaced() -> None:
    raw = pod()
    raw["metadata"]["labels"] = ["app"]

    assert refused(raw) == ["metadata.labels: ['app'] must be a mapping"]


def test_a_pod_that_is_too_deep_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}

    assert refused(pod(affinity=deep)) == [
        "spec: null must not be nested more than 100 levels deep"
    ]


def test_of_unknown_annotations_ten_are_named() -> None:
    unknown = {f"numalocal.io/x{number}": "" for number in range(10)}

    warnings = admit(pod(annotations=unknown), POOLS, IMAGE).warnings

    assert [one.split()[1] for one in warnings] == list(unknown)


def test_messages_and_warnings_have_an_end_however_large_the_pod_is() -> None:
    many = [{"name": f"c{number}"} for number in range(5000)]
    unknown = {f"numalocal.io/x{number}": "" for number in range(5000)}

    (said,) = refused(pod(many, {"numalocal.io/container": "gone"}))
    warnings = admit(pod(annotations=unknown), POOLS, IMAGE).warnings

    assert len(said) < 500
    assert len(warnings) == 11
    assert warnings[-1] == "4990 more annotations are not known"


def test_a_limit_that_a_limit_range_has_set_is_told_as_one() -> None:
    set_by = {"kubernetes.io/limit-ranger": "LimitRanger plugin set: cpu limit for container a"}
    small = {"limits": {"cpu": "500m", "memory": "512Mi"}}

    said = refused(
        pod([{"name": "a", "resources": small}], {**set_by, "numalocal.io/memory": "1Gi"})
    )

    assert len(said) == 2
    assert all("or ask for it: a LimitRange sets what is left out" in one for one in said)


@pytest.mark.parametrize(("cpu", "noted"), [("100m", True), ("4", False), (3.5, True), (8, False)])
def test_a_request_for_fewer_cpus_than_the_sets_have_is_a_warning(
    cpu: str | float,
    noted: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    raw = pod([{"name": "a", "args": ["x"], "resources": {"requests": {"cpu": cpu}}}])

    said = [one for one in admit(raw, POOLS, IMAGE).warnings if "the scheduler" in one]

    assert bool(said) == noted
    assert container(admitted(raw), "a")["resources"]["requests"]["cpu"] == cpu


def test_a_check_alone_does_not_pass_for_a_pod_with_sets() -> None:
    once = admitted(pod())
    del container(once, "server")["resources"]["limits"]["numalocal.io/cpuset"]

    assert refused(once)[0].startswith("spec.containers[0].resources.limits: ")


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (
            pod(annotations={"numalocal.io/pool": "big"}),
            "metadata.annotations[numalocal.io/pool]: 'big' asks for pool big, which no node "
            "offers (offered: cpuset)",
        ),
        (
            pod(annotations={"numalocal.io/container": "gone"}),
            "metadata.annotations[numalocal.io/container]: 'gone' is no container of this pod: "
            "server",
        ),
        (
            pod([{"name": "a", "resources": {"limits": {"cpu": "3500m"}}}]),
            "spec.containers[0].resources.limits.cpu: '3500m' throttles threads that own their "
            "cores: raise it to the 4 CPUs of the CPU sets, or leave it out",
        ),
        (
            pod([{"name": "a", "resources": {"limits": {"numalocal.io/cpuset": "2"}}}]),
            "spec.containers[0].resources.limits[numalocal.io/cpuset]: '2' contradicts annotation "
            "numalocal.io/cpusets, which asks for 1 of numalocal.io/cpuset: leave it out",
        ),
        (
            pod([{"name": "a"}, {"name": "b", "resources": {"limits": {"numalocal.io/x": 1}}}]),
            "spec.containers[1].resources.limits[numalocal.io/x]: 1 must be left out: only "
            "container a of this pod gets CPU sets",
        ),
        (
            pod(
                [{"name": "a", "resources": {"limits": {"memory": "4Gi"}}}],
                {"numalocal.io/memory": "8Gi"},
            ),
            "spec.containers[0].resources.limits.memory: '4Gi' is less than 1 x annotation "
            "numalocal.io/memory = 8589934592 bytes; raise it, or leave it out",
        ),
        (pod(nodeName="n1"), "spec.nodeName: 'n1' must be left out: "),
        (pod(os={"name": "windows"}), "spec.os.name: 'windows' must be linux"),
        (pod([]), "spec.containers: [] must list at least one container"),
    ],
)
def test_what_cannot_be_is_refused_with_its_path(raw: Pod, problem: str) -> None:
    (said,) = refused(raw)

    assert said.startswith(problem)


def test_a_cpu_limit_that_holds_the_sets_is_allowed() -> None:
    made = admitted(pod([{"name": "a", "resources": {"limits": {"cpu": 4}}}]))

    assert container(made, "a")["resources"]["limits"]["cpu"] == 4


def test_unknown_annotations_and_notes_are_warnings() -> None:
    raw = pod([{"name": "a"}, {"name": "b"}], {"numalocal.io/cpuset": "1"})

    said = admit(raw, POOLS, IMAGE).warnings

    assert "did you mean numalocal.io/cpusets?" in said[0]
    assert any("container a gets the CPU sets" in one for one in said)


def test_only_pods_with_the_annotation_ask() -> None:
    assert asks(pod())
    assert not asks({})
    assert not asks({"metadata": {"annotations": {"numalocal.io/engine": "vllm"}}})
    assert not asks({"metadata": None})


@pytest.mark.parametrize(("reserved", "noted"), [("3", False), ("4", True), ("1024", True)])
def test_more_reserved_cores_than_the_sets_can_have_are_a_warning(
    reserved: str,
    noted: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    asking = pod(annotations={"numalocal.io/reserved-cores": reserved})

    warnings = admit(asking, POOLS, IMAGE).warnings
    unknown = admit(asking, {"cpuset": PoolNumbers()}, IMAGE).warnings

    sentence = f"{reserved} cores are reserved, and the sets of a replica have 4 CPUs"
    assert any(sentence in one for one in warnings) == noted
    assert not any("cores are reserved" in one for one in unknown)


def test_plugins_that_a_pod_requires_are_required_beside_ours() -> None:
    key = "required-plugins.noderesource.dev"
    made = admit(pod(annotations={key: "[other]", f"{key}/pod": "no list"}), POOLS, IMAGE)

    assert made.pod["metadata"]["annotations"][key] == '["other","numalocal"]'
    assert any(f"annotation {key}/pod stays as it is" in one for one in made.warnings)


SHARED = {"cpuset": PoolNumbers(cpus_per_set=4, set_bytes=16 * GIB, node_bytes=64 * GIB)}


def test_without_an_amount_of_memory_a_pod_gets_that_of_its_sets() -> None:
    made = dict(admit(pod([{"name": "a", "args": ["x"]}]), SHARED, IMAGE).pod)

    engine = container(made, "a")
    assert engine["resources"]["limits"]["memory"] == str(16 * GIB)
    assert engine["resources"]["requests"]["memory"] == str(16 * GIB)
    # The check demands nothing that nobody has asked for.
    assert made["spec"]["initContainers"][0]["env"] == []


def test_a_pod_whose_whole_size_is_said_gets_no_memory_of_ours() -> None:
    raw = pod([{"name": "a", "args": ["x"]}])
    raw["spec"]["resources"] = {"limits": {"memory": "8Gi"}}

    made = dict(admit(raw, SHARED, IMAGE).pod)

    assert "memory" not in container(made, "a")["resources"]["limits"]


def test_a_pod_with_equal_limits_is_guaranteed() -> None:
    limits = {"cpu": "6", "memory": "8Gi"}
    made = dict(admit(pod([{"name": "a", "resources": {"limits": limits}}]), SHARED, IMAGE).pod)

    for one in (container(made, "a"), made["spec"]["initContainers"][0]):
        assert one["resources"]["requests"] == one["resources"]["limits"]


def test_a_cpu_request_of_ones_own_stays_beside_a_limit() -> None:
    cpus = {"requests": {"cpu": "5"}, "limits": {"cpu": "6"}}

    made = admitted(pod([{"name": "a", "resources": cpus}]))

    resources = container(made, "a")["resources"]
    assert (resources["requests"]["cpu"], resources["limits"]["cpu"]) == ("5", "6")


def test_a_limit_where_the_sets_are_not_known_is_a_warning() -> None:
    raw = pod([{"name": "a", "resources": {"limits": {"cpu": "2"}}}])

    warnings = admit(raw, {"cpuset": PoolNumbers()}, IMAGE).warnings

    assert any("has a CPU limit of 2, and how many CPUs its sets have" in one for one in warnings)


def test_what_is_asked_of_memory_reaches_the_agent_with_the_size_that_overflows() -> None:
    asked = {"memory": "8Gi", "memory-nodes": " Near", "on-overflow": "Interleave"}
    made = admitted(pod(annotations={f"numalocal.io/{key}": value for key, value in asked.items()}))

    told = made["metadata"]["annotations"]
    assert [told[f"numalocal.io/memory{key}"] for key in ("", "-policy", "-nodes")] == [
        str(8 * GIB),
        "Bind",
        "Near",
    ]
    assert told["numalocal.io/on-overflow"] == "Interleave"


def test_who_asks_for_no_more_than_everybody_gets_is_told_nothing_more() -> None:
    told = admitted(pod(annotations={"numalocal.io/memory": "8Gi"}))["metadata"]["annotations"]

    assert not {"numalocal.io/memory-policy", "numalocal.io/enforcement"} & told.keys()
    assert told["required-plugins.noderesource.dev"] == '["numalocal"]'


def test_best_effort_waits_for_no_agent_and_its_check_knows() -> None:
    made = admitted(pod(annotations={"numalocal.io/enforcement": "BestEffort"}))

    assert "required-plugins.noderesource.dev" not in made["metadata"]["annotations"]
    assert made["metadata"]["annotations"]["numalocal.io/enforcement"] == "BestEffort"
    best = {"name": "NUMALOCAL_ENFORCEMENT", "value": "BestEffort"}
    assert best in container(made, "numalocal-check")["env"]
    assert admitted(made) == made


def test_what_changes_nothing_of_the_memory_is_a_warning() -> None:
    made = admit(pod(annotations={"numalocal.io/on-overflow": "Interleave"}), POOLS, IMAGE)

    assert any("onOverflow Interleave adds no node" in one for one in made.warnings)


DEFAULT: dict[str, Any] = {"seccompProfile": {"type": "RuntimeDefault"}}


@pytest.mark.parametrize(
    ("pods", "own", "noted"),
    [
        pytest.param(None, None, True, id="nothing is said"),
        pytest.param(DEFAULT, None, False, id="of the pod"),
        pytest.param(None, DEFAULT, False, id="of the container"),
        pytest.param(
            DEFAULT, {"seccompProfile": {"type": "Unconfined"}}, True, id="its own counts"
        ),
        pytest.param(None, {**DEFAULT, "capabilities": {"add": ["SYS_NICE"]}}, True, id="allowed"),
        pytest.param(None, {**DEFAULT, "capabilities": {"add": ["NET_ADMIN"]}}, False, id="other"),
        pytest.param(None, {**DEFAULT, "privileged": True}, True, id="privileged"),
        pytest.param(7, [7], True, id="of another shape"),
    ],
)
def test_an_engine_that_binds_itself_is_noted_unless_seccomp_denies_it(
    pods: Any,
    own: Any,
    noted: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    asked = {"numalocal.io/engine": "vllm", "numalocal.io/memory-nodes": "Near"}
    engine = {"name": "server", "image": "vllm:v0.32.0", "securityContext": own}
    made = admit(pod([engine], annotations=asked, securityContext=pods), POOLS, IMAGE)

    said = any("binds the memory of each rank to one NUMA node" in one for one in made.warnings)
    assert said == noted
