"""Why a system forbids a sandbox: the errno alone says too little, the settings around it say the rest."""

import errno
import os
from pathlib import Path

_FORBIDDING = (
    ("kernel/unprivileged_userns_clone", "0", "1", "ordinary users may not make user namespaces"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0", "AppArmor takes the rights away again that one gives"),
)
"""Distributions' own switches: file below /proc/sys, value that forbids, value that allows, what it does."""

_LIMITS = ("user", "mnt", "net", "pid")
_SECCOMP_FILTER = "2"


def reason(number: int, step: str, proc: Path = Path("/proc")) -> str:
    """Sentences for people: what was refused with errno `number`, what forbids it, and how to allow it."""
    said = f"{os.strerror(number)} ({errno.errorcode.get(number, number)})"
    causes = _switches(proc) + _limits(number, proc) or [_otherwise(number, proc)]
    root = "Root (CAP_SYS_ADMIN with CAP_NET_ADMIN) needs no user namespace."
    return " ".join([f"A sandbox cannot be made here: {step} was refused: {said}.", *causes, root])


def _switches(proc: Path) -> list[str]:
    """One sentence for each switch that stands on "no"."""
    found = []
    for name, forbids, allows, effect in _FORBIDDING:
        if _read(proc / "sys" / name) == forbids:
            setting = name.replace("/", ".")
            found.append(f"{setting} is {forbids}: {effect}. Allow it with `sysctl -w {setting}={allows}`.")
    return found


def _limits(number: int, proc: Path) -> list[str]:
    """One sentence for each limit on namespaces that is zero, or for all of them where one is used up."""
    values = {f"user.max_{name}_namespaces": _read(proc / f"sys/user/max_{name}_namespaces") for name in _LIMITS}
    zero = [f"{name} is 0. Allow it with `sysctl -w {name}=10000`." for name, value in values.items() if value == "0"]
    if zero or number not in (errno.ENOSPC, errno.EUSERS):
        return zero
    known = ", ".join(f"{setting} = {value}" for setting, value in values.items() if value)
    return [f"A limit on namespaces is used up, or they are nested more than 32 deep: {known}."]


def _otherwise(number: int, proc: Path) -> str:
    """What is left when no setting explains it."""
    if not (proc / "self/ns/user").exists():
        return "This kernel is built without user namespaces (CONFIG_USER_NS)."
    if number not in (errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOSYS):
        return "No setting that is known to forbid it does so."
    if _seccomp(proc) == _SECCOMP_FILTER:
        return (
            "A seccomp filter is active, as container engines set one: allow unshare and mount in it, "
            "or start the container privileged."
        )
    return "No sysctl forbids it: this process may be in a chroot, or in a container that hides parts of /proc or /sys."


def _seccomp(proc: Path) -> str:
    """The seccomp mode of this process: 0, 1 or 2; empty where it is not told."""
    lines = _read(proc / "self/status").splitlines()
    return next((line.split()[1] for line in lines if line.startswith("Seccomp:")), "")


def _read(path: Path) -> str:
    """The content without its newline; empty where there is none to be had."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
