"""Control planes and gateways of Project Flotta v0.2, as far as they meet ours on the wire.

Written from what they put on the wire, not from their code: tests/data/messages has recordings.
"""
