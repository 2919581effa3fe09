"""Run a command as a container's default seccomp profile does: memory policies are denied.

Usage: deny_mempolicy.py EPERM|ENOSYS COMMAND [ARGUMENT...]
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from typing import Final

# set_mempolicy, get_mempolicy and mbind by architecture: arch/x86/entry/syscalls/syscall_64.tbl,
# include/uapi/asm-generic/unistd.h.
SYSCALLS: Final = {"x86_64": (238, 239, 237), "aarch64": (237, 236, 235)}
PR_SET_SECCOMP: Final = 22
PR_SET_NO_NEW_PRIVS: Final = 38
SECCOMP_MODE_FILTER: Final = 2
SECCOMP_RET_ERRNO: Final = 0x00050000
SECCOMP_RET_ALLOW: Final = 0x7FFF0000
# Classic BPF: load word at k, jump if equal to k, return k (linux/bpf_common.h).
LOAD_WORD: Final = 0x20
JUMP_IF_EQUAL: Final = 0x15
RETURN: Final = 0x06


class Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def program(numbers: tuple[int, ...], error: int) -> bytes:
    """Write the filter: these system calls (seccomp_data.nr at 0) answer the error."""

    def instruction(code: int, if_true: int, if_false: int, k: int) -> bytes:
        return struct.pack("HBBI", code, if_true, if_false, k)

    tests = [
        instruction(JUMP_IF_EQUAL, len(numbers) - index, 0, number)
        for index, number in enumerate(numbers)
    ]
    return b"".join(
        [
            instruction(LOAD_WORD, 0, 0, 0),
            *tests,
            instruction(RETURN, 0, 0, SECCOMP_RET_ALLOW),
            instruction(RETURN, 0, 0, SECCOMP_RET_ERRNO | error),
        ]
    )


def deny(error: int) -> None:
    """Install the filter for this process and what it executes."""
    libc = ctypes.CDLL(None, use_errno=True)
    instructions = program(SYSCALLS[platform.machine()], error)
    filter_program = Program(len(instructions) // 8, instructions)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")
    pointer = ctypes.byref(filter_program)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, pointer, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_SECCOMP")


if __name__ == "__main__":
    deny({"EPERM": errno.EPERM, "ENOSYS": errno.ENOSYS}[sys.argv[1]])
    os.execvp(sys.argv[2], sys.argv[2:])
