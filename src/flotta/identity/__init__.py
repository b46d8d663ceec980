"""Keys, certificate requests, certificates and SSL contexts.

`authority` issues every certificate of the system, `peers` reads them, `ssl_contexts` uses them.
docs/explanation/security.md says who holds which key.
"""
