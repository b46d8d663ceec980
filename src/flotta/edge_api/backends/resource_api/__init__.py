"""What a backend keeps in the resource API about its servers: Secrets, and the CA's requests.

Devices are not in here: the backends `crd` and `remote` both use it.
"""
