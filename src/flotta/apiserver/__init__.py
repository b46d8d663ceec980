"""The embedded resource API: Kubernetes' REST semantics for the few kinds Flotta needs.

`server` puts the parts together. A request goes through `router` (who, may they, what) to
`handlers`; objects are decoded and admitted (`bodies`, `admission`), decided on (`writes`, `apply`,
`deletion`) and kept (`store`, `writer`, `database`); `watch_cache` feeds `watch` and the built-in
controllers; `responses` is how it comes out again.

Deliberate differences from a real API server: a client certificate of an unknown authority ends the
TLS handshake (there: 401); an unknown field in server-side apply is a 400 (there: 500) and a wrong
type a 422; responses are JSON or YAML, never protobuf; `/openapi/v2` is valid but empty; an object
may have up to 3 MiB; a JSON patch does not count from the end of a list; what a decoder says about
text that it cannot read is worded otherwise. Everything else that clients see is the same, and
`tests/contract` runs on both.
"""
