"""The embedded resource API: Kubernetes' REST semantics for the few kinds Flotta needs.

The route of a request, folder by folder. `server` puts the parts together; `catalogue` lists the
resources that are served (`registry` holds them).

1. `http/`: `router` asks who calls (`authn`), what is addressed (`targets`) and whether they may
   (`authorization`), and passes the call to `handlers` or, for a watch, to `streams`; `responses`
   is how it comes out again, in the form that `negotiation` chose.
2. `objects/`: `bodies` decodes, `options` reads the query, `admission` and `metadata` make the
   object what it may be, `creation`, `updates` and `deletion` decide (`writes` is what they share);
   `lists` and `watch` read.
3. `schema/` applies the schema of a CRD (`structural`: `nodes` is it compiled, `pruning` and
   `checks` use it); `core/` has the rules of the core kinds, whose schemas are in
   `schema/kubernetes`.
4. `storage/`: `store` is the objects in memory, `writer` and `database` keep them in SQLite,
   `watch_cache` has the latest changes, which watches and controllers read.
5. `controllers/` follow the changes (`feed`): garbage collection, namespaces, expiry of Events.

What is here for some clients only, and may go when they do:

* server-side apply (`kubectl apply --server-side`, `kubernetes.core.k8s` with
  `server_side_apply`): `objects/apply`, `objects/managed_fields`, `objects/field_paths`
* `kubectl get`: `http/table`, `http/columns`, `ages`, the aggregated half of `http/discovery`
* `kubectl explain` and kubectl's validation: `http/documents`, `schema/openapi`
* `kubectl auth can-i` and `whoami`: `http/reviews`
* kubectl 1.32 and later with core kinds: `objects/protobuf`
* `kubectl apply` and `edit` of core kinds: the strategic merge patch in `objects/patch`

Deliberate differences from a real API server: a client certificate of an unknown authority ends the
TLS handshake (there: 401); an unknown field in server-side apply is a 400 (there: 500) and a wrong
type a 422; responses are JSON or YAML, never protobuf; `/openapi/v2` is valid but empty; an object
may have up to 3 MiB; a JSON patch does not count from the end of a list; messages are sentences of
ours. Status codes, `reason` and the fields of `details.causes` are the same, as is everything else
that clients act on, and `tests/contract` runs on both.
"""
