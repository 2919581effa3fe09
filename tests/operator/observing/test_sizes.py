import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.worker.inject import PoolNumbers
from numalocal_operator.observing import sizes


@given(st.integers(1, 10**9 - 1), st.none() | st.integers(1, 10**19 - 1))
def test_what_is_written_is_read(cpus: int, memory: int | None) -> None:
    numbers = PoolNumbers(cpus_per_set=cpus, set_bytes=memory)

    assert sizes.read(sizes.write(numbers)) == numbers


def test_that_nothing_was_known_is_another_thing_than_nothing() -> None:
    assert sizes.read(sizes.write(PoolNumbers())) == PoolNumbers()
    assert sizes.read("") is None


@pytest.mark.parametrize(
    "text", ["cpus=", "cpus=-1", "cpus=0", "memory=4", "cpus=4,memory=", "cpus=4 ", "CPUS=4", "٤"]
)
def test_what_somebody_else_has_written_tells_nothing(text: str) -> None:
    assert sizes.read(text) is None


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    sizes.read(text)
