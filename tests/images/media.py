"""Media as a person makes them with `flotta image`: a base, a batch's certificate, settings."""

from __future__ import annotations

from pathlib import Path

from flotta.images.personalise.outputs import Output, personalise
from flotta.images.personalise.prepared import BaseFile
from flotta.images.personalise.sources import open_source
from flotta.images.settings.medium import parse_settings
from images.plane import Credentials, Plane


def personalised(
    base: Path, output: Path, plane: Plane, credentials: Credentials, **settings: object
) -> Path:
    """Write an ISO with which a device joins this control plane; return its path."""
    wanted = parse_settings(
        {
            "server": plane.server,
            "ca": credentials.ca.decode(),
            "certificate": credentials.certificate.decode(),
            "key": credentials.key.decode(),
            **settings,
        }
    )
    with open_source(BaseFile(base)) as source:
        personalise(source, Output(output, wanted))
    return output
