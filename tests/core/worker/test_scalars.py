import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numalocal.worker.scalars import resolve


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((text, None) for text in ("", "~", "null", "Null", "NULL")),
        *((text, True) for text in ("yes", "On", "TRUE")),
        *((text, False) for text in ("no", "Off", "FALSE")),
        *((text, text) for text in ("nULL", "tRUE", "y", "N", "-", "+", ".", "e3", "0x", "0x_")),
        *((text, text) for text in ("2024-01-02", "2024-13-45", "2024-01-02T03:04:05Z", "12:30")),
        *((text, text) for text in ("1.2.3", "64Gi", "8080:80", "--ctx-size", "08x", "<<", "=")),
        ("0", 0),
        ("-7", -7),
        ("+7", 7),
        ("1_000", 1000),
        ("0x1F", 31),
        ("0b101", 5),
        ("010", 8),
        ("0o17", 15),
        ("18446744073709551615", (1 << 64) - 1),
        ("1e3", 1000.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("-1.5E-3", -0.0015),
    ],
)
def test_a_plain_scalar_is_what_kubectl_reads(text: str, value: object) -> None:
    found = resolve(text)

    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text", [".inf", "-.Inf", ".nan", "1e999", "18446744073709551616", "9" * 5_000, "0x" + "f" * 99]
)
def test_what_json_cannot_carry_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="quote it if it is text"):
        resolve(text)


@given(st.text(alphabet="0123456789xob_.eE+-:infaN", max_size=100))
def test_every_scalar_is_a_value_or_a_sentence(text: str) -> None:
    value: object = None
    with contextlib.suppress(ValueError):
        value = resolve(text)

    assert value is None or isinstance(value, str | int | float)
