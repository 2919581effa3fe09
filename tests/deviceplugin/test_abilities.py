import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.machine.model import Machine
from numalocal.sets.memoryask import MemoryPolicy
from numalocal_deviceplugin.abilities import Kernel, Told, abilities, carries_policy

from .nodes import make_machine

NEW = Kernel("6.12.41+deb13-cloud-amd64", weights=True, demotes=True)
CAN = Told("containerd", "v2.4.2", "v0.12.3")
ALL = tuple(MemoryPolicy)
LONGEST_SENTENCE = 1000


@pytest.mark.parametrize(
    ("name", "version", "nri", "carries"),
    [
        ("containerd", "v2.4.2", "v0.12.3", True),
        ("containerd", "2.3.0", "v0.12.0", True),
        ("containerd", "2.3.0", "", True),
        ("containerd", "v2.10.0", "", True),
        ("containerd", "3.0.0-beta.1", "", True),
        ("containerd", "v2.2.9", "", False),
        ("containerd", "2.0.0~rc1", "", False),
        ("containerd", "1.7.24~ds1", "", False),
        ("containerd", "v1.7.28-4-g1a2b3c.m", "", False),
        ("containerd", "v2.1.5-k3s1", "", False),
        ("containerd", "v2.3.1-k3s2", "v0.12.1", True),
        ("containerd", "", "", False),
        ("containerd", "2.0.0+unknown", "unknown", True),
        ("containerd", "main", "", None),
        ("containerd", "2", "", None),
        ("Containerd ", "1.7.24", "", False),
        # What is backported says so itself.
        ("containerd", "2.2.9", "v0.12.0", True),
        ("containerd", "2.2.9", "v0.11.1-0.20260101000000-abcdefabcdef", False),
        ("containerd", "2.4.2", "v0.11.0", False),
        ("embedded", "9.9", "0.9.0", False),
        ("cri-o", "1.34.0", "", False),
        ("cri-o", "1.35.1", "", False),
        ("CRI-O", "1.36.0", "v0.12.0", True),
        ("crio", "1.34.0", "", False),
        ("embedded", "9.9", "", None),
        ("embedded", "9.9", "v0.12.0", True),
        ("embedded", "9.9", "(devel)", True),
        ("", "", "", None),
        ("", "9.9", "v1.0.0", True),
    ],
)
def test_a_runtime_carries_a_policy_from_nri_0_12_on(
    name: str,
    version: str,
    nri: str,
    carries: bool | None,  # noqa: FBT001 - a case's
) -> None:
    assert carries_policy(Told(name, version, nri)) is carries


HOSTILE = st.one_of(
    st.text(max_size=300),
    st.sampled_from(
        ["v" + "9" * 200, "1." + "9" * 200, "٢.٤", "2.3\0", "-2.3", "2.-3", "\x1b[31m", "v" * 250]
    ),
)


@given(HOSTILE, HOSTILE, HOSTILE)
def test_whatever_a_runtime_says_is_judged_in_one_printable_sentence(
    name: str, version: str, nri: str
) -> None:
    found = abilities(Told(name, version, nri), NEW, make_machine())

    assert MemoryPolicy.BIND in found.policies
    assert found.message.isprintable()
    assert len(found.message) < LONGEST_SENTENCE


@given(st.integers(0, 99), st.integers(0, 99), st.sampled_from(["v{}.{}.0", "{}.{}", "{}.{}~rc1"]))
def test_a_later_containerd_can_what_an_earlier_one_could(
    major: int, minor: int, form: str
) -> None:
    carries = carries_policy(Told("containerd", form.format(major, minor)))

    assert carries is ((major, minor) >= (2, 3))


class TestANode:
    def test_can_all_policies_with_a_new_runtime_and_kernel(self) -> None:
        found = abilities(CAN, NEW, make_machine())

        assert (found.policies, found.message) == (ALL, "")

    def test_can_bind_alone_with_an_old_runtime_and_says_what_to_do(self) -> None:
        found = abilities(Told("containerd", "1.7.24~ds1"), NEW, make_machine())

        assert found.policies == (MemoryPolicy.BIND,)
        assert found.message == (
            "Preferred, Interleave, WeightedInterleave: the container runtime is containerd "
            "'1.7.24~ds1', whose NRI cannot set a memory policy; update it to 2.3 or later, "
            "and runc to 1.4 or later"
        )

    def test_with_an_old_cri_o_is_told_to_get_one_with_that_nri(self) -> None:
        found = abilities(Told("cri-o", "1.34.1"), NEW, make_machine())

        assert "CRI-O '1.34.1'" in found.message
        assert "one with NRI 0.12" in found.message

    def test_can_bind_alone_until_a_runtime_has_said_what_it_is(self) -> None:
        found = abilities(Told(), NEW, make_machine())

        assert found.policies == (MemoryPolicy.BIND,)
        assert "has not said yet" in found.message

    def test_may_all_with_a_runtime_of_which_nothing_is_known(self) -> None:
        assert abilities(Told("embedded", "0.1"), NEW, make_machine()).policies == ALL

    @pytest.mark.parametrize(
        ("kernel", "missing"),
        [
            (Kernel("6.8.0-51-generic", weights=False, demotes=True), {"WeightedInterleave"}),
            (Kernel("5.15.0", weights=False, demotes=True), {"WeightedInterleave"}),
            (Kernel("5.14.0-570.el9.x86_64", demotes=True), {"WeightedInterleave"}),
            (Kernel("5.10.0-34-amd64"), {"WeightedInterleave", "Preferred"}),
            (Kernel("4.18.0-553.el8"), {"WeightedInterleave", "Preferred"}),
            (Kernel("6.12.0", weights=True), set()),
            (Kernel("", weights=True), set()),
            (Kernel("custom", weights=True), set()),
        ],
    )
    def test_can_what_its_kernel_can(self, kernel: Kernel, missing: set[str]) -> None:
        found = abilities(CAN, kernel, make_machine())

        assert set(map(str, found.missing)) == missing
        assert all(one in found.message for one in missing)

    @pytest.mark.parametrize("machine", [make_machine(nodes=1), make_machine(nodes=2)])
    def test_with_memory_on_one_node_needs_no_policy(self, machine: Machine) -> None:
        first, *others = machine.nodes
        bare = machine._replace(nodes=(first, *(one._replace(memory_bytes=0) for one in others)))

        assert abilities(Told("containerd", "1.7.24"), Kernel(), bare).policies == ALL
