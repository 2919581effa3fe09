"""Run a command where system calls are denied, as a container's seccomp profile does.

Usage: deny_mempolicy.py ERROR[:CALL[=ARGUMENT],...] COMMAND [ARGUMENT...]

ERROR is EPERM and so on, or KILL for the end of who makes the call.

Without calls these are set_mempolicy, get_mempolicy and mbind; a call with =ARGUMENT is denied
where its first argument is that number.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from typing import Final

# By architecture: arch/x86/entry/syscalls/syscall_64.tbl, include/uapi/asm-generic/unistd.h.
SYSCALLS: Final = {
    "x86_64": {
        "set_mempolicy": 238,
        "get_mempolicy": 239,
        "mbind": 237,
        "migrate_pages": 256,
        "move_pages": 279,
    },
    "aarch64": {
        "set_mempolicy": 237,
        "get_mempolicy": 236,
        "mbind": 235,
        "migrate_pages": 238,
        "move_pages": 239,
    },
}
USUAL: Final = "set_mempolicy,get_mempolicy,mbind"
PR_SET_SECCOMP: Final = 22
PR_SET_NO_NEW_PRIVS: Final = 38
SECCOMP_MODE_FILTER: Final = 2
SECCOMP_RET_ERRNO: Final = 0x00050000
SECCOMP_RET_KILL_PROCESS: Final = 0x80000000
SECCOMP_RET_ALLOW: Final = 0x7FFF0000
# Classic BPF: load word at k, jump if equal to k, return k (linux/bpf_common.h).
LOAD_WORD: Final = 0x20
JUMP_IF_EQUAL: Final = 0x15
RETURN: Final = 0x06
# struct seccomp_data: the number, and the low half of the first argument (little-endian).
NUMBER_AT: Final = 0
ARGUMENT_AT: Final = 16


class Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def instruction(code: int, if_true: int, if_false: int, k: int) -> bytes:
    """Write a struct sock_filter."""
    return struct.pack("HBBI", code, if_true, if_false, k)


def rule(call: str, action: int) -> bytes:
    """Deny one call, or fall through."""
    name, _, argument = call.partition("=")
    tests = [(NUMBER_AT, SYSCALLS[platform.machine()][name])]
    if argument:
        tests.append((ARGUMENT_AT, int(argument)))
    lines = b""
    for left, (offset, value) in zip(range(len(tests), 0, -1), tests, strict=True):
        lines += instruction(LOAD_WORD, 0, 0, offset)
        lines += instruction(JUMP_IF_EQUAL, 0, 2 * left - 1, value)
    return lines + instruction(RETURN, 0, 0, action)


def action_of(error: str) -> int:
    """Say what seccomp does about a denied call."""
    if error == "KILL":
        return SECCOMP_RET_KILL_PROCESS
    number: int = getattr(errno, error)
    return SECCOMP_RET_ERRNO | number


def deny(calls: list[str], action: int) -> None:
    """Install the filter for this process and what it executes."""
    libc = ctypes.CDLL(None, use_errno=True)
    instructions = b"".join(rule(call, action) for call in calls)
    instructions += instruction(RETURN, 0, 0, SECCOMP_RET_ALLOW)
    filter_program = Program(len(instructions) // 8, instructions)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")
    pointer = ctypes.byref(filter_program)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, pointer, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_SECCOMP")


if __name__ == "__main__":
    name, _, calls = sys.argv[1].partition(":")
    deny((calls or USUAL).split(","), action_of(name))
    os.execvp(sys.argv[2], sys.argv[2:])
