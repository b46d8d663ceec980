"""`flotta certificates`: when certificates expire, and the rollover of the fleet's CA."""

from __future__ import annotations

import argparse

from flotta.cli.adoption import own_namespace
from flotta.cli.connection import run_connected
from flotta.cli.rollover import ask_rollover
from flotta.identity.rollover import FINISH, ROLL
from flotta.protocol.reasons.reason import with_code


def run(options: argparse.Namespace) -> str | int:
    """Return the text to print, or the exit status. Raises ValueError with a sentence."""
    if options.action is None:
        return ""
    return _roll_over(options)


def _roll_over(options: argparse.Namespace) -> str:
    phase, forced = (FINISH, options.force) if options.action == "finish-ca" else (ROLL, False)
    answer = run_connected(
        options,
        lambda client: ask_rollover(
            client,
            own_namespace(),
            phase,
            forced=forced,
            program=f"flotta certificates {options.action}",
        ),
    )
    if answer.is_refusal:
        raise ValueError(with_code(answer.message, answer.code))
    return answer.message
