from xml.etree import ElementTree

from numalocal.host.rates import Bandwidth, Results, Scaling, document, drawing, table

BANDWIDTHS = [
    Bandwidth(cpu_node=cpus, memory_node=memory, gb_per_s=200.0 - 120 * (cpus != memory))
    for cpus in (0, 1)
    for memory in (0, 1)
]
SCALINGS = [Scaling(threads=1, bound=10.0, unbound=8.0), Scaling(threads=2, bound=20.0, unbound=0)]
RESULTS = Results(bandwidths=BANDWIDTHS, scalings=SCALINGS)
NOTHING = Results(bandwidths=[], scalings=[])
SVG = "{http://www.w3.org/2000/svg}"


def test_the_table_has_nodes_and_ratios() -> None:
    assert table(RESULTS, 80).splitlines() == [
        "GB/s read by all cores of a node, from the memory of another",
        "                  node 0    node 1",
        "  cores of 0       200.0      80.0",
        "  cores of 1        80.0     200.0",
        "",
        "tokens/s of the example engine by threads",
        "   threads     bound   unbound  bound/unbound",
        "         1      10.0       8.0           1.25",
        "         2      20.0       0.0              -",
    ]


def test_the_columns_of_many_nodes_are_put_below_each_other() -> None:
    many = [
        Bandwidth(cpu_node=0, memory_node=memory, gb_per_s=float(memory)) for memory in range(16)
    ]

    shown = table(Results(bandwidths=many, scalings=[]), 80).splitlines()

    assert max(map(len, shown)) <= 80
    assert [line.split()[0] for line in shown if line.startswith("  ")][:6] == [
        "node",
        "cores",
        "node",
        "cores",
        "node",
        "cores",
    ]


def test_what_was_not_measured_is_a_dash() -> None:
    interrupted = Results(bandwidths=BANDWIDTHS[:3], scalings=[])

    assert "  cores of 1        80.0         -" in table(interrupted, 80).splitlines()


def test_the_document_has_every_measurement() -> None:
    told = document(Results(bandwidths=BANDWIDTHS[:1], scalings=SCALINGS[:1]))

    assert told == {
        "bandwidth": [{"cpu_node": 0, "memory_node": 0, "gb_per_s": 200.0}],
        "scaling": [{"threads": 1, "bound": 10.0, "unbound": 8.0}],
    }


def test_the_drawing_has_every_measurement() -> None:
    root = ElementTree.fromstring(drawing(RESULTS))

    titles = [one.text for one in root.iter(f"{SVG}title")]
    words = [one.text for one in root.iter(f"{SVG}text")]
    assert titles[1:] == ["bound: 10 at 1", "bound: 20 at 2", "unbound: 8 at 1", "unbound: 0 at 2"]
    assert words.count("200") == words.count("80") == 2


def test_points_are_the_higher_the_faster() -> None:
    root = ElementTree.fromstring(drawing(RESULTS))

    heights = [
        float(one.get("cy", ""))
        for one in root.iter(f"{SVG}circle")
        if len(one)  # with a tooltip
    ]
    assert heights[1] < heights[0] < heights[2]


def test_nothing_measured_is_still_a_drawing_and_a_table() -> None:
    assert "nothing was measured" in drawing(NOTHING)
    assert ElementTree.fromstring(drawing(NOTHING)).tag == f"{SVG}svg"
    assert table(NOTHING, 80).startswith("GB/s")


def test_a_drawing_of_many_nodes_stays_on_the_page() -> None:
    many = [
        Bandwidth(cpu_node=cpus, memory_node=memory, gb_per_s=1.0)
        for cpus in range(64)
        for memory in range(64)
    ]

    root = ElementTree.fromstring(drawing(Results(bandwidths=many, scalings=[])))

    rights = [
        float(one.get("x", "0")) + float(one.get("width", "0"))
        for one in root.iter(f"{SVG}rect")
        if one.get("x")
    ]
    assert max(rights) <= 760
