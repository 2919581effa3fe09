"""What a container is told of its CPU sets: pod, container, assignment -> variables."""

from collections.abc import Mapping

from numalocal import engines, names
from numalocal.engines import EngineSettings, Job
from numalocal.machine.model import Machine
from numalocal.sets.assignment import Assignment
from numalocal.sets.reach import Reach
from numalocal_deviceplugin.asking import engine_settings
from numalocal_deviceplugin.pods import Container, Pod, bound_containers


def environment(
    pod: Pod, container: Container, given: Assignment, reached: Reach, machine: Machine
) -> Mapping[str, str]:
    """Give what a container is told of its CPU sets, in its engine's language if it is the engine.

    Raises:
        BindingRefused: where the pod's annotations say what is none of an engine's.
    """
    assignment = given.on(machine.online)
    memory = _memory_variables(container, given, reached)
    if container.name in bound_containers(pod):
        job = Job(settings=engine_settings(pod), ranks=len(assignment.sets))
        return {**_own_variables(job, container, assignment, machine), **memory}
    job = _job(pod, container, assignment)
    told = engines.variables(
        job, assignment, machine, reach=reached, quota_cpus=container.quota_cpus
    )
    return {**told, **memory}


def _job(pod: Pod, container: Container, assignment: Assignment) -> Job:
    """Make the engine's job in the engine's container, and no engine's in any other."""
    engines_own = pod.annotations.get(names.ANNOTATION_CONTAINER, container.name) == container.name
    return Job(
        settings=engine_settings(pod) if engines_own else EngineSettings(),
        ranks=len(assignment.sets),
        command=container.command,
        variables=container.variables,
    )


def _own_variables(
    job: Job, container: Container, assignment: Assignment, machine: Machine
) -> Mapping[str, str]:
    """Give a bound container what the binding is, without the engine's variables."""
    told = engines.variables(job, assignment, machine)
    own = {*assignment.environment(), names.ENV_RANK_COMPUTE_CPUS} - container.variables.keys()
    return {name: value for name, value in told.items() if name in own}


def _memory_variables(container: Container, given: Assignment, reached: Reach) -> Mapping[str, str]:
    """Say where its memory is, in place of what Allocate said, which knows no pod.

    A value that is neither is the user's own.
    """
    allocated = given.environment()
    return {
        name: value
        for name, value in reached.environment().items()
        if container.variables.get(name) in (None, allocated.get(name))
        and container.variables.get(name) != value
    }
