"""What a person at the device reads, on a screen of 80 columns and 25 lines."""

from __future__ import annotations

import dataclasses
import random
import sys
from pathlib import Path

import pytest

from flotta.live.boot_report import BootReport, StateReport
from flotta.live.boot_report import Warned as Reported
from flotta.live.console.network import Interface, read_interfaces
from flotta.live.console.screen import HEIGHT, WIDTH, render
from flotta.live.console.view import State, View, Warned, find_remedy, make_view
from flotta.protocol.joining import JoiningStatus, Phase
from flotta.protocol.reasons.table import CODES

sys.path.append(str(Path(__file__).parents[3] / "scripts"))

import document_console

WIRED = Interface("enp1s0", wireless=False, connected=True, addresses=("192.0.2.17",))
SILENT = dataclasses.replace(WIRED, addresses=())
UNPLUGGED = dataclasses.replace(SILENT, connected=False)
RADIO = Interface("wlan0", wireless=True, connected=False, addresses=())
BOOT = BootReport(device_id="till-1", server="edge.example:8043", settings=True)


def joining(phase: Phase, **fields: str) -> JoiningStatus:
    return JoiningStatus(phase=phase, code="N2Q6-WVQ9", server="edge.example:8043", **fields)


def screen(
    boot: BootReport | None = BOOT,
    status: JoiningStatus | None = None,
    interfaces: tuple[Interface, ...] = (WIRED,),
) -> str:
    drawn = render(make_view(boot, status, interfaces))
    check_size(drawn)
    return " ".join(drawn.split())


def check_size(drawn: str) -> None:
    lines = drawn.split("\n")
    assert len(lines) <= HEIGHT
    assert max(map(len, lines)) <= WIDTH


def test_the_page_shows_the_screens() -> None:
    """To mend it, run `scripts/document_console.py`."""
    page = document_console.PAGE.read_text()
    assert document_console.render_page(page) == page


@pytest.mark.parametrize("view", document_console.EXAMPLES, ids=lambda view: view.state.name)
def test_every_state_is_in_words_and_in_large_letters(view: View) -> None:
    drawn = render(view)
    check_size(drawn)
    assert drawn.split("\n")[0].endswith(f" - {view.state.value}")
    assert view.device_id in drawn
    assert sum("_" in line for line in drawn.split("\n")) >= 3


def test_a_base_without_settings_says_what_to_do() -> None:
    drawn = screen(BootReport(device_id="till-1"), None)
    assert "NO SETTINGS" in drawn
    assert "personalised ISO" in drawn
    assert "flotta image seed" in drawn
    assert "NoSettings" not in drawn


@pytest.mark.parametrize(
    ("interfaces", "sentence"),
    [
        ((), "no network interface that this system knows"),
        ((UNPLUGGED,), "Plug in a network cable: enp1s0 has none."),
        ((SILENT,), "is connected (enp1s0), but gives no address"),
        ((RADIO,), "The Wi-Fi (wlan0) is not connected."),
        ((UNPLUGGED, RADIO), "Plug in a network cable: enp1s0 has none. The Wi-Fi (wlan0) is"),
    ],
)
@pytest.mark.parametrize("status", [None, joining(Phase.JOINED), joining(Phase.WAITING)])
def test_without_a_network_it_says_what_is_missing(
    interfaces: tuple[Interface, ...], sentence: str, status: JoiningStatus | None
) -> None:
    drawn = screen(status=status, interfaces=interfaces)
    if status is not None and interfaces == (SILENT,):  # its address is where nobody looked
        assert f"- {State[status.phase.name].value}" in drawn
        return
    assert "- NO NETWORK" in drawn
    assert sentence in drawn


def test_an_attempt_that_failed_is_named_with_its_reason() -> None:
    status = joining(Phase.CONNECTING, reason="EdgeApiUnreachable", message="no route to host")
    drawn = screen(status=status)
    assert "- CONNECTING" in drawn
    assert "No route to host. [EdgeApiUnreachable] Next step: Check the device's network" in drawn


def test_before_the_gateway_runs_it_is_connecting() -> None:
    assert "Looking for the control plane." in screen()
    assert "- CONNECTING" in screen(None)


def test_a_device_that_waits_shows_the_command_that_approves_it() -> None:
    drawn = screen(status=joining(Phase.WAITING))
    assert "flotta approve till-1 --code N2Q6-WVQ9" in drawn


def test_a_refusal_has_sentence_reason_and_next_step() -> None:
    refused = joining(Phase.REFUSED, reason="RegistrationBatchExhausted", message="all are taken")
    drawn = screen(status=refused, interfaces=())
    assert "- REFUSED" in drawn
    assert "All are taken. [RegistrationBatchExhausted]" in drawn
    assert "Next step: Issue another batch, raise uses of this one" in drawn


def test_a_device_that_forgets_its_key_says_how_it_may_come_back() -> None:
    refused = joining(Phase.REFUSED, reason="OtherKey", message="another key has this id")
    forgetful = BootReport(device_id="till-1", settings=True, state=StateReport("Overlay"))
    drawn = screen(forgetful, refused)
    assert "--allow-key-replacement" in drawn
    assert "a stick that can be written" in drawn
    settled = BootReport(device_id="till-1", settings=True, state=StateReport("Partition"))
    assert "a stick that can be written" not in screen(settled, refused)


@pytest.mark.parametrize(
    ("reason", "step"),
    [("StateDiskMissing", "Connect the disk"), ("StateReadOnly", "without a write lock")],
)
def test_a_device_that_lost_sight_of_its_state_is_not_told_to_replace_its_key(
    reason: str, step: str
) -> None:
    refused = joining(Phase.REFUSED, reason="OtherKey", message="another key has this id")
    state = StateReport("Overlay", reason=reason, present=True)
    drawn = screen(BootReport(device_id="till-1", settings=True, state=state), refused)
    assert "which could not be used this time" in drawn
    assert step in drawn
    assert "--allow-key-replacement" not in drawn


def test_warnings_are_shown_in_every_state_and_cut_where_there_are_many() -> None:
    warned = [Reported("StateReadOnly", f"warning {number} " + "x " * 40) for number in range(30)]
    boot = BootReport(device_id="till-1", settings=True, warnings=warned[:1])
    for phase in Phase:
        assert "! Warning 0" in screen(boot, joining(phase))
    many = BootReport(device_id="till-1", settings=True, warnings=warned)
    assert screen(many, joining(Phase.JOINED)).endswith("...")


@pytest.mark.parametrize("length", [1, 8, 14, 36, 64, 300])
def test_an_id_of_any_length_fits(length: int) -> None:
    boot = BootReport(device_id="i" * length, settings=True)
    drawn = render(make_view(boot, joining(Phase.JOINED), (WIRED,)))
    check_size(drawn)
    assert "i" * min(length, 60) in drawn


def test_every_code_has_a_next_step_that_fits() -> None:
    for code in sorted(CODES):
        status = joining(Phase.REFUSED, reason=code, message="m" * 70)
        check_size(render(make_view(BOOT, status, (WIRED,))))
        assert "`" not in find_remedy(code)
        assert "](" not in find_remedy(code)


@pytest.mark.parametrize("seed", range(40))
def test_whatever_others_say_the_screen_keeps_its_size_and_acts_on_no_terminal(seed: int) -> None:
    dice = random.Random(seed)
    alphabet = "\x00\x1b[31m\r\n\t\u202e{{}}%# aé\ud800漢\U0001f600" + "x" * 20

    def text() -> str:
        return "".join(dice.choices(alphabet, k=dice.choice([0, 1, 5, 100, 1000])))

    view = View(
        state=dice.choice(list(State)),
        device_id=text(),
        server=text(),
        interfaces=tuple(
            Interface(text(), dice.random() < 0.5, dice.random() < 0.5, (text(), text()))
            for _ in range(dice.randrange(5))
        ),
        code=text(),
        reason=text(),
        message=text(),
        remedy=text(),
        forgets_key=dice.random() < 0.5,
        state_remedy=text(),
        warnings=tuple(Warned(text(), text()) for _ in range(dice.randrange(5))),
        release=text(),
    )
    drawn = render(view)
    check_size(drawn)
    assert not any(ord(letter) < 32 or ord(letter) == 127 for letter in drawn.replace("\n", ""))
    assert "\u202e" not in drawn
    drawn.encode()


def test_the_interfaces_of_the_machine_are_read_without_those_of_containers(
    tmp_path: Path,
) -> None:
    net = tmp_path / "sys/class/net"
    for name in ("none1", "none0", "podman0", "none1.5", "none1.6"):
        (net / name).mkdir(parents=True)
    for name in ("none1.5", "none1.6"):
        (net / name / "uevent").write_text(f"DEVTYPE=vlan\nINTERFACE={name}\n")
        (net / name / "carrier").write_text("1\n")
    (net / "none1/device").mkdir()
    (net / "none0/device").mkdir()
    (net / "none0/wireless").mkdir()
    (net / "none1/carrier").write_text("1\n")
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / "proc/net/if_inet6").write_text(
        "20010db8000000000000000000000017 02 40 00 80    none1\n"
        "fe800000000000000000000000000017 02 40 20 80    none1\n"
        "20010db8000000000000000000000018 03 40 00 80  none1.5\n"
        "20010db8000000000000000000000019 04 40 00 80  podman0\n"
        "garbage\nzz 02 40 00 80 none1\n"
    )
    assert read_interfaces(tmp_path) == (
        Interface("none0", wireless=True, connected=False, addresses=()),
        Interface("none1", wireless=False, connected=True, addresses=("2001:db8::17",)),
        Interface("none1.5", wireless=False, connected=True, addresses=("2001:db8::18",)),
    )
    assert read_interfaces(tmp_path / "none") == ()
