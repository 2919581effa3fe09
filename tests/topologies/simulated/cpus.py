"""/sys/devices/system/cpu as the kernel writes it."""

from collections.abc import Iterator

from simulated.spec import Architecture, Level, Simulated, SimulatedCore
from simulated.text import listed, masked

CPU = "sys/devices/system/cpu"

File = tuple[str, str]
Groups = dict[tuple[Level, int], File]
"""The list and the mask of every group, as all of its CPUs show the same."""

_SIBLINGS: dict[str, Level] = {
    "thread_siblings": "core",
    "core_cpus": "core",
    "core_siblings": "package",
    "package_cpus": "package",
    "cluster_cpus": "cluster",
    "die_cpus": "die",
    "book_siblings": "book",
    "drawer_siblings": "drawer",
}
_OPTIONAL: dict[Architecture, frozenset[Level]] = {
    "x86_64": frozenset({"cluster", "die"}),
    "aarch64": frozenset({"cluster"}),
    "ppc64le": frozenset(),
    "s390x": frozenset({"book", "drawer"}),
}
"""The levels besides core and package that an architecture shows (linux/topology.h)."""
_CACHES: tuple[tuple[int, str, Level], ...] = (
    (1, "Data", "core"),
    (1, "Instruction", "core"),
    (2, "Unified", "cluster"),
    (3, "Unified", "l3"),
)


def cpu_files(machine: Simulated) -> Iterator[File]:
    yield from _summary(machine)
    levels: tuple[Level, ...] = ("core", "cluster", "l3", "die", "package", "book", "drawer")
    groups = {
        (level, number): (listed(cpus), masked(cpus, len(machine.cpus)))
        for level in levels
        for number, cpus in machine.members(level).items()
    }
    for core in machine.cores:
        for cpu in core.cpus:
            directory = f"{CPU}/cpu{cpu}"
            if cpu or machine.architecture != "x86_64":  # on x86, CPU 0 cannot go offline
                yield f"{directory}/online", str(int(cpu not in machine.offline))
            if cpu not in machine.offline:
                yield from _topology(f"{directory}/topology", machine, core, groups)
                yield from _caches(f"{directory}/cache", machine, core, groups)
    if machine.efficiency_cores:
        yield from _hybrid(machine)


def cpu_links(machine: Simulated) -> Iterator[File]:
    """Give the links and what they name; those between CPU and node stay while one is offline."""
    for core in machine.cores if machine.numa else ():
        for cpu in core.cpus:
            node = f"node{machine.node_id(core)}"
            yield f"{CPU}/cpu{cpu}/{node}", f"../../node/{node}"
    if machine.efficiency_cores:
        for cpu in machine.online:
            yield f"{CPU}/cpu{cpu}/cpufreq", f"../cpufreq/policy{cpu}"


def _summary(machine: Simulated) -> Iterator[File]:
    yield f"{CPU}/online", listed(machine.online)
    yield f"{CPU}/offline", listed(machine.offline)
    yield f"{CPU}/present", listed(machine.cpus)
    yield f"{CPU}/possible", listed(machine.cpus)
    yield f"{CPU}/kernel_max", "8191"
    yield f"{CPU}/isolated", ""
    if machine.architecture != "s390x":
        smt = machine.threads > 1
        yield f"{CPU}/smt/control", "on" if smt else "notsupported"
        yield f"{CPU}/smt/active", str(int(smt))


def _topology(
    directory: str, machine: Simulated, core: SimulatedCore, groups: Groups
) -> Iterator[File]:
    x86 = machine.architecture == "x86_64"
    per_package = machine.cores_per_node * machine.nodes_per_package
    number = core.place["core"]
    # Core ids start again on every package of x86, and nowhere else.
    yield f"{directory}/core_id", str(number - core.place["package"] * per_package * x86)
    yield f"{directory}/physical_package_id", str(machine.package_id(core))
    optional = _OPTIONAL[machine.architecture]
    if "die" in optional:
        yield f"{directory}/die_id", str(core.place["die"] % machine.dies_per_package)
    for level in optional - {"die"}:
        yield f"{directory}/{level}_id", str(core.place[level])
    for name, level in _SIBLINGS.items():
        if level in optional or level in {"core", "package"}:
            in_list, in_mask = groups[level, core.place[level]]
            yield f"{directory}/{name}_list", in_list
            yield f"{directory}/{name}", in_mask


def _caches(
    directory: str, machine: Simulated, core: SimulatedCore, groups: Groups
) -> Iterator[File]:
    for index, (depth, kind, level) in enumerate(_CACHES):
        if level == "l3" and machine.l3_cores is None:
            continue
        in_list, in_mask = groups[level, core.place[level]]
        yield f"{directory}/index{index}/level", str(depth)
        yield f"{directory}/index{index}/type", kind
        yield f"{directory}/index{index}/shared_cpu_list", in_list
        yield f"{directory}/index{index}/shared_cpu_map", in_mask


def _hybrid(machine: Simulated) -> Iterator[File]:
    """Give what tells the kinds of cores apart: their counters and frequencies."""
    for pmu, efficient in ("cpu_core", False), ("cpu_atom", True):
        cores = [core for core in machine.cores if core.efficient == efficient]
        cpus = [cpu for core in cores for cpu in core.cpus if cpu not in machine.offline]
        yield f"sys/devices/{pmu}/cpus", listed(cpus)
        for cpu in cpus:
            policy = f"{CPU}/cpufreq/policy{cpu}"
            yield f"{policy}/base_frequency", str(machine.base_khz[efficient])
            yield f"{policy}/cpuinfo_max_freq", str(2 * machine.base_khz[efficient])
