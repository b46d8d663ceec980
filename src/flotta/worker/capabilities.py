"""The capabilities that this process can pass on, by the names of capabilities(7)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

STATUS = Path("/proc/self/status")
BOUNDING = "CapBnd:"
NAMES = (  # by number, as in linux/capability.h
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID"),
    *("SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW"),
    *("IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE"),
    *("SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME"),
    *("SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP"),
    *("MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ"),
    *("PERFMON", "BPF", "CHECKPOINT_RESTORE"),
)


@cache
def read_own() -> frozenset[str]:
    """Return the bounding set of this process, with the prefix `CAP_`; raises OSError."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(BOUNDING))
    return parse_mask(line.removeprefix(BOUNDING))


def parse_mask(text: str) -> frozenset[str]:
    """Return the names of a set as the kernel prints it, in hexadecimal digits."""
    mask = int(text, 16)
    return frozenset(f"CAP_{name}" for number, name in enumerate(NAMES) if mask >> number & 1)
