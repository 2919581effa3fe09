"""The only reader of /sys and /proc, under a root that tests and captures can move."""

import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from numalocal.errors import ListInvalid, MachineUnreadable
from numalocal.idset import IdSet

CPU: Final = "sys/devices/system/cpu"
NODE: Final = "sys/devices/system/node"

_CHUNK_BYTES: Final = 1 << 16
_PAGE_BYTES: Final = 4096

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
            file = os.open(f"{self.root}/{path}", os.O_RDONLY)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise MachineUnreadable(f"/{path}", f"cannot be opened: {error.strerror}") from error
        try:
            data = chunk = os.read(file, _CHUNK_BYTES)
            # sysfs gives a page at a time; the records of a proc file may end before that.
            while len(chunk) >= _PAGE_BYTES or (chunk and path.startswith("proc/")):
                chunk = os.read(file, _CHUNK_BYTES)
                data += chunk
        except OSError as error:
            raise MachineUnreadable(f"/{path}", f"cannot be read: {error.strerror}") from error
        finally:
            os.close(file)
        return data.decode("utf-8", "replace").strip("\0 \t\n")

    def names(self, path: str) -> tuple[str, ...]:
        """List a directory, sorted; empty where there is none."""
        try:
            return tuple(sorted(os.listdir(f"{self.root}/{path}")))  # noqa: PTH208 - no Path here
        except OSError:
            return ()

    def numbered(self, path: str, prefix: str) -> IdSet:
        """Give the numbers of the entries such as `cpu12` or `node0` of a directory."""
        cut = len(prefix)
        return IdSet.of(
            int(name[cut:])
            for name in self.names(path)
            if name.startswith(prefix) and name[cut:].isdigit()
        )

    def number(self, path: str) -> int | None:
        """Read a whole number; None where the file is missing or the kernel writes -1.

        Raises:
            MachineUnreadable: where it is something else.
        """
        text = self.read(path)
        if text is None or text == "-1":
            return None
        if not (text.isascii() and text.isdigit()):
            raise MachineUnreadable(f"/{path}", f"{text!r} is not a number")
        return int(text)

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

    def list_or_mask(self, list_path: str, mask_path: str) -> IdSet | None:
        """Read a set of ids from whichever of two files there is: old kernels have masks only.

        Raises:
            MachineUnreadable: where the one that is read is malformed.
        """
        listed = self.list(list_path)
        return self.mask(mask_path) if listed is None else listed

    def meminfo(self, path: str) -> Mapping[str, int]:
        """Read /proc/meminfo or a node's: bytes by name, plain counts as they are.

        A node's lines begin with `Node 0`.
        """
        values = {}
        for line in (self.read(path) or "").splitlines():
            name, _, amount = line.partition(":")
            number, _, unit = amount.strip().partition(" ")
            if number.isascii() and number.isdigit():
                values[name.split()[-1]] = int(number) * (1024 if unit == "kB" else 1)
        return values

    def online_cpus(self) -> IdSet:
        """Read cpu/online, or where there is none every cpuN/online; absent means online.

        Raises:
            MachineUnreadable: where the root holds no CPU.
        """
        online = self.list(f"{CPU}/online")
        if online is None:
            present = self.numbered(CPU, "cpu")
            online = IdSet.of(cpu for cpu in present if self.read(f"{CPU}/cpu{cpu}/online") != "0")
        if not online:
            raise MachineUnreadable(
                f"/{CPU}", f"holds no online CPU: is {self.root} the root of a Linux machine?"
            )
        return online


def _parsed(parse: Callable[[str], IdSet], text: str | None, path: str) -> IdSet | None:
    try:
        return None if text is None else parse(text)
    except ListInvalid as error:
        raise MachineUnreadable(f"/{path}", str(error)) from error
