from typing import Any

import pytest

from numalocal.fields import Fields
from numalocal.problems import Problem
from numalocal.worker import podtemplate
from numalocal.worker.containers import Variable
from numalocal.worker.podtemplate import Template

from ..conftest import GIB


def parsed(
    template: Any, ranks: int = 1, memory_bytes: int | None = None
) -> tuple[Template | None, list[str]]:
    problems: list[Problem] = []
    fields = Fields(template, "template", problems)
    found = podtemplate.parse(fields, ranks, memory_bytes)
    return found, [str(one) for one in problems]


def of(container: Any, **spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": [container], **spec}}


def read(template: Any) -> Template:
    found, problems = parsed(template)
    assert problems == []
    assert found is not None
    return found


def engine(**fields: Any) -> dict[str, Any]:
    return {"name": "engine", "image": "x", **fields}


def problems_of(**fields: Any) -> list[str]:
    return parsed(of(engine(**fields)))[1]


def test_a_container_is_read_into_values() -> None:
    container = read(
        of(
            engine(
                command=["sh", "-c"],
                args=["serve"],
                env=[
                    {"name": "A", "value": "1"},
                    {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                    {"name": "A", "value": "2"},
                ],
                resources={
                    "requests": {"cpu": 2, "memory": "1Gi", "example.com/card": 1},
                    "limits": {"memory": "2Gi", "ephemeral-storage": "1e9"},
                },
                volumeMounts=[{"name": "m", "mountPath": "/models/"}],
            )
        )
    ).engine

    assert (container.name, container.path) == ("engine", "template.spec.containers[0]")
    assert (container.command, container.args, container.image) == (("sh", "-c"), ("serve",), "x")
    assert container.env == (Variable("A", "1"), Variable("B", None), Variable("A", "2"))
    assert container.variables == {"A": "2", "B": None}
    assert (container.memory_request_bytes, container.memory_limit_bytes) == (GIB, 2 * GIB)
    assert container.mounts == {"/models"}
    assert not container.sidecar


def test_what_is_not_read_passes_through_as_it_stands() -> None:
    raw = of(engine(lifecycle={"preStop": {"sleep": {"seconds": 5}}}), schedulerName="mine")

    assert read(raw).raw is raw


def test_null_is_absent_as_in_kubernetes() -> None:
    absent = read(of({"name": "engine"})).engine
    fields = ("image", "command", "args", "env", "resources", "volumeMounts", "restartPolicy")
    given = of({"name": "engine", **dict.fromkeys(fields)}, initContainers=None, volumes=None)

    assert read({"metadata": None, **given}).engine == absent
    assert read(of(engine(resources={"limits": None, "requests": {"memory": None}}))) is not None


def test_an_empty_value_is_empty_and_not_unknown() -> None:
    env = [{"name": "A", "value": None}, {"name": "B"}, {"name": "C", "valueFrom": None}]

    assert read(of(engine(env=env))).engine.variables == {"A": "", "B": "", "C": ""}
    assert read(of(engine(args=["-x", None]))).engine.args == ("-x", "")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"args": ["-c", 4096]}, 'args[1]: 4096 must be text such as "4096"'),
        ({"args": [0.5]}, 'args[0]: 0.5 must be text such as "0.5"'),
        (
            {"command": [True]},
            'command[0]: true must be text: quote it, such as "true" (YAML reads on, off, yes, no, '
            "true and false as truth values)",
        ),
        (
            {"args": [{"--model": "m"}]},
            "args[0]: {'--model': 'm'} must be text: quote it where it holds a colon and a space",
        ),
        ({"args": [["-c", "1"]]}, "args[0]: ['-c', '1'] must be text"),
        (
            {"args": "-m /m.gguf"},
            """args: '-m /m.gguf' must be a list such as ["-m", "/m.gguf"]""",
        ),
        ({"command": "it's"}, """command: "it's" must be a list such as ["it's"]"""),
        ({"args": {"a": "b"}}, "args: {'a': 'b'} must be a list"),
        ({"args": ["a\0b"]}, r"args[0]: 'a\x00b' must not hold a NUL character, which ends a text"),
        ({"image": 1.25}, 'image: 1.25 must be text such as "1.25"'),
        (
            {"env": {"A": "b"}},
            "env: {'A': 'b'} must be a list such as [{name: NAME, value: text}]",
        ),
        ({"env": ["A=b"]}, "env[0]: 'A=b' must be a mapping"),
        ({"env": [{"name": "A", "value": 1}]}, 'env[0].value: 1 must be text such as "1"'),
        (
            {"env": [{"name": "A", "value": "1", "valueFrom": {"fieldRef": {}}}]},
            "env[0].valueFrom: {'fieldRef': {}} must be left out: the variable has a value already",
        ),
        (
            {"resources": {"limits": {"memory": "4 GB"}}},
            "resources.limits.memory: '4 GB' must be an amount of memory: did you mean 4Gi?",
        ),
        (
            {"resources": {"limits": {"memory": 0}}},
            "resources.limits.memory: 0 must be an amount of memory such as 64Gi",
        ),
        (
            {"resources": {"requests": {"cpu": "two"}}},
            "resources.requests.cpu: 'two' must be an amount such as 2, 500m or 1Gi",
        ),
        (
            {"resources": {"requests": {"example.com/card": -1}}},
            "resources.requests[example.com/card]: -1 must be an amount such as 2, 500m or 1Gi",
        ),
        (
            {"resources": {"requests": {"cpu": True}}},
            "resources.requests.cpu: true must be an amount such as 2, 500m or 1Gi",
        ),
        ({"resources": "4Gi"}, "resources: '4Gi' must be a mapping"),
        ({"resources": {"limits": ["4Gi"]}}, "resources.limits: ['4Gi'] must be a mapping"),
        (
            {"volumeMounts": {"/dev/shm": "x"}},
            "volumeMounts: {'/dev/shm': 'x'} must be a list",
        ),
        (
            {"volumeMounts": [{"mountPath": 1}]},
            'volumeMounts[0].mountPath: 1 must be text such as "1"',
        ),
    ],
    ids=lambda one: next(iter(one)) if isinstance(one, dict) else "",
)
def test_what_kubernetes_would_not_take_is_one_sentence(
    fields: dict[str, Any], problem: str
) -> None:
    assert problems_of(**fields) == [f"template.spec.containers[0].{problem}"]


@pytest.mark.parametrize("name", [None, "", "A=B", "a\nb", "größe", "\x1b[31m", 4])
def test_a_variable_without_a_usable_name_is_refused(name: object) -> None:
    (problem,) = problems_of(env=[{"name": name, "value": "1"}])

    assert "env[0].name" in problem
    assert "printable ASCII characters without '='" in problem


@pytest.mark.parametrize("name", ["Engine", "a_b", "-a", "a.b", "a/../b", 64 * "a", "a\n", 7, ""])
def test_a_container_is_named_as_kubernetes_wants_it(name: object) -> None:
    _, problems = parsed(of({"name": name}))

    assert len(problems) == 1
    assert problems[0].isprintable()
    assert "must be at most 63 lower case letters, digits and '-'" in problems[0]


def test_no_two_containers_have_one_name() -> None:
    init = [{"name": "engine"}]

    _, problems = parsed(of(engine(), initContainers=init))

    assert problems == [
        "template.spec.containers[0].name: 'engine' is another container's name; give each its own"
    ]


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"nodeName": "node-a"}, "spec.nodeName: 'node-a' must be left out: the scheduler knows"),
        ({"os": {"name": "windows"}}, "spec.os.name: 'windows' must be linux"),
        ({"restartPolicy": "Never"}, "spec.restartPolicy: 'Never' must be Always"),
        ({"volumes": {"a": {}}}, "spec.volumes: {'a': {}} must be a list"),
        (
            {"volumes": [{"name": "numalocal-shm"}]},
            "spec.volumes[0].name: 'numalocal-shm' is the volume that numalocal adds",
        ),
        ({"initContainers": {"name": "a"}}, "spec.initContainers: {'name': 'a'} must be a list"),
        ({"initContainers": [None]}, "spec.initContainers[0]: null must be a mapping"),
    ],
    ids=lambda one: next(iter(one)) if isinstance(one, dict) else "",
)
def test_a_pod_that_no_node_would_serve_is_refused(spec: dict[str, Any], problem: str) -> None:
    _, problems = parsed(of(engine(), **spec))

    assert [one.startswith(f"template.{problem}") for one in problems] == [True], problems


def test_linux_is_said_by_many() -> None:
    assert read(of(engine(), os={"name": "linux"}, nodeName=None)) is not None


@pytest.mark.parametrize("kind", ["labels", "annotations"])
def test_labels_and_annotations_are_text(kind: str) -> None:
    _, problems = parsed({"metadata": {kind: {"on-call": True}}, **of(engine())})

    assert len(problems) == 1
    assert problems[0].startswith(f"template.metadata.{kind}.on-call: true must be text: quote it")


def test_a_sidecar_is_an_init_container_that_stays() -> None:
    inits = [{"name": "fetch"}, {"name": "proxy", "restartPolicy": "Always"}]

    found = read(of(engine(), initContainers=inits)).init_containers

    assert [(one.name, one.sidecar) for one in found] == [("fetch", False), ("proxy", True)]


def test_the_first_container_as_engine_is_said() -> None:
    two = {"spec": {"containers": [{"name": "proxy"}, {"name": "llama"}]}}
    named = {"spec": {"containers": [{"name": "proxy"}, {"name": "engine"}]}}

    assert read(two).notes == (
        "container proxy gets the CPU sets, as it is the first of 2 and none is named engine: name "
        "the engine's so if it is another",
    )
    assert read(named).notes == read(of({"name": "llama"})).notes == ()


@pytest.mark.parametrize("template", [None, {}, {"spec": None}, {"spec": {"containers": None}}])
def test_a_template_lists_a_container(template: object) -> None:
    found, problems = parsed(template)

    assert found is None
    assert problems == ["template.spec.containers: null must list at least one container"]


@pytest.mark.parametrize("template", [1, "x", [], {"spec": []}, {"spec": {"containers": "x"}}])
def test_what_is_no_template_is_told(template: object) -> None:
    found, problems = parsed(template)

    assert found is None
    assert problems


DOUBLING = [{"name": "V0", "value": 100 * "x"}] + [
    {"name": f"V{n}", "value": f"$(V{n - 1})$(V{n - 1})"} for n in range(1, 60)
]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"args": [131_072 * "x"]}, "args[0]: 'xxx... is 131072 bytes long when expanded, and"),
        ({"command": ["sh", "-c", 70_000 * "é"]}, "command[2]: 'ééé... is 140000 bytes long"),
        (
            {"env": [{"name": "V", "value": 1_000 * "x"}], "args": [200 * "$(V)"]},
            "args[0]: '$(V... is 200800 bytes long when expanded, and Linux takes 131071 in one",
        ),
        (
            {"env": [{"name": "V", "value": 100_000 * "x"}], "args": 100 * ["$(V)"]},
            "name: 'en... has arguments and variables of 10100400 bytes, and Linux takes 6291456",
        ),
        ({"env": DOUBLING}, "env[11]: '$(V10... is 225272 bytes long when expanded"),
    ],
    ids=["argument", "bytes", "expanded", "together", "doubling"],
)
def test_what_no_linux_starts_is_told_before_it_is_expanded(
    fields: dict[str, Any], problem: str
) -> None:
    path, _, rest = problem.partition(": ")
    shown, _, message = rest.partition("...")

    first = problems_of(**fields)[0]

    assert first.startswith(f"template.spec.containers[0].{path}: {shown}")
    assert message in first


def test_the_longest_argument_is_taken() -> None:
    assert problems_of(args=[131_071 * "x"]) == []
