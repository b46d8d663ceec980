"""Render docs/reference/settings.md and the inputs in the READMEs of the roles.

Usage: document_settings.py [--check]. The page comes from `flotta.settings`, the tables of the
READMEs from the roles' argument_specs. With --check, nothing is written and the exit code tells
whether something would be.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from rendered_pages import ROOT, write_pages
from role_inputs import ROLES_FOLDER, read_inputs, to_markdown

from flotta.settings.device import GATEWAY_FILE
from flotta.settings.help import describe_default, format_value
from flotta.settings.installation import MANIFESTS
from flotta.settings.roles import PLAYBOOKS
from flotta.settings.setting import Number, Setting
from flotta.settings.table import COMMANDS, CONTROL_PLANE, PROGRAMS, ROLES

PAGE = ROOT / "docs/reference/settings.md"
INTRODUCTION = """# Settings

Every setting of the programs, of the module `flotta.edge.operator` and of the roles. Settings of
single devices and workloads, such as the period of heartbeats, are fields of
[custom resources](crds.md).

A setting can have several names: an environment variable or command-line option of a program, an
option of the module and an input of the role. If a role or the module installed the control plane,
change the input or option and run it again: it restarts what has to be restarted. On Kubernetes,
variables without an option go into the ConfigMaps `flotta-manager-config` (operator) and
`flotta-edge-api-config` (Edge API), which keep the keys that you add; restart the Deployment
afterwards. On a machine, put variables without an input into a drop-in of the unit, which the roles
leave alone:

```
mkdir -p /etc/systemd/system/flotta-edge-api.service.d
cat >/etc/systemd/system/flotta-edge-api.service.d/settings.conf <<'END'
[Service]
Environment=ENROLMENTS_PER_SECOND=100
END
systemctl daemon-reload
systemctl restart flotta-edge-api
```

*Change* says when a new value takes effect: `restart` at the next start of the program (module and
role restart it themselves), `at once` while it runs, `next run` when the module or the role runs
again. These change without a restart: LIVE. The same is true of the content
of the Secrets `flotta-ca` and `flotta-host-certificate`, which the Edge API watches, of
certificates on a device, and of every field of a [custom resource](crds.md).

An empty environment variable is the same as an absent one. An unusable value stops the program at
its start, with a sentence that names the variable and says what to use.
"""
COLUMNS = ("Setting", "Also", "Type", "Default", "Change", "Meaning")
Row = tuple[str, ...]


def render_page() -> str:
    """Return the page of all settings."""
    live = sorted({f"`{item.variable}`" for item in CONTROL_PLANE if item.live})
    return INTRODUCTION.replace("LIVE", " and ".join(live)) + "".join(
        f"\n## {title}\n\n{text}{_table(COLUMNS, map(_row, settings))}"
        for title, text, settings in _sections()
    )


def _sections() -> Iterator[tuple[str, str, Iterable[Setting[object]]]]:
    """Yield title, introduction and settings of each section."""
    for program, title in (("flotta-operator", "Operator"), ("flotta-edge-api", "Edge API")):
        yield title, f"Read by `{program}` from its environment.\n\n", PROGRAMS[program]
    rest = [setting for setting in CONTROL_PLANE if not setting.variable]
    yield "Installation of the control plane", "", rest
    text = "Keys of its settings file, besides the options of the module.\n\n"
    yield "`flotta manifests`", text, MANIFESTS
    for program, settings in PROGRAMS.items():
        if program.split()[0] in ("flotta-apiserver", "flotta-s3"):
            yield f"`{program}`", "", settings
    store = "flotta-configuration-api"
    yield f"`{store} serve`", "", PROGRAMS[f"{store} serve"]
    others = ", ".join(f"`{command}`" for command in COMMANDS)
    yield f"`{store}`: other commands", f"Of {others}.\n\n", PROGRAMS[f"{store} {COMMANDS[0]}"]
    gateway = (
        "Keys of `/etc/yggdrasil/config.toml`, which the role `flotta.edge.device` writes; where\n"
        "other programs have files there, of `/etc/flotta/gateway/config.toml`.\n\n"
    )
    yield "Gateway: configuration file", gateway, GATEWAY_FILE
    precedence = "`--log-level` wins over `LOG_LEVEL`.\n\n"
    yield "Gateway: command line and environment", precedence, PROGRAMS["flotta-gateway"]
    yield "Device worker", "Read from the environment.\n\n", PROGRAMS["flotta-device-worker"]
    for program, settings in PROGRAMS.items():
        if program.split()[0] == "flotta-live":
            yield f"`{program}`", "", settings
    yield "Variables of the playbooks", "Set in the inventory.\n\n", PLAYBOOKS
    for role in ("device", "programs", "local_hosts"):
        yield f"Role `flotta.edge.{role}`", "", ROLES[role]


def _row(setting: Setting[object]) -> Row:
    names = [
        text
        for text in (
            setting.variable,
            setting.alias,
            setting.flag,
            setting.key and f"key {setting.key}",
            setting.option and f"option {setting.option}",
            setting.role_input and f"input {setting.role_input}",
        )
        if text
    ]
    first, *others = (name.split(" ") for name in names)
    also = [" ".join([*words[:-1], f"`{words[-1]}`"]) for words in others]
    return (
        f"`{first[-1]}`",
        ", ".join(also),
        _type(setting),
        _defaults(setting),
        _change(setting),
        setting.help,
    )


def _type(setting: Setting[object]) -> str:
    if setting.choices:
        return ", ".join(f"`{word}`" for word in setting.choices)
    if isinstance(setting, Number):
        return f"{setting.unit or 'number'}, {setting.least} to {setting.most}"
    return setting.TYPE


def _defaults(setting: Setting[object]) -> str:
    """Return the default, and those of module and role where they differ."""
    if setting.required:
        return "required"
    texts = [_quote(describe_default(setting), setting.default_help)]
    if setting.option_default_help:
        texts.append(f"module: {setting.option_default_help}")
    for place, value in (("module", setting.option_default), ("role", setting.input_default)):
        other = "" if value is ... else format_value(value)
        if other and other != format_value(setting.default):
            texts.append(f"{place}: `{other}`")
    return "; ".join(text for text in texts if text)


def _quote(text: str, words: str) -> str:
    return text if words or not text else f"`{text}`"


def _change(setting: Setting[object]) -> str:
    if setting.live:
        return "at once"
    return "restart" if setting.variable or setting.flag or setting.key else "next run"


def render_readme(role: str, text: str) -> str:
    """Return a README with the table of inputs as the role has them now."""
    start = text.index("| Name | Default | Meaning |")
    end = text.index("\n\n", start)
    table = _table(("Name", "Default", "Meaning"), _input_rows(role)).rstrip("\n")
    return text[:start] + table + text[end:]


def _input_rows(role: str) -> Iterator[Row]:
    words = {item.role_input: item.default_help for item in ROLES[role]}
    for name, option in read_inputs(role):
        default = option.get("default")
        if option.get("required"):
            shown = "required"
        elif words.get(name) and (not default or "hostvars" in str(default)):
            shown = words[name]  # better than a template over other hosts
        else:
            shown = f"`{_short(default)}`" if _short(default) else "none"
        yield f"`{name}`", shown, to_markdown(option)


def _short(default: object) -> str:
    return " ".join(format_value(tuple(default) if isinstance(default, list) else default).split())


def _table(columns: Row, rows: Iterable[Row]) -> str:
    """Return a Markdown table; a pipe in a cell would end it."""
    lines = [columns, tuple("---" for _ in columns), *rows]
    cells = (" | ".join(cell.replace("|", r"\|") for cell in line) for line in lines)
    return "".join(f"| {line} |\n" for line in cells)


def render() -> dict[Path, str]:
    """Return the text of every file that has settings in it."""
    readmes = {role: ROLES_FOLDER / role / "README.md" for role in ROLES}
    texts = {path: render_readme(role, path.read_text()) for role, path in readmes.items()}
    return {PAGE: render_page(), **texts}


def main() -> bool:
    """Write what is out of date, or only name it; return whether a check failed."""
    return write_pages(render())


if __name__ == "__main__":
    sys.exit(main())
