"""Where images come from."""

from collections.abc import Sequence

import pytest

from .conftest import Document, Render

DIGEST = f"sha256:{64 * 'a'}"
BINDER = "NUMALOCAL_BINDER_IMAGE"


def images(documents: Sequence[Document]) -> dict[str, str]:
    """Give the image of each part; the binder's is told the operator."""
    specs = [
        one["spec"]["template"]["spec"]["containers"][0]
        for one in documents
        if one["kind"] in ("DaemonSet", "Deployment")
    ]
    found = {one["name"]: one["image"] for one in specs}
    env = {one["name"]: one.get("value") for spec in specs for one in spec["env"]}
    return {**found, "binder": env[BINDER]}


@pytest.mark.parametrize("part", ["agent", "operator", "binder"])
@pytest.mark.parametrize("tag", ["", "9.9"])
def test_a_digest_is_all_that_counts(render: Render, part: str, tag: str) -> None:
    made = images(render(f"--set=images.{part}.digest={DIGEST},images.{part}.tag={tag}"))

    assert made.pop(part) == f"docker.io/numalocal/{part}@{DIGEST}"
    assert all("@" not in one for one in made.values())


@pytest.mark.parametrize(
    ("registry", "repository", "image"),
    [
        ("mirror.example", "docker.io/numalocal/agent", "mirror.example/numalocal/agent"),
        ("mirror.example:5000", "docker.io/numalocal/agent", "mirror.example:5000/numalocal/agent"),
        ("mirror.example/hub", "docker.io/numalocal/agent", "mirror.example/hub/numalocal/agent"),
        ("localhost:5000", "localhost/agent", "localhost:5000/agent"),
        ("mirror.example", "numalocal/agent", "mirror.example/numalocal/agent"),
        ("mirror.example", "agent", "mirror.example/agent"),
        ("mirror.example", "host:5000/agent", "mirror.example/agent"),
        ("", "numalocal/agent", "numalocal/agent"),
    ],
)
def test_a_registry_takes_the_place_of_the_repositorys_own(
    render: Render, registry: str, repository: str, image: str
) -> None:
    values = f"images.registry={registry},images.agent.repository={repository},images.agent.tag=v1"

    assert images(render(f"--set={values}"))["agent"] == f"{image}:v1"


def test_a_registry_holds_for_every_image(render: Render) -> None:
    made = images(render("--set=images.registry=mirror.example"))

    assert {name: one.partition("/")[0] for name, one in made.items()} == dict.fromkeys(
        ("agent", "operator", "binder"), "mirror.example"
    )


def test_agent_and_operator_are_pulled_by_the_secrets_that_the_values_name(render: Render) -> None:
    made = [
        one["spec"]["template"]["spec"]
        for one in render("--set=imagePullSecrets[0].name=mirror")
        if one["kind"] in ("DaemonSet", "Deployment")
    ]

    assert [one["imagePullSecrets"] for one in made] == [[{"name": "mirror"}]] * 2
