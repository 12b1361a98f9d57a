"""Which interface gets which address: fixed ones first, then what is remembered, then the lowest free one."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from netspec.kernel.operations import Address
from netspec.kinds._contract import Finding, Place
from netspec.kinds._intent import Held, Lock, Pool, Present

LOCK_FILE = "netspec.lock"
"""The name of the file that fixes automatic addresses; it lies beside the spec."""
MOST_HOLDERS = 8
"""How many holders of a pool's addresses are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """One address wanted by an interface from a pool; `static` None means automatic."""

    owner: str
    endpoint: str
    netns: str
    interface: str
    pool: Pool
    static: Address | None
    path: Place


@dataclass(frozen=True, slots=True)
class Memory:
    """One source that remembers what interfaces had: the lock file, the kernel, the lease record."""

    addresses: Mapping[tuple[str, str], tuple[Address, ...]]
    by_endpoint: bool = False
    """Interfaces are named by endpoint, not by namespace."""

    def of(self, want: Want) -> tuple[Address, ...]:
        """What it knows of the interface of a want, in the want's subnet."""
        return tuple(each for each in self.all_of(want) if each.version == want.pool.version and each in want.pool.cidr)

    def all_of(self, want: Want) -> tuple[Address, ...]:
        """What it knows of the interface of a want, in whatever subnet."""
        return self.addresses.get((want.endpoint if self.by_endpoint else want.netns, want.interface), ())


@dataclass(slots=True)
class Assignment:
    """The outcome: an address for each want, by position; None where the pool had none left.

    `findings` forbid going on; `remarks` say which automatic addresses move, and why.
    """

    addresses: list[Address | None]
    findings: list[Finding] = field(default_factory=list)
    remarks: list[Finding] = field(default_factory=list)


Taken = dict[tuple[str, Address], Want]


def assign(wants: Iterable[Want], present: Present, lock: Lock) -> Assignment:
    """Decide all addresses. What comes or goes moves no other, unless a fixed or locked address takes its place."""
    wanted = tuple(wants)
    outcome = Assignment([want.static for want in wanted])
    taken = _statics(wanted, outcome)
    automatic = [number for number, want in enumerate(wanted) if want.static is None]
    if not automatic:
        return outcome
    locked = Memory(lock.addresses, by_endpoint=True)
    lived = (Memory(_plain(present.held)), Memory(_plain(present.leases)))
    _keep(wanted, automatic, locked, taken, outcome)
    if lock.strict:
        outcome.findings.extend(_unlocked(wanted, automatic, locked, taken, outcome))
    for memory in lived:
        _keep(wanted, automatic, memory, taken, outcome)
    still = [number for number in automatic if outcome.addresses[number] is None]
    _fill(wanted, still, taken, outcome, frozenset(each for known in lock.addresses.values() for each in known))
    outcome.remarks.extend(_moves(wanted, automatic, (locked, *lived), taken, outcome))
    return outcome


def _plain(held: Held) -> dict[tuple[str, str], tuple[Address, ...]]:
    return {interface: tuple(each.ip for each in addresses) for interface, addresses in held.items()}


def _statics(wanted: Sequence[Want], outcome: Assignment) -> Taken:
    taken: Taken = {}
    for want in wanted:
        if want.static is None:
            continue
        other = taken.setdefault((want.pool.name, want.static), want)
        if other is not want:
            outcome.findings.append(_twice(want, other))
    return taken


def _twice(want: Want, other: Want) -> Finding:
    if want.owner == other.owner and want.interface == other.interface:
        message, hint = f"{want.static} stands twice", "leave one of them away"
    else:
        whom = "two endpoints" if want.owner != other.owner else "two interfaces"
        message = f"{want.static} is the address of {whom}"
        hint = "give each its own, or leave the address away for an automatic one"
    label, related = f"here for {want.owner}", ((other.path, f"and here for {other.owner}"),)
    return Finding("NS0204", message, want.path, hint=hint, label=label, related=related)


def _keep(wanted: Sequence[Want], automatic: Sequence[int], memory: Memory, taken: Taken, outcome: Assignment) -> None:
    """Give those that have none yet what they are remembered with, where it is free."""
    for number in automatic:
        want = wanted[number]
        if outcome.addresses[number] is not None:
            continue
        for address in memory.of(want):
            if not want.pool.withheld(address) and (want.pool.name, address) not in taken:
                taken[want.pool.name, address] = want
                outcome.addresses[number] = address
                break


def _fill(
    wanted: Sequence[Want], still: Sequence[int], taken: Taken, outcome: Assignment, spared: frozenset[Address]
) -> None:
    """Give out the lowest free ones; `spared` last of all: an endpoint that is in the lock file may come back."""
    free = {want.pool.name: _free(want.pool, spared) for want in (wanted[number] for number in still)}
    full: dict[str, str] = {}
    for number in still:
        want = wanted[number]
        address = next((each for each in free[want.pool.name] if (want.pool.name, each) not in taken), None)
        if address is None:
            if want.pool.name not in full:
                full[want.pool.name] = _holders(want.pool, taken)
            outcome.findings.append(_exhausted(want, full[want.pool.name]))
            continue
        taken[want.pool.name, address] = want
        outcome.addresses[number] = address


def _free(pool: Pool, spared: frozenset[Address]) -> Iterator[Address]:
    yield from (each for each in pool.automatic() if each not in spared)
    yield from (each for each in pool.automatic() if each in spared)


def _exhausted(want: Want, hint: str) -> Finding:
    pool, number = want.pool, want.pool.size
    where = str(pool.cidr) if _is_whole(pool) else f"the range {pool.first}-{pool.last} of {pool.cidr}"
    there = "there is one" if number == 1 else f"there are {number}" if number else "there is none to hand out"
    return Finding("NS0205", f"no free address is left in {where} for {want.owner}: {there}", want.path, hint=hint)


def _holders(pool: Pool, taken: Taken) -> str:
    """Who has the addresses of a pool that has no more, and the way out."""
    held = {address: want for (name, address), want in taken.items() if name == pool.name}
    holders = [f"{held[each].owner} has {each}" for each in sorted(held, key=int) if not pool.withheld(each)]
    shown = ", ".join(holders[:MOST_HOLDERS])
    shown += f" and {len(holders) - MOST_HOLDERS} more are taken" if len(holders) > MOST_HOLDERS else ""
    return f"{shown}; widen the subnet or its range" if holders else "widen the subnet or its range"


def _is_whole(pool: Pool) -> bool:
    return (pool.first, pool.last) == (pool.cidr[0], pool.cidr[-1])


def _unlocked(
    wanted: Sequence[Want], automatic: Sequence[int], locked: Memory, taken: Taken, outcome: Assignment
) -> Iterable[Finding]:
    """The automatic addresses that the lock file does not decide."""
    for number in automatic:
        want = wanted[number]
        if outcome.addresses[number] is not None:
            continue
        known = locked.of(want)
        message = f"{LOCK_FILE} has no address of {want.owner} in {want.pool.cidr}"
        if known:
            message = f"{LOCK_FILE} cannot be followed for {want.owner}: {_why(known[0], want, taken)}"
        hint = "write it anew with netspec lock, and read what has changed"
        yield Finding("NS0251", message, want.path, hint=hint)


def _moves(
    wanted: Sequence[Want], automatic: Sequence[int], memories: Sequence[Memory], taken: Taken, outcome: Assignment
) -> Iterable[Finding]:
    """What each automatic address that moves was before, and why it could not stay."""
    locked, *lived = memories
    for number in automatic:
        want, now = wanted[number], outcome.addresses[number]
        if any(now in memory.all_of(want) for memory in lived[:1]):
            continue
        former = next((known for memory in lived if (known := memory.of(want))), ())
        if not former or now is None or now in former:
            continue
        before = former[0]
        why = f"{LOCK_FILE} gives it {now}" if now in locked.of(want) else _why(before, want, taken)
        message = f"{want.owner} moves from {before} to {now}: {why}"
        holder = taken.get((want.pool.name, before))
        related = ((holder.path, f"{before} goes to {holder.owner}"),) if holder is not None else ()
        yield Finding("NS0250", message, want.path, related=related)


def _why(address: Address, want: Want, taken: Taken) -> str:
    """Why a remembered address cannot be kept."""
    withheld = want.pool.withheld(address)
    if withheld:
        return withheld
    holder = taken.get((want.pool.name, address))
    assert holder is not None, "what nobody holds is kept"
    return f"{address} is the address of {holder.owner}" if holder.static is not None else f"{holder.owner} has it"
