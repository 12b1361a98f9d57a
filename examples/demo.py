"""The main job in a throw-away network: plan, apply, real connections, an empty plan, a repair, destroy.

Run by `make demo`. Needs no root where user namespaces are allowed. Ends with 0 only if all of it happened.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from netspec.errors import NetspecError
from netspec.kernel.sandbox import run as run_in_sandbox

SPEC = Path("examples/docker0")
NETSPEC = (sys.executable, "-m", "netspec", "--color", "always" if sys.stdout.isatty() else "never")
PORT = 6379
HOST, REMOTE = "203.0.113.1", "203.0.113.9"

SERVER = f"""
import socket
server = socket.create_server(("", {PORT}))
print("ready", flush=True)
while True:
    client, address = server.accept()
    client.sendall(f"+PONG {{address[0]}}".encode())
    client.close()
"""
CLIENT = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[3])) as server:
    print(server.recv(100).decode())
"""


class Failed(Exception):
    """Something that the demonstration promises did not happen."""


def main() -> int:
    """Everything, in a sandbox; the exit code."""
    begun = time.monotonic()
    os.chdir(Path(__file__).parent.parent)
    try:
        code = run_in_sandbox(demonstrate)
    except NetspecError as error:
        print(f"demo: {error.message}", file=sys.stderr)
        return error.exit_code
    if code == 0:
        print(f"\nAll of it really happened, in {time.monotonic() - begun:.1f} s.")
        print("This machine's own network was not touched.")
    return code


def demonstrate() -> int:
    """The demonstration; runs inside the sandbox."""
    try:
        build_surroundings()
        before = settled()
        create()
        with server():
            connect()
            look()
            repair()
        remove(before)
    except Failed as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1
    return 0


def title(text: str) -> None:
    """Announce the next scene."""
    print(f"\n\x1b[1m# {text}\x1b[0m" if sys.stdout.isatty() else f"\n# {text}", flush=True)


def shell(command: str) -> str:
    """Run a command that must succeed; what it printed."""
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602  fixed texts
    if done.returncode:
        raise Failed(f"`{command}` ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def netspec(*words: str, expect: int = 0) -> str:
    """Run netspec as a person would, showing command and output."""
    shown = " ".join(words)
    print(f"$ netspec {shown}", flush=True)
    done = subprocess.run([*NETSPEC, *words], stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout, end="", flush=True)
    if done.returncode != expect:
        raise Failed(f"netspec {shown} ended with {done.returncode}, not {expect}")
    return done.stdout


def build_surroundings() -> None:
    """A machine on the network of this sandboxed host: 203.0.113.9, one hop away."""
    shell("ip netns add remote && ip link add uplink type veth peer name eth0 netns remote")
    # Without IPv6: its addresses settle for a second, and would differ before and after by that alone.
    shell(f"ip link set uplink addrgenmode none up && ip addr add {HOST}/24 dev uplink")
    shell("ip -n remote link set eth0 addrgenmode none up && ip -n remote link set lo up")
    shell(f"ip -n remote addr add {REMOTE}/24 dev eth0")


def settled() -> str:
    """Everything, once it has stopped changing: a moment after it is up, the kernel sees that a link has a carrier."""
    end = time.monotonic() + 20
    seen = ""
    while seen != (now := everything()) or '"operstate": "LOWERLAYERDOWN"' in now:
        if time.monotonic() > end:
            raise Failed("the surroundings do not come to rest")
        seen = now
        time.sleep(0.2)
    return seen


def create() -> None:
    """Show the plan, then do it."""
    title("What would change? plan reads the kernel and changes nothing.")
    netspec("plan", str(SPEC))
    title("Do it: applied as a whole, verified by looking again.")
    netspec("apply", "--yes", str(SPEC))


class server:  # noqa: N801  reads as a verb in `with`
    """A TCP server in the endpoint that tells each client which address it saw."""

    def __enter__(self) -> None:
        command = ["ip", "netns", "exec", "redis", sys.executable, "-c", SERVER]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        if self._process.stdout is None or self._process.stdout.readline().strip() != "ready":
            raise Failed("the server in endpoint redis did not start")

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def ask(netns: str, address: str, seconds: float = 20) -> str:
    """What the server answers to a client in a namespace (empty: this host)."""
    inside = ["ip", "netns", "exec", netns] if netns else []
    command = [*inside, sys.executable, "-c", CLIENT, address, str(PORT), str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr.strip().rpartition("\n")[2]


def connect() -> None:
    """Really connect to the published port, from everywhere."""
    title(f"Connect to the published port {PORT}; the server tells whom it sees.")
    cases = [
        ("a remote machine", "remote", HOST, REMOTE),
        ("this host", "", HOST, None),
        ("this host's loopback", "", "127.0.0.1", None),
        ("another endpoint", "client", HOST, None),
        ("the endpoint itself", "redis", HOST, None),
    ]
    for who, netns, address, source in cases:
        answer = ask(netns, address)
        print(f"  {who:<22} -> {address}:{PORT:<6} {answer}", flush=True)
        if not answer.startswith("+PONG") or (source and answer != f"+PONG {source}"):
            raise Failed(f"{who} was not served as it should be: {answer}")
    shell(f"ip -n remote route add 172.17.0.0/16 via {HOST}")
    answer = ask("remote", "172.17.0.2", seconds=2)
    print(f"  {'a remote machine':<22} -> 172.17.0.2:{PORT}  {answer}")
    print("  That was by a route it made itself: closed, as it should be.")
    if answer.startswith("+PONG"):
        raise Failed("the endpoint's own address can be reached from outside")


def look() -> None:
    """Show the topology; plan again."""
    title("What is there now?")
    netspec("show")
    title("Plan again: there is nothing to do.")
    if "No changes." not in netspec("plan", "--detailed-exitcode", str(SPEC)):
        raise Failed("the second plan is not empty")


def repair() -> None:
    """Break something by hand; see it, and have it mended."""
    title("Somebody breaks it: ip -n redis addr del 172.17.0.2/16 dev eth0; ip link set docker0 mtu 1400")
    shell("ip -n redis addr del 172.17.0.2/16 dev eth0 && ip link set docker0 mtu 1400")
    netspec("plan", "--detailed-exitcode", str(SPEC), expect=2)
    netspec("apply", "--yes", "--quiet", str(SPEC))
    answer = ask("remote", HOST)
    print(f"  {'a remote machine':<22} -> {HOST}:{PORT}  {answer}")
    if answer != f"+PONG {REMOTE}":
        raise Failed(f"after the repair: {answer}")


def remove(before: str) -> None:
    """Destroy, and prove that nothing is left."""
    title("Take it away again.")
    netspec("destroy", "--yes")
    after = everything()
    if after != before:
        raise Failed(f"something is left:\nbefore: {before}\nafter:  {after}")
    print("Links, addresses, routes, rules, nftables, sysctls and namespaces equal what they were before.")


def everything() -> str:
    """All that an apply could change, in one comparable text."""
    import nftables  # noqa: PLC0415  the binding that netspec itself uses

    tables = nftables.Nftables()
    tables.set_stateless_output(True)
    links = [
        {name: value for name, value in link.items() if not name.startswith("stats")}
        for link in json.loads(shell("ip -j -d link"))
    ]
    parts = [
        json.dumps(links),
        shell("ip -j addr | sed 's/\"valid_life_time\":[0-9]*//g'"),
        shell("ip -j route show table all"),
    ]
    parts += [
        shell("ip -6 -j route show table all"),
        shell("ip -j rule"),
        shell("ip netns list"),
        tables.cmd("list ruleset")[1],
    ]
    parts += [Path("/proc/sys/net/ipv4/ip_forward").read_text()]
    return "\n".join(parts)


if __name__ == "__main__":
    sys.exit(main())
