"""Data synchronisation between directories and an S3 bucket.

Knows files, S3, a state database and the codes of its failures, nothing else about Flotta. The
resident part (`loop`) compares each side with what the database remembers of it; a short-lived
child process (`child`) moves the bytes, so that boto3 is in memory only while there is something to
transfer.
"""
