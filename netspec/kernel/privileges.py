"""What this process may do (capabilities(7))."""

from pathlib import Path

from netspec.errors import PrivilegeMissing

_NUMBERS = {
    "CAP_DAC_OVERRIDE": 1,
    "CAP_NET_BIND_SERVICE": 10,
    "CAP_NET_ADMIN": 12,
    "CAP_NET_RAW": 13,
    "CAP_SYS_ADMIN": 21,
}
"""`linux/capability.h`."""
CHANGING = ("CAP_NET_ADMIN", "CAP_SYS_ADMIN", "CAP_NET_RAW")
"""What all that changes a host needs."""


def lacking(*names: str) -> list[str]:
    """Those capabilities of `names` that this process lacks."""
    effective = _effective()
    return [name for name in names if not effective >> _NUMBERS[name] & 1]


def require(*names: str) -> None:
    """Raise PrivilegeMissing that names every capability of `names` this process lacks."""
    missing = lacking(*names)
    if missing:
        raise PrivilegeMissing(
            f"this needs {' and '.join(missing)}: run it as root, or try the spec without root in `netspec sandbox`."
        )


def _effective() -> int:
    """The effective capabilities as a bit set (`CapEff` of proc(5))."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0
