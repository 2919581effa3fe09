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
        ("1Ti", 1 << 40),
        ("1E3", 1000),
        ("1e+3", 1000),
        ("25e-1", 3),
        ("1.", 1),
        (".5Ki", 512),
        ("+64Gi", 64 << 30),
        ("1.5", 2),
        (1.5, 2),
        ("1500m", 2),
        ("1u", 1),
        ("1n", 1),
        ("0.5Gi", 1 << 29),
        ("8388607.999999999Ti", (1 << 63) - 1099),
    ],
)
def test_quantities_are_read_as_kubernetes_reads_them(text: str | int, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Gi",
        "64 Gi",
        "64gi",
        "-1",
        "1GiB",
        "1,5Gi",
        "0x10",
        "1e",
        True,
        " 1Ti",
        "1Ti\n",
        "1Ki2",
        "1KI",
        "1K",
        "1kB",
        "1B",
        ".",
        "+",
        "--1",
        "1_000",
        "٣",
        "1e5Gi",
        "1e100",
        "1" * 5000,
        "inf",
        "nan",
        float("inf"),
        None,
        [],
        "1 e3",
        "e3",
    ],
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
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        ((1 << 20) - 1, "1.0 MiB"),
        ((1 << 30) - 1, "1.0 GiB"),
        ((1 << 40) - 1, "1.0 TiB"),
        ((1 << 50) - 1, "1.0 PiB"),
        ((1 << 60) - 1, "1.0 EiB"),
        (64 << 30, "64.0 GiB"),
        (5 << 50, "5.0 PiB"),
        ((1 << 63) - 1, "8.0 EiB"),
    ],
)
def test_bytes_are_written_for_people(size: int, text: str) -> None:
    assert format_bytes(size) == text


@given(st.integers(1024, (1 << 63) - 1))
def test_an_amount_is_written_in_the_unit_that_it_fills_and_to_a_decimal(size: int) -> None:
    number, _, unit = format_bytes(size).partition(" ")

    assert 1 <= float(number) < 1024
    scale = parse_bytes(f"1{unit.removesuffix('B')}")
    assert abs(float(number) * scale - size) <= 0.0500001 * scale


@given(st.integers(0, (1 << 62) - 1), st.integers(0, (1 << 62) - 1))
def test_a_larger_amount_is_never_written_as_a_smaller_one(one: int, other: int) -> None:
    low, high = sorted((one, other))

    def written(size: int) -> float:
        number, _, unit = format_bytes(size).partition(" ")
        return float(number) * (1 if unit == "bytes" else parse_bytes(f"1{unit.removesuffix('B')}"))

    assert written(low) <= written(high)
