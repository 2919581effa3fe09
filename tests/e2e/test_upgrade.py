"""A release of the lab comes and goes while a worker lives on."""

from typing import Any

import pytest

from installed import CHART, NAMESPACE, SETS, install, sets
from lab.cluster import Lab
from lab.commands import wait_for
from workers import Workers

RELEASE = ("numalocal", "--namespace", NAMESPACE)
WAIT = ("--wait", "--timeout", "5m")
CRDS = {"cpuinferenceworkers.numalocal.io", "nodecputopologies.numalocal.io"}


def engine(workers: Workers) -> tuple[str, int, Any]:
    """Give the engine's container, how often it has started again, and its threads' CPUs."""
    status = workers.pod("stays")["status"]["containerStatuses"][0]
    return status["containerID"], status["restartCount"], set(workers.look("stays").thread_cpus)


def left(lab: Lab) -> set[str]:
    """Give what has the release's label anywhere, and what has its name where it was."""
    kinds = lab.kubectl("api-resources", "--verbs=list", "--output=name").split()
    label = "--selector=app.kubernetes.io/instance=numalocal"
    found = lab.kubectl_json("get", ",".join(kinds), "--all-namespaces", label)["items"]
    there = lab.kubectl("api-resources", "--verbs=list", "--namespaced", "--output=name").split()
    of_news = ("events", "events.events.k8s.io")
    kinds = [one for one in there if one not in of_news]
    found += lab.kubectl_json("get", ",".join(kinds), "--namespace", NAMESPACE)["items"]
    names = {str(one["metadata"]["name"]) for one in found}
    return {one for one in names if "numalocal" in one}


@pytest.fixture
def living(lab: Lab, workers: Workers) -> Any:
    """Two workers that are verified; afterwards the release is as the other tests want it."""
    for name in ("stays", "leaves"):
        workers.create(name)
    for name in ("stays", "leaves"):
        workers.wait_verified(name)
    yield engine(workers)
    install(lab)


def test_a_worker_lives_through_upgrade_rollback_and_uninstall_and_another_comes(
    lab: Lab, workers: Workers, living: Any
) -> None:
    lab.helm("upgrade", RELEASE[0], str(CHART), *RELEASE[1:], "--set=logLevel=debug", *WAIT)
    wait_for("the node's CPU sets", lambda: sets(lab) == SETS, timeout_s=120)
    workers.delete("leaves")
    workers.create("comes")
    workers.wait_verified("comes")
    comes = workers.look("comes")
    assert comes.cgroup_cpus.isdisjoint(workers.look("stays").cgroup_cpus)
    assert set(comes.thread_cpus) == {comes.cgroup_cpus}
    assert engine(workers) == living

    lab.helm("rollback", *RELEASE, *WAIT)
    assert engine(workers) == living
    lab.helm("test", *RELEASE)

    lab.helm("uninstall", *RELEASE, *WAIT)
    wait_for("nothing but the CRDs", lambda: left(lab) == CRDS, timeout_s=120, interval_s=2)
    assert engine(workers) == living
    (node,) = lab.kubectl_json("get", "nodes")["items"]
    ours = [*node["metadata"].get("annotations", {}), *node["metadata"].get("labels", {})]
    assert [one for one in ours if "numalocal.io" in one] == []

    install(lab)
    workers.wait_verified("stays")
    assert engine(workers) == living
