"""An Edge API whose clients may idle for an hour: a whole fleet takes minutes to connect."""

from __future__ import annotations

from functools import partial

from flotta.serving import limits

# Before the server is imported, which takes its defaults from here.
limits.Deadlines = partial(limits.Deadlines, idle=3600.0)  # type: ignore[assignment, misc]

from flotta.cli.edge_api import main  # noqa: E402

main()
