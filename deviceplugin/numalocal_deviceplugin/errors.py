"""What can go wrong in the agent, by what the caller can do about it.

NumalocalError
└── AgentError
    ├── UnknownDevice       device ids that are no CPU set of this node: the kubelet is told
    ├── BindingRefused      a container that must not start as it is: the runtime is told
    │   └── CpusHeld        its CPUs are another pod's still: retried by the runtime
    ├── DevicesUnknown      the kubelet knows no such pod: retried by the runtime
    ├── KubeletSilent       the kubelet did not answer in time: retried by the runtime
    ├── FrameInvalid        bytes that are not our protocol: the connection is given up
    ├── ConnectionLost      the runtime went away: the session starts again
    ├── CallFailed          the runtime answered with an error status
    ├── CannotListen        the HTTP port is not to be had: the agent cannot start
    └── PublishFailed       the API server did not take the node's object: tried again
"""

from numalocal.errors import NumalocalError


class AgentError(NumalocalError):
    """The root of the agent's own errors; its text is one sentence."""


class UnknownDevice(AgentError):
    """Device ids that no pool of this node has."""


class BindingRefused(AgentError):
    """A container that cannot be bound as its pod says."""


class CpusHeld(BindingRefused):
    """A container whose CPUs another pod holds."""


class DevicesUnknown(AgentError):
    """The kubelet answered that it has no devices to tell of this pod."""


class KubeletSilent(AgentError):
    """The kubelet's PodResources API did not answer in time."""


class FrameInvalid(AgentError):
    """Bytes that are neither a mux frame nor a ttrpc frame."""


class ConnectionLost(AgentError):
    """The connection to the container runtime has ended."""


class CallFailed(AgentError):
    """A call that the other side answered with an error status, or not in time."""


class PublishFailed(AgentError):
    """The node's NodeCpuTopology could not be written."""


class CannotListen(AgentError):
    """The address for probes and metrics cannot be listened at."""
