import errno
import io

from numalocal.host.outlet import Outlet


class Full(io.StringIO):
    """Takes one text; the next finds no room."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self._error = error

    def write(self, text: str) -> int:
        if self.getvalue():
            raise self._error
        return super().write(text)

    def flush(self) -> None:
        if self.getvalue() == "held":
            raise self._error


def test_what_fails_is_kept_and_the_rest_is_swallowed() -> None:
    full = Full(OSError(errno.ENOSPC, "No space left on device"))
    outlet = Outlet(full)

    for text in ("one", "two", "three"):
        outlet.write(text)
        outlet.flush()

    assert full.getvalue() == "one"
    assert outlet.error is not None
    assert outlet.error.errno == errno.ENOSPC
    assert not outlet.reader_gone


def test_a_failure_may_show_when_text_is_passed_on() -> None:
    outlet = Outlet(Full(BrokenPipeError()))

    outlet.write("held")
    outlet.flush()
    outlet.write("more")
    outlet.flush()

    assert outlet.reader_gone
    assert not outlet.isatty()
