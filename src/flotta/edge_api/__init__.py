"""The device-facing server: enrolment, registration, configuration and heartbeats over mutual TLS.

`server` wires the parts together; `authorization` has every rule about certificates, `backends` the
access to devices and secrets. The protocol is in docs/reference/wire-protocol.md.
"""
