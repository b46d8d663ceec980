"""The AWS IAM query API of the embedded S3 server: users, policies and access keys.

An operator on Kubernetes uses it to create access keys for buckets on an embedded S3 server. The
client is `iam_issuer`, which works with any IAM API. Setup:
docs/how-to/provide-storage.md#an-s3-server-for-a-control-plane-elsewhere.
"""
