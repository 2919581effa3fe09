"""The node agent: one process that is device plugin and NRI plugin of its node.

Rooms that know nothing of each other, between which only plain values pass:

    kubelet:  registration -> service -> allocation, offers; podresources
    runtime:  nri (connect, register) -> ttrpc -> frames; plugin -> messages
    node:     what only the node itself can tell, and what others are told of it

`state` is all that they share: it keeps `facts`, `events` says what these become, and `snapshot`
what follows from them.  `binding` decides what a container gets.  `supervisor` runs the parts.
"""
