"""Directives of the data channel (what a `data` message is about), names of commands and events."""

from __future__ import annotations

ENROLMENT = "enrolment"
ENROLMENT_APPROVED = 208  # HTTP status once it is approved; 200 before that
REGISTRATION = "registration"
HEARTBEAT = "heartbeat"
ANSIBLE = "ansible"
DEVICE = "device"  # the configuration; also the handler name of the worker that takes it

DISCONNECT = "disconnect"  # a command, and the event that acknowledges it
RECONNECT = "reconnect"  # a command
PING = "ping"  # a command
PONG = "pong"  # the event that acknowledges it
