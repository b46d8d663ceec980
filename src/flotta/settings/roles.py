"""Inputs of the roles `programs` and `local_hosts`."""

from __future__ import annotations

from flotta.settings.setting import Choice, FilePath, Setting, Text, Words

CACHE = "{{ flotta_cache_directory | default('~/.cache/flotta-edge') }}"
STATES = ("present", "absent")
SUBNETS = (
    "10.91.7.0/24",
    "10.91.8.0/24",
    "10.137.7.0/24",
    "172.29.7.0/24",
    "192.168.217.0/24",
)

PROGRAMS_ROLE: tuple[Setting[object], ...] = (
    Choice(
        help="Whether the flotta programs are installed.",
        values=STATES,
        default="present",
        role_input="programs_state",
    ),
    Words(
        help="What to install besides the core: `control-plane`, `device`, `sync`, `images`.",
        role_input="programs_extras",
    ),
    Text(
        help="Directory in which the flotta programs are installed.",
        default="/opt/flotta",
        role_input="programs_directory",
    ),
    FilePath(
        help="Python 3.11 or newer with venv, which creates the virtual environment of the flotta "
        "programs.",
        role_input="programs_python",
        input_default="/usr/bin/python3",
    ),
    FilePath(
        help="Directory on the controller in which downloaded wheels are kept.",
        role_input="programs_cache",
        input_default=CACHE,
    ),
    FilePath(
        help="Archive of wheels, for a controller without a package index.",
        role_input="programs_wheelhouse",
        input_default="{{ flotta_wheelhouse | default('') }}",
    ),
    Words(
        help="Checks of the host whose problems are only warned about.",
        role_input="programs_preflight_ignore",
    ),
)
PLAYBOOKS: tuple[Setting[object], ...] = (
    Words(
        help="Workloads that the playbooks `flotta.edge.site` and `flotta.edge.workloads` create: "
        "dictionaries with `name`, `spec` and, if need be, `namespace`.",
        role_input="flotta_workloads",
    ),
    FilePath(
        help="Directory on the controller in which downloads are kept, for all roles.",
        role_input="flotta_cache_directory",
        input_default="~/.cache/flotta-edge",
    ),
    FilePath(
        help="Archive of wheels for all hosts, for a controller without a package index.",
        role_input="flotta_wheelhouse",
    ),
    Text(
        help="`yes` is your word that `flotta.edge.decommission` removes what it names.",
        role_input="flotta_decommission",
    ),
    Text(
        help="`yes` lets `flotta.edge.decommission` remove the control plane although devices were "
        "not decommissioned.",
        role_input="flotta_leave_devices",
    ),
)
LOCAL_HOSTS_ROLE: tuple[Setting[object], ...] = (
    Choice(
        help="Whether the local hosts exist.",
        values=STATES,
        default="present",
        role_input="local_hosts_state",
    ),
    FilePath(
        help="Directory for everything that belongs to the site.",
        role_input="local_hosts_directory",
        required=True,
    ),
    FilePath(
        help="Directory in which downloaded wheels are kept.",
        role_input="local_hosts_cache",
        input_default=CACHE,
    ),
    Text(help="Prefix of the containers' names.", default="flotta", role_input="local_hosts_name"),
    Text(
        help="Name of the podman network.", default="flotta-site", role_input="local_hosts_network"
    ),
    Text(
        help="Inventory group of the local hosts.",
        default="flotta_local_hosts",
        role_input="local_hosts_group",
    ),
    Choice(
        help="Version of control groups on this machine.",
        values=("v1", "v2"),
        default="v1",
        role_input="local_hosts_cgroup",
    ),
    Choice(
        help="Debian release of the local hosts.",
        values=("bookworm", "trixie"),
        default="bookworm",
        role_input="local_hosts_suite",
    ),
    Text(
        help="Debian mirror.", default_help="mmdebstrap's default", role_input="local_hosts_mirror"
    ),
    Text(
        help="Container image of the local hosts.",
        default_help="one is built from Debian packages",
        role_input="local_hosts_image",
    ),
    Words(
        help="Further Debian packages of a local host.",
        role_input="local_hosts_packages",
    ),
    Words(
        help="Further options of `podman run` for a local host, such as volumes.",
        role_input="local_hosts_options",
    ),
    Words(
        help="Further commands to run while the image is built.",
        role_input="local_hosts_builds",
    ),
    Words(
        help="Candidate subnets with a prefix of 24 bits; the first free subnet is used.",
        default=SUBNETS,
        role_input="local_hosts_subnets",
    ),
)
