"""The one command's output, as the lab's node prints it."""

from faults.kernel import parse
from numalocal.idset import IdSet

UID = "ccf09eda_074d_4752_9626_cc3d837b025a"
ENGINE, PAUSE, ENDED = "a" * 64, "b" * 64, "c" * 64


def scope(identity: str, name: str, value: str) -> str:
    slices = f"./kubepods-burstable.slice/kubepods-burstable-pod{UID}.slice"
    return f"{slices}/cri-containerd-{identity}.scope/{name}:{value}\n"


def status(pid: int, task: int, name: str, cpus: str, mems: str) -> str:
    fields = {"Name": name, "Cpus_allowed_list": cpus, "Mems_allowed_list": mems}
    return "".join(
        f"/proc/{pid}/task/{task}/status:{field}:\t{value}\n" for field, value in fields.items()
    )


def said(*extra: str) -> str:
    return "".join(
        (
            scope(ENGINE, "cpuset.cpus.effective", "2-3"),
            scope(ENGINE, "cpuset.mems.effective", "0"),
            scope(ENGINE, "cgroup.procs", "50"),
            scope(ENGINE, "cgroup.procs", "51"),
            scope(PAUSE, "cpuset.cpus.effective", "0-7"),
            scope(PAUSE, "cpuset.mems.effective", "0-1"),
            scope(PAUSE, "cgroup.procs", "40"),
            scope(ENDED, "cpuset.cpus.effective", "2-3"),
            scope(ENDED, "cpuset.mems.effective", "0"),
            status(50, 50, "sleep", "2-3", "0"),
            status(51, 51, "sleep", "2-3", "0"),
            status(51, 52, "OMP worker", "3", "0"),
            status(40, 40, "pause", "0-7", "0-1"),
            "/sys/devices/system/cpu/online:0-7\n",
            *extra,
        )
    )


def test_a_container_is_all_its_processes_and_threads() -> None:
    (engine, pause) = parse(said("/proc/51/environ\n")).containers

    assert engine.pod_uid == UID.replace("_", "-")
    assert engine.id == ENGINE
    assert (engine.cpus, engine.mems) == (IdSet.parse("2-3"), IdSet.of([0]))
    assert engine.thread_cpus == {IdSet.parse("2-3"), IdSet.of([3])}
    assert engine.told_threads
    assert not engine.sandbox
    assert pause.sandbox
    assert not pause.told_threads


def test_what_a_container_can_use_is_its_cgroups_and_its_threads_cpus() -> None:
    text = said(status(50, 53, "stray", "6", "0"))

    assert parse(text).containers[0].used == IdSet.parse("2-3,6")


def test_a_cgroup_without_a_process_is_no_container() -> None:
    assert ENDED not in {one.id for one in parse(said()).containers}


def test_a_container_whose_cgroup_went_away_half_way_is_no_container() -> None:
    text = scope(ENGINE, "cgroup.procs", "50") + scope(ENGINE, "cpuset.cpus.effective", "2-3")

    assert parse(text).containers == ()


def test_the_node_is_well_when_its_units_and_the_kubelet_say_so() -> None:
    well = parse(said("kubelet:HTTP/1.0 200 OK\n", "kubelet:ok", "\nunits:active active active \n"))
    ill = parse(said("kubelet:HTTP/1.0 500 Error\n", "units:active activating active \n"))

    assert (well.kubelet_healthy, well.units_active) == (True, True)
    assert (ill.kubelet_healthy, ill.units_active) == (False, False)
    assert well.online == IdSet.parse("0-7")


def test_nothing_that_was_said_is_a_node_without_anything() -> None:
    seen = parse("")

    assert (seen.containers, seen.online) == ((), IdSet())
    assert not seen.units_active
