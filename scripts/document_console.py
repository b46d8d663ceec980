"""Render the screens of docs/reference/images.md#console from `flotta.live.console`.

Usage: document_console.py [--check]. Each screen is a block of text below the heading of its state.
With --check, nothing is written and the exit code tells whether something would be.
"""

from __future__ import annotations

import re
import sys

from rendered_pages import ROOT, write_pages

from flotta.live.console.network import Interface
from flotta.live.console.screen import render
from flotta.live.console.view import State, View, Warned, find_remedy

PAGE = ROOT / "docs/reference/images.md"
WIRED = Interface("enp1s0", wireless=False, connected=True, addresses=("192.0.2.17",))
UNPLUGGED = Interface("enp1s0", wireless=False, connected=False, addresses=())
UUID = "4c4c4544-0039-5a10-8052-b7c04f4d3532"


def make_example(state: State, **fields: object) -> View:
    """Return a view of an example."""
    known: dict[str, object] = {
        "state": state,
        "device_id": UUID,
        "server": "edge.example:8043",
        "interfaces": (WIRED,),
        "code": "N2Q6-WVQ9",
        "reason": "",
        "message": "",
        "remedy": find_remedy(str(fields.get("reason", ""))),
        "forgets_key": False,
        "state_remedy": "",
        "warnings": (),
        "release": "X.Y.Z",
        **fields,
    }
    return View(**known)  # type: ignore[arg-type]


EXAMPLES = (
    make_example(State.NO_SETTINGS, server="", code=""),
    make_example(State.NO_NETWORK, interfaces=(UNPLUGGED,), device_id="till-1"),
    make_example(
        State.CONNECTING,
        reason="EdgeApiUnreachable",
        message="edge.example:8043 does not answer: no route to host",
    ),
    make_example(State.WAITING),
    make_example(
        State.REFUSED,
        reason="RegistrationRevoked",
        message="the registration batch berlin-2027 was revoked",
        warnings=(Warned("StateReadOnly", "The boot medium cannot be written."),),
    ),
    make_example(State.JOINED, device_id="till-1"),
)


def render_page(page: str) -> str:
    """Return the page with the screens as the code draws them."""
    for view in EXAMPLES:
        pattern = rf"(### {re.escape(view.state.value)}\n.*?```text\n)(.*?)(```)"
        found = re.search(pattern, page, flags=re.DOTALL)
        if found is None:
            raise SystemExit(f"{PAGE} has no heading {view.state.value!r} with a block of text")
        page = f"{page[: found.start(2)]}{render(view)}\n{page[found.end(2) :]}"
    return page


if __name__ == "__main__":
    sys.exit(write_pages({PAGE: render_page(PAGE.read_text())}))
