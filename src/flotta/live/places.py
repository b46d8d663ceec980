"""Where the live system reads and writes, below a root that tests choose."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Places:
    """Files and directories of the live system (docs/reference/images.md)."""

    root: Path = Path("/")

    @property
    def run(self) -> Path:
        """Directory of what one boot knows."""
        return self.root / "run/flotta-live"

    @property
    def payload(self) -> Path:
        """Payload as the initramfs found it: `manifest.json` and `root/`."""
        return self.run / "payload"

    @property
    def report(self) -> Path:
        """Result of the preparation, for the console."""
        return self.run / "boot.json"

    @property
    def joining(self) -> Path:
        """What the gateway says about joining."""
        return self.root / "run/flotta/joining.json"

    @property
    def state(self) -> Path:
        """Mount point of the state."""
        return self.root / "state"

    @property
    def device_id(self) -> Path:
        """Device id that the state keeps."""
        return self.state / "device-id"

    @property
    def hardware_id(self) -> Path:
        """What names the machine that the state was made on."""
        return self.state / "hardware-id"

    @property
    def configuration(self) -> Path:
        """Configuration file of the gateway."""
        return self.root / "etc/yggdrasil/config.toml"

    @property
    def registration(self) -> tuple[Path, Path]:
        """Certificate and key with which the device joins."""
        folder = self.root / "etc/pki/consumer"
        return folder / "cert.pem", folder / "key.pem"
