import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.quantity import format_bytes, parse_bytes


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64Gi", 64 << 30),
        ("512Mi", 512 << 20),
        ("1.5Ki", 1536),
        ("1G", 10**9),
        ("2e3", 2000),
        ("1E", 10**18),
        ("100m", 1),
        ("0", 0),
        (1024, 1024),
        (" 1Ti ", 1 << 40),
    ],
)
def test_quantities_are_read_as_kubernetes_reads_them(text: str | int, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    "text", ["", "Gi", "64 Gi", "64gi", "-1", "1GiB", "1,5Gi", "0x10", "1e", True]
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity such as 64Gi"):
        parse_bytes(text)


def test_an_amount_no_machine_can_name_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 2\\^63 bytes"):
        parse_bytes("9Ei")


@given(st.integers(0, 1 << 40))
def test_plain_bytes_stay_as_they_are(size: int) -> None:
    assert parse_bytes(str(size)) == size


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1536, "1.5 KiB"),
        (64 << 30, "64.0 GiB"),
        (5 << 50, "5120.0 TiB"),
    ],
)
def test_bytes_are_written_for_people(size: int, text: str) -> None:
    assert format_bytes(size) == text
