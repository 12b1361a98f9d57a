"""Which interface gets which address: statics first, then what is held already, then the lowest free one."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from netspec.kernel.operations import Address
from netspec.kinds._contract import Finding, Place
from netspec.kinds._intent import Held, Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """One address wanted by an interface from a pool; `static` None means automatic."""

    owner: str
    netns: str
    interface: str
    pool: Pool
    static: Address | None
    path: Place


@dataclass(slots=True)
class Assignment:
    """The outcome: an address for each want, by position; None where the pool had none left."""

    addresses: list[Address | None]
    findings: list[Finding] = field(default_factory=list)


def assign(wants: Iterable[Want], held: Held) -> Assignment:
    """Decide all addresses. Adding a want never moves another's held address, unless a static one takes it."""
    wanted = tuple(wants)
    outcome = Assignment([want.static for want in wanted])
    taken = _statics(wanted, outcome)
    automatic = [number for number, want in enumerate(wanted) if want.static is None]
    for number in automatic:
        want = wanted[number]
        kept = _kept(want, held, taken)
        if kept is not None:
            taken[want.pool.name, kept] = want
            outcome.addresses[number] = kept
    _fill(wanted, [n for n in automatic if outcome.addresses[n] is None], taken, outcome)
    return outcome


Taken = dict[tuple[str, Address], Want]


def _statics(wanted: tuple[Want, ...], outcome: Assignment) -> Taken:
    taken: Taken = {}
    for want in wanted:
        if want.static is None:
            continue
        other = taken.setdefault((want.pool.name, want.static), want)
        if other is not want:
            outcome.findings.append(
                Finding(
                    "NS0204",
                    f"{want.static} is the address of two endpoints",
                    want.path,
                    hint="give each its own, or leave the address away for an automatic one",
                    label=f"here for {want.owner}",
                    related=((other.path, f"and here for {other.owner}"),),
                )
            )
    return taken


def _kept(want: Want, held: Held, taken: Taken) -> Address | None:
    for interface in held.get((want.netns, want.interface), ()):
        address = interface.ip
        fits = address.version == want.pool.version and address in want.pool.cidr
        usable = address != want.pool.gateway and address not in want.pool.reserved
        inside = fits and int(want.pool.first) <= int(address) <= int(want.pool.last)
        if inside and usable and (want.pool.name, address) not in taken:
            return address
    return None


def _fill(wanted: tuple[Want, ...], open_numbers: list[int], taken: Taken, outcome: Assignment) -> None:
    free = {want.pool.name: want.pool.automatic() for want in (wanted[n] for n in open_numbers)}
    for number in open_numbers:
        want = wanted[number]
        address = next((each for each in free[want.pool.name] if (want.pool.name, each) not in taken), None)
        if address is None:
            outcome.findings.append(_exhausted(want, taken))
            continue
        taken[want.pool.name, address] = want
        outcome.addresses[number] = address


def _exhausted(want: Want, taken: Taken) -> Finding:
    holders = [other.owner for (pool, _), other in taken.items() if pool == want.pool.name]
    shown = ", ".join(holders[:8]) + (f" and {len(holders) - 8} more" if len(holders) > 8 else "")
    return Finding(
        "NS0205",
        f"no free address is left in {want.pool.cidr} for {want.owner}",
        want.path,
        hint=f"{len(holders)} are taken, by {shown}; widen the subnet or its range" if holders else "widen the range",
    )
