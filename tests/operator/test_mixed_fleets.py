"""Workers on fleets whose nodes become able and unable, come and go: in the end all is at rest.

`NUMALOCAL_SEEDS=300 pytest tests/operator/test_mixed_fleets.py` plays as many fleets.
"""

import json
import os
import random
from typing import Any

import pytest

from numalocal_operator.planning.barring import MOST

from .builders import raw_node, raw_worker, running, topology
from .fake_api import PODS, WORKERS, FakeApi
from .informed import Informed

SEEDS = int(os.environ.get("NUMALOCAL_SEEDS", "10"))
ALL = ["Bind", "Preferred", "Interleave", "WeightedInterleave"]
KINDS = ("new", "no tier", "ignores policies", "old", "older agent", "away", "starts", "gone")
ASKS: tuple[dict[str, str], ...] = (
    {},
    {"nodes": "MemoryOnly"},
    {"policy": "Preferred"},
    {"policy": "Interleave", "nodes": "Any"},
    {"policy": "WeightedInterleave", "nodes": "Near"},
    {"onOverflow": "Interleave", "perRank": "100Gi"},
)
TERMS = [
    {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]},
    {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]},
    {},
]


def told(name: str, kind: str) -> dict[str, Any]:
    """Make what the agent of a node of a kind tells."""
    tier = 0 if kind == "no tier" else 32
    sizes = {"Local": 64, "Near": 64 + tier, "MemoryOnly": tier, "Package": 64 + tier, "Any": 160}
    pool: dict[str, Any] = {"name": "cpuset", "sets": 4, "cpusPerSet": 4, "free": 4}
    status: dict[str, Any] = {"pools": [pool], "machine": {"numaNodes": 3}}
    ready = {"type": "Ready", "status": "True", "reason": "Serving"}
    if kind != "older agent":
        pool["reachBytes"] = {word: size << 30 for word, size in sizes.items()}
        able = kind in ("new", "no tier", "ignores policies", "away")
        status["memory"] = {"policies": ALL if able else ["Bind"], "message": "it is too old"}
    if kind == "away":
        status["enforcement"] = "BestEffort"
        ready["reason"] = "NotEnforced"
    if kind == "starts":
        ready["status"] = "False"
    return topology(name, **status, conditions=[ready])


def holds(term: dict[str, Any], labels: dict[str, str], name: str) -> bool:
    asked = [(one, labels[one["key"]]) for one in term.get("matchExpressions", [])]
    asked += [(one, name) for one in term.get("matchFields", [])]
    return all((has in one["values"]) == (one["operator"] == "In") for one, has in asked)


class Fleet:
    """Nodes of kinds that change, a scheduler that knows affinities, and what agents do."""

    def __init__(self, api: FakeApi, turn: Informed, seed: int) -> None:
        self.api, self.turn, self.chance = api, turn, random.Random(seed)
        names = [f"n{at}" for at in range(self.chance.choice([2, 3, 4, 80]))]
        self.kinds = {name: self.chance.choice(KINDS) for name in names}
        self.zones = {name: self.chance.choice("ab") for name in names}
        self.ask = self.chance.choice(ASKS)
        self.best_effort = self.chance.random() < 0.3
        raw = raw_worker(
            replicas=self.chance.choice([1, 3]),
            memory=self.ask,
            enforcement="BestEffort" if self.best_effort else "Required",
        )
        spec, where = raw["spec"]["template"]["spec"], self.chance.choice(["", "selector", "terms"])
        if where == "selector":
            spec["nodeSelector"] = {"zone": "a"}
        if where == "terms":
            required = "requiredDuringSchedulingIgnoredDuringExecution"
            spec["affinity"] = {"nodeAffinity": {required: {"nodeSelectorTerms": TERMS}}}
        self.template = spec
        api.put(WORKERS, raw)
        turn.topologies.listed([])
        turn.nodes.listed([])
        self.tell(*names)

    def tell(self, *names: str) -> None:
        """Let the operator hear of nodes."""
        for name in names:
            if self.kinds[name] == "gone":
                self.turn.topologies.gone(name)
                self.turn.nodes.gone(name)
            else:
                self.turn.topologies.observed(told(name, self.kinds[name]))
                self.turn.nodes.observed(raw_node(name, {"zone": self.zones[name]}))

    def change(self) -> None:
        """Let some nodes be of other kinds."""
        for name in self.chance.sample([*self.kinds], len(self.kinds) // 4 + 1):
            self.kinds[name] = self.chance.choice(KINDS)
            self.tell(name)

    def betray(self) -> None:
        """Let all nodes but one be old, after pods were made and before they land."""
        able = self.chance.choice([*self.kinds])
        self.kinds = {name: "new" if name == able else "old" for name in self.kinds}
        self.tell(*self.kinds)

    def pods(self) -> dict[str, dict[str, Any]]:
        return {path: one for path, one in self.api.objects.items() if path.startswith(PODS)}

    def go_on(self, haste: float) -> None:
        """Let pods end, get their nodes, and be checked there."""
        for path, pod in self.pods().items():
            if "deletionTimestamp" in pod["metadata"]:
                self.api.remove(path)
                continue
            free = [name for name in self.kinds if self.takes(name, pod["spec"])]
            if free and "nodeName" not in pod["spec"] and self.chance.random() < haste:
                pod["spec"]["nodeName"] = self.chance.choice(free)
                self.api.changed(path)
            if "nodeName" in pod["spec"] and "status" not in pod:
                self.check(path, pod, self.kinds[pod["spec"]["nodeName"]])

    def takes(self, name: str, spec: dict[str, Any]) -> bool:
        """Tell whether the scheduler may bring a pod to a node."""
        labels = {"zone": self.zones[name]}
        selected = spec.get("nodeSelector", {}).items() <= labels.items()
        (required,) = spec.get("affinity", {}).get("nodeAffinity", {"": None}).values()
        terms = [{}] if required is None else required["nodeSelectorTerms"]
        return (
            selected
            and self.kinds[name] != "gone"
            and any(holds(one, labels, name) for one in terms if one or required is None)
        )

    def refuses(self, kind: str) -> bool:
        """Tell whether an agent creates no container of such a pod."""
        policy = {"policy", "onOverflow"} & self.ask.keys()
        tier = self.ask.get("nodes") == "MemoryOnly"
        if kind in ("starts", "gone") or (kind == "no tier" and tier):
            return True
        must = {"old": bool(policy), "older agent": bool(policy or tier), "away": True}
        return must.get(kind, False) and not self.best_effort

    def is_hopeless(self, name: str) -> bool:
        """Tell whether a node refuses such pods for good."""
        kind = self.kinds[name]
        return kind in ("old", "no tier") and self.refuses(kind)

    def check(self, path: str, pod: dict[str, Any], kind: str) -> None:
        if self.refuses(kind):
            return
        ignored = kind == "ignores policies" and bool({"policy", "onOverflow"} & self.ask.keys())
        bound = not ignored and kind in ("new", "no tier", "ignores policies", "old")
        report = {"verified": bound, "cpus": "0-3", "mems": "0", "ranks": [], "message": "it said"}
        report |= {"memoryPolicy": {"mode": "default"}} if ignored else {}
        passed = bound or self.best_effort
        ended = {"exitCode": 0 if passed else 1, "message": json.dumps(report)}
        pod["status"] = {
            "phase": "Running" if passed else "Pending",
            "initContainerStatuses": [{"name": "numalocal-check", "state": {"terminated": ended}}],
            "containerStatuses": [running()] if passed else [],
            "conditions": [{"type": "Ready", "status": "True"}] if passed else [],
        }
        self.api.changed(path)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_fleet_that_stays_as_it_is_comes_to_rest_and_no_pod_sticks_where_another_node_could(
    api: FakeApi, turn: Informed, seed: int
) -> None:
    fleet, now_s = Fleet(api, turn, seed), 0.0
    for _ in range(25):
        now_s += fleet.chance.choice([1, 30, 400])
        turn(now_s)
        fleet.change()  # after what the round has planned by
        fleet.go_on(0.5)
    if fleet.chance.random() < 0.5:
        for path in fleet.pods():
            api.remove(path)
        turn(now_s)
        fleet.betray()
        fleet.go_on(1)

    for _ in range(18):
        now_s += 5
        turn(now_s)
        fleet.go_on(1)
    api.requests.clear()
    for _ in range(7):
        now_s += 5
        turn(now_s)
        fleet.go_on(1)

    assert [one for one in api.requests if one[0] != "GET" and one[1].startswith(PODS)] == []
    worker, pods = api.objects[f"{WORKERS}/llama"], fleet.pods().values()
    status = {one["type"]: one["status"] for one in worker["status"]["conditions"]}
    serving = [one for one in pods if one.get("status", {}).get("phase") == "Running"]
    assert (len(serving) == worker["spec"]["replicas"]) == (status["Ready"] == "True")
    selected = {name for name in fleet.kinds if fleet.takes(name, fleet.template)}
    hopeless = {name for name in selected if fleet.is_hopeless(name)}
    waiting = (one["spec"] for one in pods if "status" not in one)
    stuck = {one["nodeName"] for one in waiting if "nodeName" in one} & hopeless
    assert not stuck or selected == hopeless or len(hopeless) > MOST
