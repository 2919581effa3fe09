import time
from typing import Any

import pytest

from numalocal.fields import Fields
from numalocal.worker import misspelt, podtemplate


def notes_of(container: dict[str, Any], **pod: Any) -> tuple[str, ...]:
    template = {"spec": {"containers": [{"name": "engine", **container}], **pod}}
    read = podtemplate.parse(Fields(template, "spec.template", []), 1, None)
    assert read is not None
    return read.notes


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("arg", "args"),
        ("Args", "args"),
        ("imgae", "image"),
        ("enviroment", "envFrom"),
        ("resource", "resources"),
        ("volumeMount", "volumeMounts"),
        ("volume_mounts", "volumeMounts"),
        ("livenesProbe", "livenessProbe"),
        ("x", None),
        ("", None),
    ],
)
def test_a_misspelt_field_of_a_container_is_a_note(wrong: str, meant: str | None) -> None:
    said = f"spec.template.spec.containers[0].{wrong} is no field of Kubernetes, which drops it: "

    assert notes_of({wrong: ["a"]}) == ((f"{said}did you mean {meant}?",) if meant else ())


def test_fields_of_the_pod_and_of_all_its_containers_are_looked_at() -> None:
    found = notes_of({}, initContainers=[{"name": "a", "comand": ["x"]}], toleration=[])

    assert [one.partition(" ")[0] for one in found] == [
        "spec.template.spec.toleration",
        "spec.template.spec.initContainers[0].comand",
    ]


def test_what_kubernetes_knows_is_none() -> None:
    every = dict.fromkeys(misspelt._CONTAINER - {"name"})
    pod = dict.fromkeys(misspelt._POD - {"containers"})

    assert notes_of(every, **pod) == ()


def test_a_pod_with_any_number_of_them_is_told_a_few_soon() -> None:
    many = {f"{'arg' * 12}{number}\n": 1 for number in range(100_000)}
    begun = time.process_time()

    assert notes_of({**many, **{f"arg{number}": 1 for number in range(50)}}) == ()
    found = notes_of({f"args{'-' * number}": 1 for number in range(1, 90)})

    assert (len(found), max(map(len, found)) < 300) == (10, True)
    assert time.process_time() - begun < 20


def test_its_name_cannot_act_on_a_terminal() -> None:
    (found,) = notes_of({"arg\x1b": 1})

    assert found.startswith(r"spec.template.spec.containers[0].arg\x1b is no field")
