"""Buckets: names, keys, the claim provisioner, and the embedded S3 server."""
