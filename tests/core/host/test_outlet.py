import errno
import os
from pathlib import Path

from numalocal.host.outlet import Outlet


def test_text_is_passed_on_in_the_stream_s_encoding(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w", encoding="latin-1") as stream:
        outlet = Outlet(stream)
        outlet.write("é \u2713\n")
        outlet.flush()

        assert not outlet.isatty()
        assert outlet.error is None
    assert (tmp_path / "log").read_bytes() == b"\xe9 \\u2713\n"


def test_what_fails_is_kept_and_the_rest_is_swallowed() -> None:
    with Path("/dev/full").open("w") as full:
        outlet = Outlet(full)
        for text in ("one", "two"):
            outlet.write(text)

    assert outlet.error is not None
    assert outlet.error.errno == errno.ENOSPC
    assert not outlet.reader_gone


def test_a_reader_that_has_gone_is_told() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        outlet = Outlet(stream)
        outlet.write("one")

    assert outlet.reader_gone
