"""Which boot of which machine this is."""

from pathlib import Path

from netspec.errors import NetspecError

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """The kernel's own random name for the time since it was started. Raises NetspecError."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError as error:
        raise NetspecError(f"{_BOOT_ID} cannot be read: {error.strerror}.") from None
