"""The embedded server's side of the AWS IAM query API: users, policies and keys of its buckets.

It serves an operator on Kubernetes that has its buckets on an embedded S3 server; the client's side
is `iam_issuer`, which works at any IAM.
"""
