"""The embedded resource API: Kubernetes' REST semantics for the few kinds that flotta needs.

The path of a request, folder by folder. `server` puts the parts together; `catalogue` lists the
resources that are served (`registry` holds them).

1. `http/`: `router` finds out who calls (`authn`), what is addressed (`targets`) and whether it is
   allowed (`authorization`), and passes the call to `handlers` or, for a watch, to `streams`;
   `responses` writes the result in the form that `negotiation` chose.
2. `objects/`: `bodies` decodes, `options` reads the query, `admission` and `metadata` prepare and
   check the object, `creation`, `updates` and `deletion` decide (`writes` is what they share);
   `lists` and `watch` read.
3. `schema/` applies the schema of a CRD (`structural`: `nodes` is the compiled schema, `pruning`
   and `checks` use it); `core/` has the rules of the core kinds, whose schemas are in
   `schema/kubernetes`.
4. `storage/`: `store` is the objects in memory, `writer` and `database` keep them in SQLite,
   `watch_cache` has the latest changes, which watches and controllers read.
5. `controllers/` follow the changes (`feed`): garbage collection, namespaces, expiry of Events.

What only some clients need, and can be removed with them:

* server-side apply (`kubectl apply --server-side`, `kubernetes.core.k8s` with
  `server_side_apply`): `objects/apply`, `objects/managed_fields`, `objects/field_paths`
* `kubectl get`: `http/table`, `http/columns`, `ages`, the aggregated half of `http/discovery`
* `kubectl explain` and kubectl's validation: `http/documents`, `schema/openapi`
* `kubectl auth can-i` and `whoami`: `http/reviews`
* kubectl 1.32 and later with core kinds: `objects/protobuf`
* `kubectl apply` and `edit` of core kinds: the strategic merge patch in `objects/patch`

What it serves, and in what it deliberately differs from kube-apiserver, is in
docs/reference/resource-api.md; `tests/contract` runs on both.
"""
