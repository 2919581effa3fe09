import copy
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests.operator import kstatus
from tests.operator.builders import NOW, make_pod, make_worker

from numalocal import engines
from numalocal.engines import ENGINES, OPENMP_RUNTIMES
from numalocal.errors import SpecInvalid
from numalocal.quantity import parse_bytes
from numalocal.sets.memoryask import Enforcement, MemoryPolicy, Overflow
from numalocal.sets.near import MemoryNodes
from numalocal.worker import spec as worker_module
from numalocal.worker.ask import MAX_RANKS, MAX_RESERVED_CORES
from numalocal.worker.companions import _SERVICE_NAME
from numalocal.worker.spec import MAX_REPLICAS, parse_worker
from numalocal_operator.planning import status as statuses
from numalocal_operator.planning.conditions import READY
from numalocal_operator.planning.plan import Plan
from numalocal_operator.planning.target import target

from .conftest import CHART, EXAMPLES

CRD: Mapping[str, Any] = yaml.safe_load(
    (CHART / "definitions" / "cpuinferenceworkers.yaml").read_text()
)
(VERSION,) = CRD["spec"]["versions"]
SCHEMA: Mapping[str, Any] = VERSION["schema"]["openAPIV3Schema"]
SPEC: Mapping[str, Any] = SCHEMA["properties"]["spec"]
STATUS: Mapping[str, Any] = SCHEMA["properties"]["status"]
KEEPS_ALL = "x-kubernetes-preserve-unknown-fields"


def strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Refuse unknown fields, as the API server does for kubectl (strict field validation)."""
    made = dict(schema)
    if "properties" in schema:
        made["properties"] = {name: strict(one) for name, one in schema["properties"].items()}
        made["additionalProperties"] = schema.get(KEEPS_ALL, False)
    if "items" in schema:
        made["items"] = strict(schema["items"])
    return made


def with_defaults(schema: Mapping[str, Any], value: Any) -> Any:
    """Fill in defaults, as the API server does: of a field that is absent, then inside it."""
    if not isinstance(value, dict):
        return value
    for name, one in schema.get("properties", {}).items():
        if name not in value and "default" in one:
            value[name] = copy.deepcopy(one["default"])
        if name in value:
            value[name] = with_defaults(one, value[name])
    return value


VALIDATOR = jsonschema.Draft202012Validator(
    strict(SCHEMA), format_checker=jsonschema.FormatChecker()
)


def worker(**spec: Any) -> dict[str, Any]:
    template = {"spec": {"containers": [{"name": "engine", "image": "engine"}]}}
    return {
        "apiVersion": "numalocal.io/v1alpha1",
        "kind": "CpuInferenceWorker",
        "metadata": {"name": "llama", "namespace": "models"},
        "spec": {"template": template, **spec},
    }


def described(schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, one in schema.get("properties", {}).items():
        yield f"{path}.{name}", one
        yield from described(one, f"{path}.{name}")
    if "items" in schema:
        yield from described(schema["items"], f"{path}[]")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: str(path.name))
def test_an_example_is_what_the_schema_and_the_parser_take(path: Any) -> None:
    for document in yaml.safe_load_all(path.read_text()):
        VALIDATOR.validate(document)
        assert parse_worker(document).name == document["metadata"]["name"]


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"replicas": 0},
        {"maxUnavailable": 3, "paused": True, "progressDeadlineSeconds": 60},
        {"maxUnavailable": "1%"},
        {"maxUnavailable": "100%"},
        {"service": {"ports": [{"port": 80}]}},
        {"service": {"type": "Headless", "publishNotReadyAddresses": True}},
        {
            "service": {
                "type": "ClusterIP",
                "ports": [
                    {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"},
                    {"port": 65535, "targetPort": 1, "protocol": "UDP"},
                ],
            }
        },
        {"disruptionBudget": {}},
        {"disruptionBudget": {"maxUnavailable": 0}},
        {"disruptionBudget": {"maxUnavailable": "0%"}},
        {"disruptionBudget": {"minAvailable": "100%"}},
        {"disruptionBudget": {"unhealthyPodEvictionPolicy": "IfHealthyBudget"}},
        {"ranks": 64, "pool": 40 * "a"},
        {"engine": {"name": "vllm", "reservedCores": 0}},
        {"engine": {"reservedCores": MAX_RESERVED_CORES}},
        {"memory": {"perRank": 67108864}},
        {"memory": {"perRank": "1.5Gi", "policy": "Bind", "kvCache": "auto"}},
        {"engine": {"name": "vllm"}, "memory": {"perRank": "64Gi", "kvCache": "24Gi"}},
        {"memory": {"policy": "WeightedInterleave", "nodes": "Near", "onOverflow": "Interleave"}},
        {"placement": "Spread", "enforcement": "Required"},
        {"enforcement": "BestEffort"},
    ],
)
def test_a_good_spec_is_taken_by_schema_and_parser(spec: Any) -> None:
    VALIDATOR.validate(worker(**spec))
    parse_worker(worker(**spec))


@pytest.mark.parametrize(
    "spec",
    [
        {"replicas": -1},
        {"replicas": "2"},
        {"replicas": MAX_REPLICAS + 1},
        {"maxUnavailable": 0},
        {"maxUnavailable": "0%"},
        {"maxUnavailable": "101%"},
        {"maxUnavailable": "2"},
        {"maxUnavailable": "25 %"},
        {"maxUnavailable": 0.25},
        {"maxUnavailable": True},
        {"service": True},
        {"service": {"type": "NodePort"}},
        {"service": {"port": 80}},
        {"service": {"type": "Headless", "publishNotReadyAddresses": "yes"}},
        {"service": {"ports": [{"name": "http"}]}},
        {"service": {"ports": [{"port": 0}]}},
        {"service": {"ports": [{"port": 65536}]}},
        {"service": {"ports": [{"port": "80"}]}},
        {"service": {"ports": [{"port": 80, "name": "HTTP"}]}},
        {"service": {"ports": [{"port": 80, "targetPort": 0}]}},
        {"service": {"ports": [{"port": 80, "targetPort": 16 * "a"}]}},
        {"service": {"ports": [{"port": 80, "protocol": "tcp"}]}},
        {"service": {"ports": [{"port": 80, "nodePort": 30080}]}},
        {"service": {"ports": [{"port": number} for number in range(1, 102)]}},
        {"disruptionBudget": {"maxUnavailable": -1}},
        {"disruptionBudget": {"minAvailable": "101%"}},
        {"disruptionBudget": {"minUnavailable": 1}},
        {"disruptionBudget": {"unhealthyPodEvictionPolicy": "Never"}},
        {"paused": "yes"},
        {"paused": 1},
        {"progressDeadlineSeconds": 0},
        {"ranks": 0},
        {"ranks": MAX_RANKS + 1},
        {"ranks": 1.5},
        {"pool": "Big"},
        {"pool": "-cpuset"},
        {"pool": 41 * "a"},
        {"placement": "Pack"},
        {"engine": {"name": "triton"}},
        {"engine": {"openMP": "GNU"}},
        {"engine": {"reservedCores": -1}},
        {"engine": {"reservedCores": MAX_RESERVED_CORES + 1}},
        {"engine": {"openmp": "gnu"}},
        {"memory": {"perRank": "64 GiB"}},
        {"memory": {"perRank": "-1Gi"}},
        {"memory": {"perRank": 0}},
        {"memory": {"policy": "interleave"}},
        {"memory": {"nodes": "0-1"}},
        {"memory": {"kvCache": "all"}},
        {"memory": {"onOverflow": "Ignore"}},
        {"memory": {"perrank": "64Gi"}},
        {"enforcement": "None"},
        {"rank": 2},
        {"template": {}},
        {"template": {"spec": {}}},
        {"template": {"spec": {"containers": []}}},
    ],
)
def test_a_bad_spec_is_refused_by_schema_and_parser(spec: Any) -> None:
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(worker(**spec))
    with pytest.raises(SpecInvalid):
        parse_worker(worker(**spec))


def test_a_worker_without_a_spec_or_a_template_is_refused() -> None:
    for document in ({**worker(), "spec": {}}, {"kind": "CpuInferenceWorker"}):
        with pytest.raises(jsonschema.ValidationError):
            VALIDATOR.validate(document)


@pytest.mark.parametrize("kind", ["containers", "initContainers"])
def test_a_container_without_a_name_is_refused(kind: str) -> None:
    containers: dict[str, Any] = {"containers": [{"name": "engine"}], kind: [{"image": "e"}]}

    with pytest.raises(jsonschema.ValidationError, match="'name' is a required property"):
        VALIDATOR.validate(worker(template={"spec": containers}))


def test_the_template_keeps_whatever_a_pod_may_have() -> None:
    spec = {"containers": [{"name": "engine", "image": "e", "resources": {}}], "priority": 3}

    VALIDATOR.validate(worker(template={"metadata": {"labels": {"a": "b"}}, "spec": spec}))
    schemas = [SPEC["properties"]["template"]]
    schemas += schemas[0]["properties"].values()
    schemas += [one["items"] for one in schemas[1]["properties"].values()]
    assert [one[KEEPS_ALL] for one in schemas] == [True] * 4


def test_the_schema_has_the_fields_and_words_of_the_parser() -> None:
    fields = SPEC["properties"]

    assert set(fields) == set(worker_module._SPEC_FIELDS)
    assert tuple(fields["engine"]["properties"]["name"]["enum"]) == ENGINES
    assert tuple(fields["engine"]["properties"]["openMP"]["enum"]) == OPENMP_RUNTIMES
    memory = fields["memory"]["properties"]
    assert tuple(memory["policy"]["enum"]) == tuple(MemoryPolicy)
    assert tuple(memory["nodes"]["enum"]) == tuple(MemoryNodes)
    assert tuple(memory["onOverflow"]["enum"]) == tuple(Overflow)
    assert tuple(fields["enforcement"]["enum"]) == tuple(Enforcement)
    assert (fields["ranks"]["minimum"], fields["ranks"]["maximum"]) == (1, MAX_RANKS)
    assert (fields["replicas"]["minimum"], fields["replicas"]["maximum"]) == (0, MAX_REPLICAS)


def test_the_defaults_of_the_schema_are_those_of_the_parser() -> None:
    filled = with_defaults(SCHEMA, worker())

    assert filled["spec"]["engine"] == {"name": "none", "openMP": "auto"}
    assert filled["spec"]["memory"] == {
        "policy": "Bind",
        "nodes": "Local",
        "kvCache": "auto",
        "onOverflow": "Refuse",
    }
    assert parse_worker(filled) == parse_worker(worker())


@given(
    st.from_regex(
        r"[+-]?[0-9]{0,4}(\.[0-9]{0,2})?([eE][+-]?[0-9]{1,3}|[a-zA-Z]{0,2})?", fullmatch=True
    )
)
def test_a_quantity_is_one_to_the_schema_where_it_is_one_to_the_parser(text: str) -> None:
    schema = SPEC["properties"]["memory"]["properties"]["perRank"]
    try:
        size_bytes: int | None = parse_bytes(text)
    except ValueError as error:
        size_bytes = (1 << 63) if "2^63" in str(error) else None

    valid = jsonschema.Draft202012Validator(schema).is_valid(text)

    assert valid == (size_bytes is not None)


def test_the_operators_status_fits_the_schema() -> None:
    asked = make_worker(replicas=2, ranks=2)
    ranks = [
        {"cpus": "2-3", "numaNode": 0, "memoryBytes": 67108864},
        {"cpus": "6-7", "numaNode": 1},
    ]
    report = {"verified": True, "cpus": "2-3,6-7", "mems": "0-1", "ranks": ranks, "message": "fine"}
    checked = {"check_passed": True, "check_message": json.dumps(report), "notes": ("a note",)}
    ended = {"restarts": 3, "restarted": "container engine ended with exit code 137 (OOMKilled)"}
    pods = make_pod(asked, 0, **checked), make_pod(asked, 1, **checked, **ended, engine_id="")
    status = statuses.status(target(asked), pods, Plan(), {}, NOW)

    VALIDATOR.validate({**worker(), "status": status})
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate({**worker(), "status": {**status, "ready": 1}})
    assert {one["verified"] for one in status["placements"]} == {True, False}
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate({**worker(), "status": {"conditions": [{"type": "Degraded"}]}})


def test_a_worker_without_a_status_is_read_by_no_tool_as_ready() -> None:
    created = with_defaults(SCHEMA, {**worker(), "metadata": {"name": "llama", "generation": 1}})

    assert created["status"] == {"observedGeneration": -1}
    assert kstatus.computed(created) == kstatus.IN_PROGRESS


def test_scale_and_columns_read_fields_that_exist() -> None:
    def exists(path: str) -> bool:
        schema = SCHEMA
        for name in path.partition("[")[0].lstrip(".").split("."):
            schema = schema.get("properties", {}).get(name, {})
        return bool(schema)

    scale = VERSION["subresources"]["scale"]
    columns = {one["name"]: one["jsonPath"] for one in VERSION["additionalPrinterColumns"]}

    assert VERSION["subresources"]["status"] == {}
    assert all(exists(path) for path in scale.values())
    assert columns.pop("Age") == ".metadata.creationTimestamp"
    assert list(columns)[:5] == ["Ready", "Verified", "Status", "Ranks", "Pool"]
    wide = [one["name"] for one in VERSION["additionalPrinterColumns"] if one.get("priority")]
    assert wide == list(columns)[5:] == ["Memory", "Enforcement", "Bound"]
    assert columns["Status"] == f'.status.conditions[?(@.type=="{READY}")].reason'
    assert all(exists(path) for path in columns.values())


def test_conditions_are_merged_by_their_type() -> None:
    conditions = STATUS["properties"]["conditions"]

    assert conditions["x-kubernetes-list-type"] == "map"
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]


def test_kubectl_explain_has_a_sentence_for_every_field() -> None:
    fields = [*described(SPEC, "spec"), *described(STATUS, "status")]
    silent = [
        path
        for path, schema in fields
        if not schema.get("description", "").endswith(".") and "template.spec" not in path
    ]

    assert len(fields) > 30
    assert silent == []


def test_the_api_server_says_at_once_what_its_rules_can_say() -> None:
    """What these rules do was tried on an API server; here they are held against the parser's."""
    _, named = SCHEMA["x-kubernetes-validations"]
    (one_of_two,) = SPEC["properties"]["disruptionBudget"]["x-kubernetes-validations"]
    (told,) = SPEC["x-kubernetes-validations"]
    below, *amounts = SPEC["properties"]["memory"]["x-kubernetes-validations"]
    able = [name for name in ENGINES if engines.adapter(name).kv_cache]

    assert re.findall(r"engine\.name == '([^']*)'", told["rule"]) == able
    assert told["message"].endswith(f"are {', '.join(able)})")
    assert re.findall(r"matches\('\^(.*)\$'\)", named["rule"]) == [_SERVICE_NAME.pattern]
    with pytest.raises(SpecInvalid, match=re.escape(one_of_two["fieldPath"].strip("."))):
        parse_worker(worker(disruptionBudget={"maxUnavailable": 1, "minAvailable": 1}))
    for memory in ({"kvCache": "1Gi"}, {"perRank": "16Gi", "kvCache": "16Gi"}):
        with pytest.raises(SpecInvalid, match=re.escape(below["fieldPath"].strip("."))):
            parse_worker(
                worker(engine={"name": "vllm" if "perRank" in memory else "sglang"}, memory=memory)
            )
    for one in amounts:
        field = one["fieldPath"].strip(".")
        for amount in ("64", "1Ki", "500m", "1023Ki", "8Ei", "10E", "1e19", "1e99"):
            with pytest.raises(SpecInvalid, match=field):
                parse_worker(worker(engine={"name": "vllm"}, memory={field: amount}))
        assert f"has(self.{field})" in one["rule"]
        assert {
            parse_bytes(limit) for limit in re.findall(r"quantity\('(.*?)'\)", one["rule"])
        } == {
            1 << 20,
            (1 << 63) - 1,
        }
