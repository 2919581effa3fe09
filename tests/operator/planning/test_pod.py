import dataclasses
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from numalocal import names
from numalocal.engines import EngineSettings
from numalocal.worker.documents import load_worker
from numalocal.worker.inject import PoolNumbers
from numalocal.worker.spec import Worker, parse_worker
from numalocal_operator.config import Config
from numalocal_operator.observing.reading import observe
from numalocal_operator.planning.pod import manifest, mould, revision, successor_name

from ..builders import CONFIG, NUMBERS, make_worker, raw_worker

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "operator"


def pod_of(worker: Worker, **arguments: Any) -> dict[str, Any]:
    cast = mould(worker, arguments.pop("numbers", NUMBERS), arguments.pop("config", CONFIG))
    return manifest(cast, arguments.pop("replica", 0), **{"attempt": 0, **arguments})


def engine_of(pod: Mapping[str, Any]) -> dict[str, Any]:
    name = pod["metadata"]["annotations"][names.ANNOTATION_CONTAINER]
    found: list[dict[str, Any]] = [one for one in pod["spec"]["containers"] if one["name"] == name]
    return found[0]


def check_of(pod: Mapping[str, Any]) -> dict[str, Any]:
    first: dict[str, Any] = pod["spec"]["initContainers"][0]
    return first


@pytest.mark.parametrize("example", ["cluster", "vllm"])
def test_the_pod_of_an_example_is_the_golden_one(example: str) -> None:
    raw = load_worker(ROOT / "examples" / f"{example}.yaml")
    metadata = {**raw["metadata"], "namespace": "serving", "uid": "w-1", "generation": 1}
    worker = parse_worker({**raw, "metadata": metadata})

    pod = pod_of(worker, config=Config())
    del pod["metadata"]["labels"][names.LABEL_REVISION]  # changes with every comma of the example
    text = json.dumps(pod, indent=2) + "\n"
    path = GOLDEN / f"{example}-pod.json"
    if os.environ.get("NUMALOCAL_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    assert text == path.read_text()


def test_the_check_is_pulled_by_the_secrets_of_the_workers_own_template() -> None:
    """They are the pod's, so a worker names them once for its engine and for the check."""
    secrets = [{"name": "mirror"}]
    raw = raw_worker()
    raw["spec"]["template"]["spec"]["imagePullSecrets"] = secrets

    assert pod_of(parse_worker(raw))["spec"]["imagePullSecrets"] == secrets


def test_a_pod_belongs_to_its_worker_so_the_garbage_collector_can_remove_it() -> None:
    pod = pod_of(make_worker(), replica=3)

    assert pod["metadata"]["name"] == "llama-3"
    assert pod["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "numalocal.io/v1alpha1",
            "kind": "CpuInferenceWorker",
            "name": "llama",
            "uid": "w-1",
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]


def test_labels_and_annotations_of_the_template_stay_beside_ours() -> None:
    worker = make_worker(
        template={
            "metadata": {
                "labels": {"app": "llama"},
                "annotations": {"team": "a"},
            },
            "spec": {"containers": [{"name": "engine", "image": "x"}]},
        }
    )

    metadata = pod_of(worker)["metadata"]

    assert metadata["labels"]["app"] == "llama"
    assert metadata["labels"][names.LABEL_WORKER] == "llama"
    assert metadata["annotations"]["team"] == "a"
    assert metadata["annotations"][names.ANNOTATION_ENGINE] == "none"


def test_the_agent_is_told_everything_about_the_engine() -> None:
    worker = make_worker(
        engine={"name": "openmp", "openMP": "llvm", "reservedCores": 0}, memory={"perRank": "1Gi"}
    )

    assert pod_of(worker, attempt=2)["metadata"]["annotations"] == {
        "numalocal.io/engine": "openmp",
        "numalocal.io/openmp": "llvm",
        "numalocal.io/container": "engine",
        "numalocal.io/bound-containers": "numalocal-check",
        "numalocal.io/reserved-cores": "0",
        "numalocal.io/attempt": "2",
        "numalocal.io/numbers": "cpus=4",
        "required-plugins.noderesource.dev": '["numalocal"]',
    }


def test_plugins_that_the_template_requires_are_required_beside_ours() -> None:
    key = "required-plugins.noderesource.dev"
    raw = raw_worker()
    raw["spec"]["template"]["metadata"] = {"annotations": {key: "[other]"}}

    annotations = pod_of(parse_worker(raw))["metadata"]["annotations"]

    assert annotations[key] == '["other","numalocal"]'


def test_only_the_engine_has_cpu_sets_and_the_check_comes_first() -> None:
    worker = make_worker(
        ranks=2,
        pool="big",
        template={
            "spec": {
                "initContainers": [{"name": "download", "image": "y"}],
                "containers": [{"name": "proxy", "image": "z"}, {"name": "engine", "image": "x"}],
            }
        },
    )

    pod = pod_of(worker)

    with_sets = [
        one["name"]
        for one in (*pod["spec"]["initContainers"], *pod["spec"]["containers"])
        if "numalocal.io/big" in one.get("resources", {}).get("limits", {})
    ]
    assert with_sets == ["engine"]
    assert engine_of(pod)["resources"]["limits"]["numalocal.io/big"] == "2"
    assert engine_of(pod)["resources"]["requests"]["numalocal.io/big"] == "2"
    assert [one["name"] for one in pod["spec"]["initContainers"]] == ["numalocal-check", "download"]
    bound = pod["metadata"]["annotations"]["numalocal.io/bound-containers"]
    assert bound == "numalocal-check,download"


def test_an_init_container_that_stays_is_no_part_of_the_engine() -> None:
    """A native sidecar runs beside the engine, so it must not run on the engine's cores."""
    worker = make_worker(
        template={
            "spec": {
                "initContainers": [
                    {"name": "fetch", "image": "a"},
                    {"name": "proxy", "image": "b", "restartPolicy": "Always"},
                    {"name": "warm", "image": "c", "restartPolicy": None},
                ],
                "containers": [{"name": "engine", "image": "x"}],
            }
        },
    )

    pod = pod_of(worker)

    bound = pod["metadata"]["annotations"]["numalocal.io/bound-containers"]
    assert bound == "numalocal-check,fetch,warm"
    assert [one["name"] for one in pod["spec"]["initContainers"]] == [
        *("numalocal-check", "fetch", "proxy", "warm")
    ]


@pytest.mark.parametrize(
    ("given", "cpus_per_set", "requests"),
    [
        pytest.param({}, 28, "56", id="all CPUs of both sets"),
        pytest.param({}, None, None, id="unknown pool: left alone"),
        pytest.param({"requests": {"cpu": "3"}}, 28, "3", id="the user's own"),
    ],
)
def test_the_cpu_request_mirrors_the_cpu_sets(
    given: Mapping[str, Any], cpus_per_set: int | None, requests: str | None
) -> None:
    worker = make_worker({"name": "engine", "image": "x", "resources": given}, ranks=2)

    resources = engine_of(pod_of(worker, numbers=PoolNumbers(cpus_per_set=cpus_per_set)))[
        "resources"
    ]

    assert resources["requests"].get("cpu") == requests
    assert "cpu" not in resources["limits"]


@pytest.mark.parametrize(
    ("given", "request_", "limit"),
    [
        pytest.param({}, "2147483648", "2147483648", id="both ranks together"),
        pytest.param({"limits": {"memory": "8Gi"}}, "8Gi", "8Gi", id="the user's limit"),
        pytest.param({"requests": {"memory": "1Gi"}}, "1Gi", "2147483648", id="a small request"),
        pytest.param({"requests": {"memory": "4Gi"}}, "4Gi", "4294967296", id="a large request"),
        pytest.param(
            {"requests": {"memory": None}, "limits": {"memory": None}},
            *("2147483648", "2147483648"),
            id="null is no amount",
        ),
    ],
)
def test_the_memory_limit_holds_all_ranks_and_the_users_own_request(
    given: Mapping[str, Any], request_: str, limit: str
) -> None:
    container = {"name": "engine", "image": "x", "resources": given}
    worker = make_worker(container, ranks=2, memory={"perRank": "1Gi"})

    resources = engine_of(pod_of(worker))["resources"]

    assert resources["requests"]["memory"] == request_
    assert resources["limits"]["memory"] == limit


def test_without_memory_per_rank_no_memory_is_asked_or_told() -> None:
    pod = pod_of(make_worker())

    assert "memory" not in engine_of(pod)["resources"]["limits"]
    assert engine_of(pod)["env"] == check_of(pod)["env"] == []


def test_engine_and_check_are_told_the_memory_per_rank() -> None:
    container = {"name": "engine", "image": "x", "env": [{"name": "A", "value": "b"}]}
    pod = pod_of(make_worker(container, memory={"perRank": "1Gi"}))

    told = {"name": "NUMALOCAL_MEMORY_PER_RANK_BYTES", "value": "1073741824"}
    assert check_of(pod)["env"] == [told]
    assert engine_of(pod)["env"] == [{"name": "A", "value": "b"}, told]


def test_the_check_has_the_engines_cpu_and_memory_but_none_of_its_devices() -> None:
    resources = {
        "requests": {"cpu": "2", "memory": "4Gi"},
        "limits": {"memory": "4Gi", "example.com/card": "1", "hugepages-2Mi": "1Gi"},
        "claims": [{"name": "card"}],
    }
    pod = pod_of(make_worker({"name": "engine", "image": "x", "resources": resources}))

    assert check_of(pod)["resources"] == {
        "requests": {"cpu": "2", "memory": "4Gi"},
        "limits": {"memory": "4Gi"},
    }


def test_the_check_is_allowed_where_pod_security_is_restricted() -> None:
    check = check_of(pod_of(make_worker(), config=Config(binder_pull_policy="Always")))

    assert (check["image"], check["imagePullPolicy"]) == (Config().binder_image, "Always")
    assert check["args"] == ["check"]
    assert check["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


@pytest.mark.parametrize(
    ("theirs", "user"),
    [
        pytest.param(None, None, id="the image's own, or what the cluster gives"),
        pytest.param({}, None, id="nothing said"),
        pytest.param({"runAsUser": 1000}, None, id="the pod's"),
        pytest.param({"runAsUser": 0}, 65532, id="never root"),
    ],
)
def test_the_check_names_a_user_only_where_the_pods_is_root(theirs: Any, user: int | None) -> None:
    spec = {"containers": [{"name": "engine", "image": "x"}], "securityContext": theirs}

    check = check_of(pod_of(make_worker(template={"spec": spec})))

    assert check["securityContext"].get("runAsUser") == user


@pytest.mark.parametrize(
    "change",
    [
        {"ranks": 2},
        {"pool": "big"},
        {"engine": {"name": "openmp"}},
        {"memory": {"perRank": "1Gi"}},
        {"memory": {"policy": "Interleave"}},
        {"memory": {"nodes": "Near"}},
        {"memory": {"onOverflow": "Interleave"}},
        {"enforcement": "BestEffort"},
        {"engine": {"name": "vllm"}, "memory": {"kvCache": "1Gi"}},
        {"template": {"spec": {"containers": [{"name": "engine", "image": "y"}]}}},
    ],
    ids=" ".join,
)
def test_what_changes_the_pod_changes_the_revision(change: Mapping[str, Any]) -> None:
    assert revision(make_worker(**change)) != revision(make_worker())


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, "a0852a4820"),
        ({"ranks": 2, "engine": {"name": "vllm"}, "memory": {"perRank": "64Gi"}}, "bd4677f5e8"),
        (
            {"engine": {"name": "vllm", "reservedCores": 1}, "memory": {"kvCache": "8Gi"}},
            "8e26f084df",
        ),
    ],
)
def test_an_upgrade_of_the_operator_keeps_the_revisions_of_workers(
    spec: dict[str, Any], expected: str
) -> None:
    """These are what the first release gives: another one rolls every worker there is."""
    assert revision(make_worker(**spec)) == expected


def test_a_field_of_the_engine_that_is_new_and_by_default_is_in_no_revision() -> None:
    counted = {field.name for field in dataclasses.fields(EngineSettings)}
    engine = EngineSettings(name="vllm")

    assert {name for name in counted if getattr(engine, name) is not None} == {"name", "openmp"}


@pytest.mark.parametrize(
    "change",
    [
        {"maxUnavailable": 3},
        {"paused": True},
        {"progressDeadlineSeconds": 60},
        {"service": {"ports": [{"port": 80}]}},
        {"disruptionBudget": {}},
    ],
    ids=str,
)
def test_how_to_roll_is_no_reason_to_roll(change: dict[str, Any]) -> None:
    assert revision(make_worker(**change)) == revision(make_worker())


def test_what_is_said_as_it_is_by_default_is_in_no_revision() -> None:
    memory = {"policy": "Bind", "nodes": "Local", "onOverflow": "Refuse"}

    assert revision(make_worker(memory=memory, enforcement="Required")) == revision(make_worker())


def test_what_is_asked_of_memory_is_told_the_agent_and_the_check() -> None:
    memory = {"perRank": "1Gi", "policy": "Interleave", "nodes": "Any", "onOverflow": "Interleave"}

    pod = pod_of(make_worker(memory=memory, enforcement="BestEffort"))

    assert pod["metadata"]["annotations"].items() >= {
        ("numalocal.io/memory-policy", "Interleave"),
        ("numalocal.io/memory-nodes", "Any"),
        ("numalocal.io/on-overflow", "Interleave"),
        ("numalocal.io/memory", str(1 << 30)),
        ("numalocal.io/enforcement", "BestEffort"),
    }
    told = {one["name"]: one["value"] for one in check_of(pod)["env"]}
    assert told["NUMALOCAL_ENFORCEMENT"] == "BestEffort"


def test_a_pod_is_kept_off_nodes_by_name_and_says_so_and_its_revision_does_not() -> None:
    worker = make_worker()

    pod = manifest(mould(worker, NUMBERS, CONFIG, ["a", "b"]), 0, attempt=0)

    assert pod["metadata"]["annotations"]["numalocal.io/kept-off"] == "a,b"
    affinity = pod["spec"]["affinity"]["nodeAffinity"]
    (term,) = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert [one["values"] for one in term["matchFields"]] == [["a"], ["b"]]
    assert pod["metadata"]["labels"][names.LABEL_REVISION] == revision(worker)
    assert "affinity" not in pod_of(worker)["spec"]
    assert observe(pod, lambda *_: None).kept_off == {"a", "b"}


def test_a_restart_as_kubectl_writes_it_is_a_new_revision() -> None:
    template: dict[str, Any] = {"spec": {"containers": [{"name": "engine", "image": "x"}]}}
    at = {"kubectl.kubernetes.io/restartedAt": "2026-01-02T03:04:05Z"}
    restarted = {**template, "metadata": {"annotations": at}}
    worker = make_worker(template=restarted)

    assert revision(worker) != revision(make_worker(template=template))
    assert pod_of(worker)["metadata"]["annotations"].items() >= at.items()


def test_a_headless_service_gives_every_replica_a_name_in_the_dns() -> None:
    headless = make_worker(service={"type": "Headless"})
    plain = {"hostname", "subdomain"} & set(pod_of(make_worker())["spec"])
    moved = pod_of(headless, replica=1, name="llama-1-0a1b")

    assert not plain
    for pod in (pod_of(headless, replica=1), moved):
        assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("llama-1", "llama")
    assert revision(headless) != revision(make_worker()), "names come with new pods"


def test_a_name_that_the_template_gives_or_that_is_too_long_is_left_as_it_is() -> None:
    template = {"spec": {"containers": [{"name": "engine"}], "subdomain": "b", "hostname": "a"}}
    headless = make_worker(service={"type": "Headless"}, template=template)
    raw = raw_worker(service={"type": "Headless"})
    raw["metadata"]["name"] = 63 * "a"

    spec = pod_of(headless)["spec"]
    assert (spec["hostname"], spec["subdomain"]) == ("a", "b")
    assert "hostname" not in pod_of(parse_worker(raw))["spec"]


def test_a_pod_that_takes_anothers_place_has_a_name_of_its_own() -> None:
    worker = make_worker()
    names = {successor_name(worker, 0, uid) for uid in ("a", "b", "a")}

    assert len(names) == 2
    assert all(re.fullmatch(r"llama-0-[0-9a-f]{8}", name) for name in names)


def test_scaling_an_upgrade_and_another_node_do_not_change_the_revision() -> None:
    pods = [
        pod_of(make_worker()),
        pod_of(make_worker(replicas=5), replica=4, attempt=1),
        pod_of(make_worker(), config=Config(binder_image="numalocal/binder:next")),
        pod_of(make_worker(), numbers=PoolNumbers(cpus_per_set=8)),
    ]

    assert len({pod["metadata"]["labels"][names.LABEL_REVISION] for pod in pods}) == 1


VLLM = {"name": "engine", "image": "vllm:v0.24.0", "args": ["serve", "m"]}


def test_an_engine_gets_its_arguments_behind_the_users_own() -> None:
    worker = make_worker(
        VLLM, ranks=2, engine={"name": "vllm"}, memory={"perRank": "64Gi", "kvCache": "24Gi"}
    )

    assert engine_of(pod_of(worker))["args"] == [
        *("serve", "m", "--tensor-parallel-size", "2", "--kv-cache-memory-bytes"),
        str(24 << 30),
    ]


def test_a_program_that_reads_no_arguments_is_told_by_variable() -> None:
    own = {"name": "A", "value": "b"}
    container = {"name": "engine", "image": "x", "command": ["python3", "app.py"], "env": [own]}

    engine = engine_of(
        pod_of(make_worker(container, engine={"name": "vllm"}, memory={"kvCache": "24Gi"}))
    )

    assert "args" not in engine
    assert engine["env"] == [own, {"name": "VLLM_CPU_KVCACHE_SPACE", "value": "24"}]


def test_an_engine_without_arguments_of_ours_keeps_the_images_command() -> None:
    assert "args" not in engine_of(pod_of(make_worker()))


def test_an_old_vllm_counts_memory_from_the_largest_node_of_the_pool() -> None:
    old = {**VLLM, "image": "vllm:v0.23.0"}
    worker = make_worker(old, engine={"name": "vllm"}, memory={"perRank": "64Gi"})

    # 64 GiB with /dev/shm, less what is no rank, of 256 GiB.
    assert engine_of(pod_of(worker))["args"][2:] == ["--gpu-memory-utilization", "0.2421"]


def test_ranks_that_share_memory_get_a_shm_that_counts_against_the_limit() -> None:
    worker = make_worker(VLLM, ranks=2, engine={"name": "vllm"}, memory={"perRank": "64Gi"})

    pod = pod_of(worker)

    assert pod["spec"]["volumes"] == [
        {"name": "numalocal-shm", "emptyDir": {"medium": "Memory", "sizeLimit": str(2 << 30)}}
    ]
    assert engine_of(pod)["volumeMounts"] == [{"name": "numalocal-shm", "mountPath": "/dev/shm"}]
    assert engine_of(pod)["resources"]["limits"]["memory"] == str(130 << 30)


def test_a_shm_of_the_users_is_left_alone() -> None:
    mounts = [{"name": "own", "mountPath": "/dev/shm"}]
    worker = make_worker({**VLLM, "volumeMounts": mounts}, engine={"name": "vllm"})

    pod = pod_of(worker)

    assert "volumes" not in pod["spec"]
    assert engine_of(pod)["volumeMounts"] == mounts


def test_what_the_engine_is_not_told_is_noted_on_the_pod() -> None:
    plain = {"name": "engine", "image": "x"}
    worker = make_worker(plain, engine={"name": "vllm"}, ranks=2)

    annotations = pod_of(worker)["metadata"]["annotations"]

    assert annotations[names.ANNOTATION_NOTES] == (
        "--tensor-parallel-size 2 is not added, as the template gives no args, and any would "
        "replace the image's own: write it there yourself"
    )
    assert names.ANNOTATION_NOTES not in pod_of(make_worker())["metadata"]["annotations"]


def test_the_workers_own_template_is_never_changed() -> None:
    worker = make_worker(memory={"perRank": "1Gi"})
    before = json.dumps(worker.template.raw)

    pod_of(worker)

    assert json.dumps(worker.template.raw) == before
