"""Processes that attack a control plane as a stranger or a device does, until they are stopped.

    async with attacking({"silent-tcp": target}) as attacks:
        ...                                   # `attacks[name].counts` grow meanwhile

Each attack is a process of its own, so that what it costs is not measured as the server's. The
table of attacks is in `attacks.py`.
"""
