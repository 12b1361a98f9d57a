"""A real Docker engine on the host of a lab: started there, with its containers, and gone with them."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.packets.lab import Lab

NEEDED = ("dockerd", "docker", "containerd", "runc", "docker-proxy", "iptables", "busybox")
SOCKET = "/run/engine/docker.sock"

OUTER = r"""
mkdir -p /run/engine/cgroup
mount -t cgroup2 none /run/engine/cgroup
own=/run/engine/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
group=$own/netspec-tests-$$
mkdir "$group"
echo $$ >"$group/cgroup.procs"
unshare -m -p -i -C -f --kill-child --propagation unchanged sh -ec "$INNER" &
until [ -s /run/engine/keeper ]; do cat /proc/$!/task/$!/children >/run/engine/keeper; done
wait $! || true
echo $$ >"$own/cgroup.procs"
# What was killed takes a moment to leave its group.
for i in $(seq 1000); do
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null && break
    sleep 0.05
done
"""
"""A control group of the engine's own, and namespaces with which all its processes go."""

INNER = r"""
export DOCKER_HOST=unix:///run/engine/docker.sock
mount -t proc proc /proc
mount -t cgroup2 none /sys/fs/cgroup
dockerd --data-root /run/engine/data --exec-root /run/engine/exec -p /run/engine/pid -H unix:///run/engine/docker.sock \
    --storage-driver vfs --experimental --ip6tables >/run/engine/log 2>&1 &
for i in $(seq 2400); do docker version >/dev/null 2>&1 && break; sleep 0.05; done
mkdir -p /run/engine/image/bin
cp "$(command -v busybox)" /run/engine/image/bin/sleep
tar -C /run/engine/image -c . | docker import - netspec-tests >/dev/null
touch /run/engine/ready
while [ ! -e /run/engine/end ]; do sleep 0.05; done
"""
"""The engine and an image that can sleep; until somebody says that it is enough."""


def why_not() -> str:
    """Empty, or why no engine can be started here."""
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing:
        return f"no Docker engine is installed (docker.io, busybox-static): {', '.join(missing)}"
    # Of a user namespace, with one user in it, an image cannot be unpacked.
    everybody = Path("/proc/self/uid_map").read_text(encoding="ascii").split()[-1]
    return "" if os.geteuid() == 0 and int(everybody) > 1 else "a Docker engine needs root"


@contextlib.contextmanager
def engine(lab: Lab) -> Iterator[None]:
    """An engine in the lab. `ip netns` must have been used there before: containers get a name by `docker`."""
    lab.command("mkdir -p /run/engine && mount -t tmpfs none /run/engine")
    running = lab.begin(_run)
    try:
        lab.command(
            "for i in $(seq 999); do [ -e /run/engine/ready ] && exit; sleep 0.1; done; cat /run/engine/log >&2; exit 1"
        )
        yield
    finally:
        lab.command("touch /run/engine/end")
        running()


def docker(lab: Lab, arguments: str) -> str:
    """What the engine's own command prints; AssertionError with its words where it fails."""
    return lab.command(f"DOCKER_HOST=unix://{SOCKET} docker {arguments} 2>&1").strip()


def start(lab: Lab, name: str, options: str) -> None:
    """A container that sleeps, its network namespace under its name in `/run/netns`."""
    docker(lab, f"run --detach --name {name} {options} netspec-tests sleep 1000")
    name_namespace(lab, name)


def name_namespace(lab: Lab, name: str) -> None:
    """Let the namespace of a container have its name; in the place of the one that it had before a restart."""
    inside = docker(lab, f"inspect --format '{{{{.State.Pid}}}}' {name}")
    name = f"/run/netns/{name}"
    forget = f"umount {name} 2>/dev/null || :"
    beside(lab, f"{forget}; touch {name}; mount --bind /proc/{inside}/ns/net {name}")


def beside(lab: Lab, script: str) -> str:
    """What a script prints that sees the processes of containers by the numbers that the engine knows."""
    return lab.command(f"nsenter -m -p -t $(cat /run/engine/keeper) sh -ec '{script}'")


def _run() -> None:
    subprocess.run(["sh", "-ec", OUTER], env={**os.environ, "INNER": INNER}, check=True)
