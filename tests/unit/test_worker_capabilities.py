"""Capabilities by name."""

from __future__ import annotations

from flotta.worker.capabilities import NAMES, parse_mask


def test_the_names_are_in_the_order_of_the_kernel() -> None:
    assert parse_mask("00000000a80425fb") == {  # the usual ones of a container
        f"CAP_{name}"
        for name in (
            *("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
            *("NET_BIND_SERVICE", "NET_RAW", "SYS_CHROOT", "MKNOD", "AUDIT_WRITE", "SETFCAP"),
        )
    }
    assert parse_mask("000001ffffffffff") == {f"CAP_{name}" for name in NAMES}
    assert parse_mask("0000010000000000") == {"CAP_CHECKPOINT_RESTORE"}
