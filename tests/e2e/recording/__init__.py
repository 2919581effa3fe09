"""What the node's container runtime and the agent say to each other, written down.

    python -m recording FILE     on the lab of `make lab`, with tests/e2e and core on PYTHONPATH

tests/deviceplugin/runtime/test_recorded.py says to the agent again what the runtime said.
"""
