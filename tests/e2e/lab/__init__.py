"""The lab: a real Kubernetes control plane and a real node with NUMA, on one machine.

The control plane runs in a network namespace of the lab's own, the node in QEMU under software
emulation with any NUMA shape.  Everything it needs is built or installed once and kept in
~/.cache/numalocal (NUMALOCAL_CACHE), named by a hash of what it was made from.

    commands, processes, packages         run things; say clearly what failed
    artifacts                             the cache
    binaries, node_image, images          what is built: Kubernetes, helm, the node, our images
    network, certificates, control_plane  what runs on this side
    shape, node                           the machine in QEMU
    cluster                               up, down, and the handle that tests use
"""
