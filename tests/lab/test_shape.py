"""The node's machine, as QEMU is told it."""

from lab.shape import TWO_NODES, Shape, arguments


def test_the_labs_machine_is_two_nodes_of_two_cores_of_two_threads() -> None:
    assert arguments(TWO_NODES) == [
        *("-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max,topoext=on"),
        *("-smp", "8,sockets=2,cores=2,threads=2", "-m", "3072M"),
        *("-object", "memory-backend-ram,id=ram0,size=1536M"),
        *("-numa", "node,nodeid=0,cpus=0-3,memdev=ram0"),
        *("-object", "memory-backend-ram,id=ram1,size=1536M"),
        *("-numa", "node,nodeid=1,cpus=4-7,memdev=ram1"),
        *("-numa", "dist,src=0,dst=1,val=20"),
    ]


def test_every_pair_of_nodes_has_a_distance() -> None:
    made = arguments(Shape(nodes=4))

    assert sum(word.startswith("dist,") for word in made) == 6
    assert "node,nodeid=3,cpus=12-15,memdev=ram3" in made
