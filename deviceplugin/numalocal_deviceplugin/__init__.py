"""The node agent: one process that is device plugin and NRI plugin of its node.

Two halves stand on the functional core (`numalocal`):

    kubelet:  supervisor -> kubelet (serve, register, watch) -> service -> allocation, devices
    runtime:  nri (connect, register) -> ttrpc -> frames
              nri_plugin -> nri_messages -> binding; podresources for containers without devices

`availability` is the only state they share: whether a CPU set may be given out now.
Pure, without clock, file, network or log: allocation, backoff, binding, devices, frames.
"""
