"""Keys, requests, certificates and the SSL contexts made of them.

Every certificate of the system is made by `authority`, read by `peers` and used through
`ssl_contexts`; nothing else touches X.509.
"""
