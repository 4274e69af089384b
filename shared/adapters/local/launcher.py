"""Becomes a server process: gives up root, arranges to end with its parent, and turns into the server's program.

Run as a script in a fresh interpreter, so that nothing happens between fork and exec in a process with threads (which
can deadlock, and warns from Python 3.12 on). Imports the standard library only.

PostgreSQL refuses to run as root, and an unprivileged account cannot pass a folder such as /root that is closed to
others. Opening the folder would weaken the machine, so on Linux the server keeps one capability of root instead,
CAP_DAC_OVERRIDE, which containers have by default: it passes the folder, and the folder stays closed.

Sources: prctl(2), capset(2), capabilities(7) ("Ambient"). A change of the user id resets PR_SET_PDEATHSIG, so that
comes last.
"""

import argparse
import ctypes
import os
import signal
import struct
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
SECBIT_NO_SETUID_FIXUP = 4
CAP_DAC_OVERRIDE = 1
CAP_SETPCAP = 8
CAPABILITY_VERSION_3 = 0x20080522


def main(arguments: Sequence[str]) -> None:
    """`launcher.py [--account UID GID] [--end-with-parent SIGNAL PARENT_PID] -- PROGRAM ARGUMENT…`; does not return."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--account", nargs=2, type=int, metavar=("UID", "GID"))
    parser.add_argument("--end-with-parent", nargs=2, type=int, metavar=("SIGNAL", "PID"))
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(arguments)
    if options.account is not None:
        become(*options.account)
    if options.end_with_parent is not None:
        end_with_parent(*options.end_with_parent)
    os.umask(0o077)
    os.execv(options.command[0], options.command)  # noqa: S606 - no shell is wanted


def become(uid: int, gid: int) -> None:
    """Drops root for another account, keeping the right to pass closed folders where this root has it."""
    may_pass = sys.platform == "linux" and _holds(CAP_DAC_OVERRIDE) and _holds(CAP_SETPCAP)
    if may_pass:
        # Keeps capabilities over setuid, and lets access(2) heed them, by which initdb looks for its programs.
        _prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if may_pass:
        _keep_only(CAP_DAC_OVERRIDE)
        _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE)


def end_with_parent(signal_number: int, parent: int) -> None:
    """Has the kernel send `signal_number` here when the thread that started this process ends, also by SIGKILL."""
    if sys.platform != "linux":
        return
    _prctl(PR_SET_PDEATHSIG, signal_number)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _holds(capability: int) -> bool:
    with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123 - pathlib would double the start time
        line = next(line for line in file if line.startswith("CapPrm:"))
    return bool(int(line.split()[1], 16) >> capability & 1)


def _keep_only(capability: int) -> None:
    bits = 1 << capability
    header = struct.pack("Ii", CAPABILITY_VERSION_3, 0)
    sets = struct.pack("6I", bits, bits, bits, 0, 0, 0)  # effective, permitted, inheritable: low words, then high
    _checked(ctypes.CDLL(None, use_errno=True).capset(header, sets), "capset")


def _prctl(option: int, *arguments: int) -> None:
    padded = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    _checked(ctypes.CDLL(None, use_errno=True).prctl(option, *padded), f"prctl({option})")


def _checked(result: int, call: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")


if __name__ == "__main__":
    main(sys.argv[1:])
