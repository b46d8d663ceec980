"""The device-facing server: enrolment, registration, configuration and heartbeats over mutual TLS.

`server` wires the parts together; `authorization` holds every rule about certificates, `backends`
what is behind the wire interface.
"""
