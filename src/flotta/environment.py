"""Settings of the daemons from environment variables: one meaning for each kind of value.

An absent or empty variable means the default; a ValueError with a sentence names an unusable one.
"""

from __future__ import annotations

from collections.abc import Mapping

TRUE = frozenset({"true", "1", "t", "yes", "on"})
FALSE = frozenset({"false", "0", "f", "no", "off"})
NONE = frozenset({"off", "0"})
EVERYWHERE = "0.0.0.0"  # noqa: S104 - only where a user asks for it
Address = tuple[str, int]  # host and port


def read_text(environment: Mapping[str, str], name: str, default: str = "") -> str:
    """Return a value without blanks around it."""
    return environment.get(name, "").strip() or default


def read_words(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Return the words of a comma-separated list."""
    return tuple(word.strip() for word in read_text(environment, name).split(",") if word.strip())


def read_flag(environment: Mapping[str, str], name: str, *, default: bool) -> bool:
    """Read a truth value, in any of the words that Go and people use."""
    word = read_text(environment, name).lower()
    if word and word not in TRUE | FALSE:
        raise ValueError(f"{name} is {environment[name]!r}; use true or false")
    return word in TRUE if word else default


def read_number(
    environment: Mapping[str, str], name: str, default: int, least: int, most: int | None = None
) -> int:
    """Return a whole number between two bounds, both included."""
    digits = read_text(environment, name)
    if not digits:
        return default
    if not digits.isdecimal() or int(digits) < least or (most is not None and int(digits) > most):
        bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} is {digits!r}; use a whole number {bounds}")
    return int(digits)


def read_address(
    environment: Mapping[str, str], name: str, default: Address | None
) -> Address | None:
    """Return where to listen.

    `HOST:PORT`, `:PORT` for every address, `off` (None) for nowhere.
    """
    given = read_text(environment, name)
    if not given:
        return default
    if given.lower() in NONE:
        return None
    host, separator, port = given.rpartition(":")
    if not separator or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"{name} is {given!r}; use HOST:PORT, :PORT or off")
    return host.strip("[]") or EVERYWHERE, int(port)
