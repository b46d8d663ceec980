"""Boot configurations of installers, with another initrd and argument."""

from __future__ import annotations

import pytest

from flotta.images.iso.architecture import kernel_architecture
from flotta.images.iso.boot_configuration import edit_grub, edit_isolinux
from small_iso import KERNELS

GRUB = """set timeout=5
menuentry 'Install' {
    set background_color=black
    linux    /linux vga=788 --- quiet
    initrd   /initrd.gz
}
submenu 'Advanced' {
\tlinuxefi /linux priority=low
\tinitrdefi /initrd.gz
}
"""
EDITED_GRUB = """set timeout=5
menuentry 'Install' {
    set background_color=black
    linux    /linux vga=788 auto=true --- quiet
    initrd   /initrd.gz /flotta/a.img /flotta/b.img
}
submenu 'Advanced' {
\tlinuxefi /linux priority=low auto=true
\tinitrdefi /initrd.gz /flotta/a.img /flotta/b.img
}
"""
ISOLINUX = """label install
\tmenu label ^Install
\tkernel linux
\tappend vga=788 initrd=initrd.gz --- quiet
label hdt
\tappend none
"""
EDITED_ISOLINUX = """label install
\tmenu label ^Install
\tkernel linux
\tappend vga=788 initrd=initrd.gz,/flotta/a.img,/flotta/b.img auto=true --- quiet
label hdt
\tappend none
"""
INITRDS = ["/flotta/a.img", "/flotta/b.img"]


def test_grub_gets_initrds_after_its_own_and_arguments_before_the_separator() -> None:
    edited = edit_grub(GRUB, INITRDS, ["auto=true"])
    assert edited == EDITED_GRUB
    assert edit_grub(edited, INITRDS, ["auto=true"]) == edited


def test_isolinux_gets_the_same_in_its_own_form() -> None:
    edited = edit_isolinux(ISOLINUX, INITRDS, ["auto=true"])
    assert edited == EDITED_ISOLINUX
    assert edit_isolinux(edited, INITRDS, ["auto=true"]) == edited


def test_line_ends_and_everything_else_stay() -> None:
    assert edit_grub("initrd /a\r\n# linux\n", ["/b"]) == "initrd /a /b\r\n# linux\n"
    assert edit_grub(GRUB, [], []) == GRUB


@pytest.mark.parametrize(
    ("head", "architecture"),
    [
        (KERNELS["amd64"], "amd64"),
        (KERNELS["arm64"], "arm64"),
        (b"", None),
        (b"\x7fELF" * 300, None),
        (KERNELS["amd64"][:0x200], None),
    ],
)
def test_a_kernel_says_for_which_processor_it_is(head: bytes, architecture: str | None) -> None:
    assert kernel_architecture(head) == architecture
