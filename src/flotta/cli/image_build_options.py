"""The options of `flotta image build`."""

from __future__ import annotations

from pathlib import Path

from flotta.cli.subcommands import Commands

CACHE = Path("~/.cache/flotta-edge")


def add_build(actions: Commands) -> None:
    """Add the action. What its options mean together is checked by the build."""
    build = actions.add_parser(
        "build",
        help="build a base ISO from packages of Debian",
        description="Build a base ISO from packages of Debian, unless the one that is there was "
        "made from the same. It needs root.",
    )
    build.add_argument("--output", type=Path, metavar="ISO", required=True, help="what to write")
    build.add_argument(
        "--wheelhouse",
        type=Path,
        metavar="TAR",
        required=True,
        help="archive or directory of the wheels of flotta-edge and its extras for devices",
    )
    build.add_argument("--suite", default="bookworm", help="bookworm (default) or trixie")
    build.add_argument("--architecture", default="amd64", help="amd64 (default) or arm64")
    for option, kind, metavar, text in (
        ("--package", str, "NAME", "another package of Debian"),
        ("--component", str, "NAME", "component of Debian's archive; default: main"),
        ("--container-image", Path, "TAR", "archive of a container image, as podman save makes it"),
        ("--mirror", str, "URL", "archive of Debian; default: that of this machine"),
    ):
        build.add_argument(
            option,
            type=kind,
            action="append",
            default=[],
            metavar=metavar,
            help=f"{text}; may be repeated",
        )
    build.add_argument(
        "--compression", default="zstd-3", help="zstd-3 (default), zstd-15 or xz, each slower"
    )
    build.add_argument("--epoch", type=int, metavar="SECONDS", help="Unix time of all files")
    build.add_argument("--cache", type=Path, metavar="DIR", default=CACHE, help=f"default: {CACHE}")
    build.add_argument(
        "--refresh", action="store_true", help="look for newer packages than those of the cache"
    )
    build.add_argument(
        "--force", action="store_true", help="replace a file that is not a base of flotta.edge"
    )
    build.add_argument(
        "--check", action="store_true", help="write nothing, only tell what would be done"
    )
