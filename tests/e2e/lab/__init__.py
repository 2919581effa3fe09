"""The lab: a real Kubernetes control plane and a real node with NUMA, on one machine.

The control plane runs in a network namespace of the lab's own, the node in QEMU under software
emulation with any NUMA shape.  Everything it needs is built or installed once and kept in
~/.cache/numalocal (NUMALOCAL_CACHE), named by a hash of what it was made from.

    commands, processes, packages         run things; say clearly what failed
    artifacts                             the cache
    choices                               which versions, which machine
    golang, binaries, runtimes            built of Go modules: Kubernetes, helm, containerd, runc
    node_image                            the node's disk
    buildah, base_image, images           the container images
    image_store                           containerd's store with the images, as a disk
    network, certificates, control_plane  what runs on this side
    shape, node                           the machine in QEMU
    handle                                what tests hold of a running lab
    cluster                               build, up, down
    bare                                  the same machine without a cluster, for one script
    newcomer                              a bare Debian, for the README's commands
"""
