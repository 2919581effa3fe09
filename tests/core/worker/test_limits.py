from typing import Any

import pytest

from numalocal.errors import SpecInvalid
from numalocal.worker.limits import refuse_quota
from numalocal.worker.spec import parse_worker


def template(engine: Any = None, whole: Any = None) -> dict[str, Any]:
    """Make a template with the CPU limits of its engine and of the whole pod."""
    containers = [{"name": "proxy"}, {"name": "engine", "resources": {"limits": {"cpu": engine}}}]
    return {"spec": {"containers": containers, "resources": {"limits": {"cpu": whole}}}}


def problems(made: dict[str, Any], cpus_per_set: int | None = 4) -> list[str]:
    """Give the problems of a template of two ranks."""
    try:
        refuse_quota(made, "engine", 2, cpus_per_set)
    except SpecInvalid as error:
        return [str(one) for one in error.problems]
    return []


@pytest.mark.parametrize("limit", [8, "8", "8000m", "100", 8.5, " 8 "])
def test_a_limit_that_holds_all_sets_is_allowed(limit: Any) -> None:
    assert problems(template(limit, limit)) == []


@pytest.mark.parametrize("limit", [7, "7", "7999m", "0.1", 0])
def test_a_limit_below_the_sets_of_all_ranks_is_refused_with_its_path(limit: Any) -> None:
    (said,) = problems(template(limit))

    assert said.startswith("spec.template.spec.containers[1].resources.limits.cpu: ")
    assert "raise it to the 8 CPUs of the CPU sets, or leave it out" in said


def test_a_limit_of_the_whole_pod_binds_the_engine_too() -> None:
    first, second = problems(template("2", "4"))

    assert first.startswith("spec.template.spec.resources.limits.cpu: '4' throttles")
    assert second.startswith("spec.template.spec.containers[1].resources.limits.cpu: '2' ")


def test_other_containers_may_have_any_limit() -> None:
    made = template()
    made["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "100m"}}

    assert problems(made) == []


@pytest.mark.parametrize("limit", [1, "100m", None])
def test_nothing_is_refused_while_nobody_knows_what_the_sets_have(limit: Any) -> None:
    assert problems(template(limit), None) == []


def test_a_worker_may_have_a_limit() -> None:
    made = template("4")
    raw = {"metadata": {"name": "llama"}, "spec": {"template": made}}

    assert parse_worker(raw).template.raw == made
