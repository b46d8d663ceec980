"""The representation that a client accepts (RFC 9110 §12.5.1, Kubernetes' `as=Table`)."""

from __future__ import annotations

from dataclasses import dataclass

from flotta.apiserver.errors import StatusError

JSON = "application/json"
YAML = "application/yaml"
PLAIN_TYPES = {
    JSON: JSON,
    "*/*": JSON,
    "application/*": JSON,
    YAML: YAML,
}
TRANSFORMS = {"Table", "PartialObjectMetadata", "PartialObjectMetadataList"}
META_VERSIONS = {"v1", "v1beta1"}


@dataclass(frozen=True)
class Media:
    """A representation: type of the response, and the requested conversion ("": none)."""

    type: str = JSON
    transform: str = ""
    version: str = ""


def parse_accept(header: str) -> list[tuple[str, dict[str, str]]]:
    """Return the entries of an Accept header in the client's order: type and parameters."""
    entries = []
    for entry in header.split(","):
        kind, *parameters = [part.strip() for part in entry.split(";")]
        parted = (parameter.partition("=") for parameter in parameters)
        entries.append((kind.lower(), {key.lower(): value for key, _, value in parted}))
    return entries


def negotiate(header: str | None, *, watch: bool = False, transforms: bool = True) -> Media:
    """Return the first acceptable entry of an Accept header, or JSON without a header.

    Raises a 406 StatusError when nothing in it can be served.
    """
    if not header or not header.strip():
        return Media()
    for kind, parameters in parse_accept(header):
        media = _match_media(kind, parameters, watch=watch, transforms=transforms)
        if media is not None:
            return media
    raise StatusError(
        406,
        f"only the following media types are accepted: {_list_accepted(watch)}",
        "NotAcceptable",
    )


def _match_media(
    kind: str, parameters: dict[str, str], *, watch: bool, transforms: bool
) -> Media | None:
    chosen = PLAIN_TYPES.get(kind)
    # Kubernetes has no serializer for streams of YAML either.
    if chosen is None or (watch and chosen == YAML):
        return None
    if parameters.get("stream", "watch") != "watch" or ("stream" in parameters and not watch):
        return None
    transform = parameters.get("as", "")
    if not transform:
        return Media(chosen)
    version = parameters.get("v", "")
    known = transform in TRANSFORMS and version in META_VERSIONS
    if not (transforms and known and parameters.get("g") == "meta.k8s.io"):
        return None
    return Media(chosen, transform, version)


def _list_accepted(watch: bool) -> str:
    suffix = ";stream=watch" if watch else ""
    types = (JSON,) if watch else (JSON, YAML)
    return ", ".join(f"{kind}{suffix}" for kind in types)
