"""The conformance kit: whether a data store keeps the rules of the Edge Configuration API.

    python -m flotta.configuration_api.conformance URL

It speaks with the store as an Edge API does, over the network alone, and says of each rule what the
store did and what it should have done (docs/reference/configuration-api.md#the-conformance-kit).
"""
