"""What the node's kernel says of every container: one command on the node, and its reading."""

import re
from dataclasses import dataclass

from numalocal.idset import IdSet, union

# One grep for all files: a shell on the node costs a second, and each program in it a part of one.
# /dev/null has no line: with it grep always has a file.
LOOK = r"""
cd /sys/fs/cgroup/kubepods.slice
scopes=$(find . -type d -name 'cri-containerd-*.scope')
files=$(for one in $scopes; do
    echo $one/cpuset.cpus.effective $one/cpuset.mems.effective $one/cgroup.procs; done)
pids=$(for one in $scopes; do cat $one/cgroup.procs; done 2>/dev/null)
grep -H . $files 2>/dev/null
grep -HE '^(Name|(Cpus|Mems)_allowed_list):' /dev/null \
    $(for pid in $pids; do echo /proc/$pid/task/*/status; done) 2>/dev/null
grep -lzE '^(OMP_NUM_THREADS)=' /dev/null $(for pid in $pids; do echo /proc/$pid/environ; done) \
    2>/dev/null
grep -H . /sys/devices/system/cpu/online
exec 3<>/dev/tcp/127.0.0.1/10248 && printf 'GET /healthz HTTP/1.0\r\n\r\n' >&3 &&
    timeout 5 sed 's/^/kubelet:/' <&3
echo; echo "units:$(systemctl is-active kubelet containerd kube-proxy | tr '\n' ' ')"
"""

_SCOPE = re.compile(
    r"pod([0-9a-f_]+)\.slice/cri-containerd-([0-9a-f]{64})\.scope/(\S+?):(.*)$", re.MULTILINE
)
_STATUS = re.compile(r"^/proc/(\d+)/task/\d+/status:(\w+):\s*(\S*)$", re.MULTILINE)
_ENVIRON = re.compile(r"^/proc/(\d+)/environ$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A container that has processes, by the kernel."""

    pod_uid: str
    id: str
    cpus: IdSet
    """Effective ones of its cgroup."""
    mems: IdSet
    thread_cpus: frozenset[IdSet]
    thread_mems: frozenset[IdSet]
    told_threads: bool
    """Some process of it has the variable that only the agent writes."""
    sandbox: bool

    @property
    def used(self) -> IdSet:
        """CPUs on which any of it may run."""
        return union((self.cpus, *self.thread_cpus))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """The node at one look."""

    containers: tuple[Running, ...]
    online: IdSet
    kubelet_healthy: bool
    units_active: bool


def parse(text: str) -> Kernel:
    """Read what LOOK has printed; a container without processes is none."""
    files: dict[tuple[str, str], dict[str, list[str]]] = {}
    for uid, identity, name, value in _SCOPE.findall(text):
        files.setdefault((uid.replace("_", "-"), identity), {}).setdefault(name, []).append(value)
    threads: dict[str, list[tuple[str, str]]] = {}
    for pid, field, value in _STATUS.findall(text):
        threads.setdefault(pid, []).append((field, value))
    told = frozenset(_ENVIRON.findall(text))
    online = re.search(r"/cpu/online:(\S+)", text)
    return Kernel(
        containers=tuple(
            _running(uid, identity, one, threads, told)
            for (uid, identity), one in files.items()
            if "cgroup.procs" in one and "cpuset.mems.effective" in one
        ),
        online=IdSet.parse(online[1] if online else ""),
        kubelet_healthy="kubelet:ok" in text,
        units_active=bool(re.search(r"^units:active active active $", text, re.MULTILINE)),
    )


def _running(
    uid: str,
    identity: str,
    files: dict[str, list[str]],
    threads: dict[str, list[tuple[str, str]]],
    told: frozenset[str],
) -> Running:
    pids = files["cgroup.procs"]
    fields = [one for pid in pids for one in threads.get(pid, ())]

    def lists(name: str) -> frozenset[IdSet]:
        return frozenset(IdSet.parse(value) for field, value in fields if field == name)

    return Running(
        pod_uid=uid,
        id=identity,
        cpus=IdSet.parse(files["cpuset.cpus.effective"][0]),
        mems=IdSet.parse(files["cpuset.mems.effective"][0]),
        thread_cpus=lists("Cpus_allowed_list"),
        thread_mems=lists("Mems_allowed_list"),
        told_threads=not told.isdisjoint(pids),
        sandbox={value for field, value in fields if field == "Name"} == {"pause"},
    )
