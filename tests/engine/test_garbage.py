"""Whatever stands in a file or comes from a socket: read, or refused in words; no traceback, no hang, little memory."""

import contextlib
import json
import resource
import struct
import time
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from netspec.engine.applied import AppliedRecord
from netspec.engine.directories import private_directory
from netspec.engine.journal import Journal, entry_of
from netspec.engine.leases import LeaseRecord
from netspec.engine.lock import exclusive
from netspec.errors import NetspecError, Refused
from netspec.kernel import conntrack, rtnetlink_routing_rows, rtnetlink_rows, traffic
from netspec.kernel.fake import FakeKernel
from netspec.kernel.ledger import Ledger
from netspec.kernel.netlink import Channel, DumpUnsteady, NoAnswer, decoding
from netspec.spec import lockfile
from tests.engine.sites import Site
from tests.specs import BASE, loaded

CORPUS = Path(__file__).parents[1] / "corpus"
FILES = sorted(path for path in CORPUS.rglob("*") if path.is_file() and path.name != "README.md")
SECONDS = 5
MEMORY = 64 * 1024 * 1024
searching = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """What happens inside takes neither long nor much."""
    begun = time.process_time()
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MEMORY
    assert time.process_time() - begun < SECONDS


def read_journal(directory: Path, content: bytes) -> None:
    """As every command does first."""
    (directory / "journal.json").write_bytes(content)
    with contextlib.suppress(Refused):
        entry = Journal(directory).read()
        assert entry is not None
        Site(FakeKernel(), directory).reconciler()


def read_leases(directory: Path, content: bytes) -> None:
    """As every plan does."""
    (directory / "leases-default.json").write_bytes(content)
    found = LeaseRecord(directory, "default").read()
    assert not (found.held and found.warnings)


def read_applied(directory: Path, content: bytes) -> None:
    """Likewise."""
    (directory / "applied-default.json").write_bytes(content)
    found = AppliedRecord(directory, "default").read()
    assert all(isinstance(each, str) for each in (*found.digests.values(), *found.files))


def read_ledger(directory: Path, content: bytes) -> None:
    """Likewise."""
    ledger = private_directory(directory / "attached")
    (ledger / "web").write_bytes(content)
    assert Ledger(str(ledger)).read().keys() <= {"web"}


def read_lockfile(directory: Path, content: bytes) -> None:
    """The record of addresses beside a spec."""
    (directory / "netspec.lock").write_bytes(content)
    with contextlib.suppress(NetspecError):
        lockfile.read(directory / "netspec.lock")


def read_holder(directory: Path, content: bytes) -> None:
    """The file of the host's lock, whatever stands in it."""
    (directory / "lock").write_bytes(content)
    with exclusive(directory, 0):
        with pytest.raises(Refused) as caught:
            exclusive(directory, 0).__enter__()
        assert caught.value.message.isprintable()


def read_spec(_directory: Path, content: bytes) -> None:
    """A spec, which need not be text."""
    with contextlib.suppress(NetspecError):
        loaded(content.decode(errors="replace"))


READERS: dict[str, Callable[[Path, bytes], None]] = {
    "journal": read_journal,
    "leases": read_leases,
    "applied": read_applied,
    "ledger": read_ledger,
    "lockfile": read_lockfile,
    "lock": read_holder,
    "spec": read_spec,
}


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of ours, on a disk that nobody waits for."""
    monkeypatch.setattr("os.fsync", lambda _descriptor: None)
    return private_directory(tmp_path / "private")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CORPUS)))
def test_the_corpus(private: Path, path: Path, reader: str) -> None:
    """Every file is given to every reader, not only to its own."""
    with bounded():
        READERS[reader](private, path.read_bytes())


def good(directory: Path) -> dict[str, bytes]:
    """What the readers read on a good day."""
    site = Site(FakeKernel(), directory)
    site.apply(BASE)
    changed = site.propose(BASE.replace("10.1.0.", "10.7.0."))
    site.reconciler().journal.open(entry_of("default", changed.plan, changed.observed))
    leases = (directory / "state" / "leases-default.json").read_bytes()
    applied = (directory / "state" / "applied-default.json").read_bytes()
    ledger = json.dumps({"alias": "netspec:default:endpoint/web", "path": "/proc/1/ns/net", "inode": 1, "started": 2})
    lock = {"netspec-lock": 1, "stacks": {"default": {"addresses": {"web": {"eth0": ["10.1.0.10"]}}}}}
    return {
        "journal": site.reconciler().journal.path.read_bytes(),
        "leases": leases,
        "applied": applied,
        "ledger": ledger.encode(),
        "lockfile": json.dumps(lock).encode(),
        "lock": b"4711 netspec apply --yes\n",
        "spec": BASE.encode(),
    }


Slip = tuple[int, int, bytes]
slips = st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 40), st.binary(max_size=6)), min_size=1, max_size=4)
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6), st.just([]), st.just({}), st.just("a;b")
)


@searching
@given(slips, st.sampled_from(sorted(READERS)), st.data())
def test_files_with_slips(
    private: Path, changes: list[tuple[int, int, bytes]], reader: str, data: st.DataObject
) -> None:
    """A few bytes lost, doubled or put in; and as JSON, another value in any place."""
    content = GOOD.setdefault("all", good(private))[reader]
    if data.draw(st.booleans(), "as JSON") and reader not in ("lock", "spec"):
        document = json.loads(content)
        _replace(document, data)
        content = json.dumps(document).encode()
    else:
        for at, length, inserted in changes:
            start = at % (len(content) + 1)
            content = content[:start] + inserted + content[start + length :]
    with bounded():
        READERS[reader](private, content)


GOOD: dict[str, dict[str, bytes]] = {}


def _replace(document: Any, data: st.DataObject) -> None:  # noqa: ANN401  whatever JSON holds
    """Another value in one place, however deep."""
    here = document
    while True:
        places = sorted(here) if isinstance(here, dict) else list(range(len(here)))
        if not places:
            return
        place = data.draw(st.sampled_from(places))
        inner = here[place]
        if isinstance(inner, dict | list) and inner and data.draw(st.integers(0, 3)):
            here = inner
            continue
        here[place] = data.draw(leaves)
        return


@searching
@given(st.binary(max_size=200), st.sampled_from(sorted(READERS)))
@example(b"", "journal")
@example(b"\xff\xfe", "spec")
@example(b"[" * 100_000, "journal")
@example(b"1" * 5000, "leases")
def test_files_of_anything(private: Path, content: bytes, reader: str) -> None:
    """Bytes of no form at all."""
    with bounded():
        READERS[reader](private, content)


NAMES = {1: "lo", 2: "eth0"}
DECODERS: dict[str, Callable[[bytes], object]] = {
    "link": lambda body: list(rtnetlink_rows.resolved([rtnetlink_rows.link("", body)], {})),
    "address": partial(rtnetlink_rows.address, "", NAMES),
    "route": partial(rtnetlink_routing_rows.route, "", NAMES),
    "rule": partial(rtnetlink_routing_rows.rule, ""),
    "neighbor": partial(rtnetlink_routing_rows.neighbor, "", NAMES),
    "qdisc": lambda body: traffic.qdiscs([body], NAMES),
    "redirect": lambda body: traffic.redirects([body], "eth0", NAMES),
    "flow": lambda body: conntrack._flow(0x100, body),
}


def attribute(number: int, payload: bytes) -> bytes:
    """One attribute, which may lie about its length."""
    return struct.pack("=HH", 4 + len(payload), number) + payload + b"\0" * (-len(payload) % 4)


inner = st.lists(st.builds(attribute, st.integers(0, 60), st.binary(max_size=20)), max_size=4).map(b"".join)
bodies = st.one_of(
    st.binary(max_size=120),
    st.builds(
        lambda family, index, rest: struct.pack("=BBHiII", family, 0, 1, index, 1, 0) + b"".join(rest),
        st.sampled_from([0, 2, 10]),
        st.sampled_from([1, 2, 77]),
        st.lists(st.builds(attribute, st.integers(0, 64), inner | st.binary(max_size=20)), max_size=8),
    ),
)


@settings(searching, max_examples=400)
@given(bodies, st.sampled_from(sorted(DECODERS)))
def test_messages_of_anything(body: bytes, decoder: str) -> None:
    """A body of a message of the kernel's is a row, or an error of reading."""
    with contextlib.suppress(OSError), decoding():
        DECODERS[decoder](body)


class _Said:
    """A socket that says what it is given, and then nothing more."""

    def __init__(self, datagrams: list[bytes]) -> None:
        self._datagrams = list(datagrams)

    def send(self, data: bytes) -> int:
        """Taken."""
        return len(data)

    def recv_into(self, buffer: memoryview, _size: int, _flags: int) -> int:
        """The next datagram; at its end, nothing but silence."""
        if not self._datagrams:
            raise TimeoutError
        data = self._datagrams.pop(0)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Nothing to close."""


headers = st.builds(
    lambda length, kind, flags, sequence, body: (
        struct.pack("=IHHII", length or 16 + len(body), kind, flags, sequence, 0) + body
    ),
    st.sampled_from([0, 0, 0, 1, 15, 16, 1 << 31]),
    st.sampled_from([2, 3, 16, 20]),
    st.sampled_from([0, 2, 0x10, 0x100, 0x200, 0x300]),
    st.sampled_from([0, 1, 1, 1, 2]),
    st.binary(max_size=60),
)
datagrams = st.lists(st.lists(headers, max_size=3).map(b"".join) | st.binary(max_size=40), max_size=4)


def exchanged(said: list[bytes]) -> None:
    """A dump and a request, to which this is said."""
    from netspec.kernel import rtnetlink as rt

    asking: tuple[Callable[[Channel], object], ...] = (
        lambda each: each.dump(rt.GETLINK, b""),
        lambda each: each.request([rt.Message(16, 0, b"")]),
    )
    for ask in asking:
        channel = Channel.__new__(Channel)
        channel._deadline, channel._sequence = 0.2, 0
        channel._socket = _Said(said)  # type: ignore[assignment]  # it has all that is used
        with contextlib.suppress(OSError, NoAnswer, DumpUnsteady):
            ask(channel)


@settings(searching, max_examples=400)
@given(datagrams)
def test_datagrams_of_anything(said: list[bytes]) -> None:
    """An answer, an error of reading, or none: within the deadline."""
    with bounded():
        exchanged(said)


@pytest.mark.parametrize("path", sorted((CORPUS / "netlink").iterdir()), ids=lambda path: path.name)
def test_the_corpus_of_datagrams(path: Path) -> None:
    """Each by itself, and as the body of a message of every sort."""
    data = bytes.fromhex(path.read_text(encoding="ascii"))
    exchanged([data])
    for decoder in DECODERS.values():
        for body in (data, data[16:]):
            with contextlib.suppress(OSError), decoding():
                decoder(body)


def test_a_journal_of_another_stack_is_no_way_into_nftables(private: Path) -> None:
    """A stack's name becomes a part of what is said to the library: it is checked like that of a spec."""
    text = json.dumps({"format": 1, "stack": "x; flush ruleset", "before": [], "made": []})
    (private / "journal.json").write_text(text, encoding="utf-8")

    with pytest.raises(Refused) as caught:
        Journal(private).read()
    assert ["there is no stack of that name" in each.message for each in caught.value.diagnostics] == [True]


def test_an_object_at_anothers_key_is_refused(private: Path) -> None:
    """Or restoring would make one and look for the other."""
    document = json.loads(good(private)["journal"])
    document["before"][0][2] = "another"
    (private / "journal.json").write_text(json.dumps(document), encoding="utf-8")

    with pytest.raises(Refused) as caught:
        Journal(private).read()
    assert ["is not the key of what stands there" in each.message for each in caught.value.diagnostics] == [True]


def test_the_limit_of_memory_is_one() -> None:
    """What `bounded` measures is what Python takes."""
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 0
    with pytest.raises(AssertionError), bounded():
        assert bytearray(MEMORY + 1)
