"""The only reader of /sys and /proc, under a root that tests and captures can move."""

import os
import re
import stat
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from numalocal.errors import ListInvalid, MachineUnreadable
from numalocal.idset import MAX_ID, IdSet

CPU: Final = "sys/devices/system/cpu"
NODE: Final = "sys/devices/system/node"

_CHUNK_BYTES: Final = 1 << 16
_PAGE_BYTES: Final = 4096
_MOST_BYTES: Final = 16 << 20
"""More than any kernel file has; /proc/cpuinfo of a large machine comes nearest."""
_MOST_DIGITS: Final = 19
_MOST_SHOWN: Final = 60
_REGISTER: Final = re.compile(r"0x[0-9a-fA-F]{1,16}")

_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""A tree that somebody else made may hold a FIFO, and a reader of one would wait for ever."""

# Siblings share one text, so a big machine's lists are few, and each is parsed once.
_parse_list = lru_cache(maxsize=4096)(IdSet.parse)
_parse_mask = lru_cache(maxsize=4096)(IdSet.parse_mask)


class Sysfs(NamedTuple):
    """A root directory that holds `sys` and `proc`; `/` on a live machine.

    Paths are relative to it.  Files are opened without a buffer, as a machine has thousands.
    """

    root: str | os.PathLike[str] = "/"

    def read(self, path: str) -> str | None:
        """Read a file less surrounding blanks; None where there is none.

        Raises:
            MachineUnreadable: where it is there and cannot be read.
        """
        try:
            file = os.open(f"{self.root}/{path}", _FLAGS)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise MachineUnreadable(f"/{path}", f"cannot be opened: {_why(error)}") from error
        try:
            data = chunk = os.read(file, _CHUNK_BYTES)
            # sysfs gives a page at a time; the records of a proc file may end before that.
            while len(chunk) >= _PAGE_BYTES or (chunk and path.startswith("proc/")):
                chunk = os.read(file, _CHUNK_BYTES)
                data += chunk
                if len(data) > _MOST_BYTES:
                    raise MachineUnreadable(f"/{path}", "is larger than any file of a kernel")
            if not data and not stat.S_ISREG(os.fstat(file).st_mode):
                raise MachineUnreadable(f"/{path}", "is not a regular file")
        except OSError as error:
            raise MachineUnreadable(f"/{path}", f"cannot be read: {_why(error)}") from error
        finally:
            os.close(file)
        return data.decode("utf-8", "replace").strip("\0 \t\n")

    def exists(self, path: str) -> bool:
        """Tell whether there is anything of this name, readable or not."""
        return os.path.lexists(f"{self.root}/{path}")

    def names(self, path: str) -> tuple[str, ...]:
        """List a directory, sorted; empty where there is none.

        Raises:
            MachineUnreadable: where it is there and cannot be listed.
        """
        try:
            return tuple(sorted(os.listdir(f"{self.root}/{path}")))  # noqa: PTH208 - no Path here
        except FileNotFoundError:
            return ()
        except (OSError, ValueError) as error:
            raise MachineUnreadable(f"/{path}", f"cannot be listed: {_why(error)}") from error

    def numbered(self, path: str, prefix: str) -> IdSet:
        """Give the numbers of the entries such as `cpu12` or `node0` of a directory.

        Raises:
            MachineUnreadable: where it is there and cannot be listed.
        """
        cut = len(prefix)
        return IdSet.of(
            int(name[cut:])
            for name in self.names(path)
            if name.startswith(prefix) and _is_id(name[cut:])
        )

    def number(self, path: str) -> int | None:
        """Read a whole number; None where the file is missing or the kernel writes -1.

        Raises:
            MachineUnreadable: where it is something else.
        """
        text = self.read(path)
        if text is None or text == "-1":
            return None
        if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
            raise MachineUnreadable(f"/{path}", f"{shown(text)} is not a number")
        return int(text)

    def hexadecimal(self, path: str) -> int | None:
        """Read a register such as 0x00000000410fd4f0; None where the file is missing.

        Raises:
            MachineUnreadable: where it is something else.
        """
        text = self.read(path)
        if text is None:
            return None
        if not _REGISTER.fullmatch(text):
            raise MachineUnreadable(f"/{path}", f"{shown(text)} is not a register of 64 bits")
        return int(text, 16)

    def list(self, path: str) -> IdSet | None:
        """Read a set of ids in list format; None where the file is missing.

        Raises:
            MachineUnreadable: where it is malformed.
        """
        return _parsed(_parse_list, self.read(path), path)

    def mask(self, path: str) -> IdSet | None:
        """Read a set of ids as a hexadecimal mask; None where the file is missing.

        Raises:
            MachineUnreadable: where it is malformed.
        """
        return _parsed(_parse_mask, self.read(path), path)

    def meminfo(self, path: str) -> Mapping[str, int]:
        """Read /proc/meminfo or a node's: bytes by name, plain counts as they are.

        A node's lines begin with `Node 0`.
        """
        values = {}
        for line in (self.read(path) or "").splitlines():
            name, _, amount = line.partition(":")
            number, _, unit = amount.strip().partition(" ")
            if (
                name.strip()
                and number.isascii()
                and number.isdigit()
                and len(number) <= _MOST_DIGITS
            ):
                values[name.split()[-1]] = int(number) * (1024 if unit == "kB" else 1)
        return values


def shown(text: str) -> str:
    """Quote what a file says, cut where it is long."""
    return repr(text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}...")


def _is_id(text: str) -> bool:
    """Tell an id as the kernel writes it from the rest of a name, as `freq` or `07` of a folder."""
    short = text.isascii() and text.isdigit() and len(text) <= len(str(MAX_ID))
    return short and int(text) <= MAX_ID and str(int(text)) == text


def _why(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)


def _parsed(parse: Callable[[str], IdSet], text: str | None, path: str) -> IdSet | None:
    try:
        return None if text is None else parse(text)
    except ListInvalid as error:
        raise MachineUnreadable(f"/{path}", str(error)) from error
