"""How the agents' series belong together, in whatever dashboard and alerts say."""

from typing import Final

from numalocal_deviceplugin.node import table

AGENT: Final = "cluster, job, instance"
"""One agent, as often as it is asked: what is asked by two jobs, or has an address that is there in
two clusters, is two to Prometheus, and an expression that takes both for one has no result at all.
Where there is but one cluster nobody has that label, which matches as well."""
NODE: Final = f"* on ({AGENT}) group_left (node) {table.BUILD_INFO.name}"
"""The node's name comes with the agent's version."""
LATELY: Final = f"max by ({AGENT}, node) (max_over_time({table.BUILD_INFO.name}[6h]))"
"""An agent that is asked in vain has told its node before."""
CONTAINER: Final = "namespace, pod, container"
