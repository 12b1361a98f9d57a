"""The reference page of consequences: the level of each kind's fields, from the kinds themselves."""

from collections.abc import Iterator

from netspec.core.resource import Policy, Resource, compared_fields
from netspec.kinds import kinds

_PREFACE = """\
# What changes do to traffic

<!-- Generated from the kinds by netspec/report/levels.py. `make generate` writes it anew. -->

A plan says it below each object, in JSON it is the field `disruption`:

| level | meaning |
|---|---|
| `none` | Nothing: the object is new, or what changes carries no traffic. |
| `live` | Changed in place; nothing is lost. |
| `reset` | Established connections through this object are cut. |
| `flap` | A link goes down and up. |
| `rebuild` | The object is deleted and made anew. |
| `lockout-risk` | The way of this session, or of a protected peer, is touched. |

`--max-disruption LEVEL` refuses what is beyond a level, with exit code 6 and before anything is changed.

## Connections

Where a change is `reset` or worse, the plan says how many established connections it ends: `interrupts  7 established
connections`, in JSON `connections`. They are those that connection tracking of the host has at that moment: TCP that is
established, and of other protocols what has been answered. What passes within a bridge, it may not see. If it has more
than 50,000 entries, does not answer within two seconds, or may not be read, their number is unknown.

## Lockout

The way of a session is what packets from this host to its peer pass: the route that the kernel takes, its link, what
that link is a port of or stands on, the port of a bridge behind which the next machine is, the gateway, the address
that they come from, and the rules that let the peer in. Changing any of that is a risk, harmless as it may turn out.
Peers are the client in `SSH_CONNECTION`, which is also looked for in the processes above (sudo drops it), and those in
[`protect`](spec.md#sections). A risk needs `--allow-lockout-risk`, or a window after which it is undone by itself. Of a
peer whose machine no bridge has learned yet, the ports are on the way that are not netspec's.

## The table

Tests change each field on a living object, with connections through it, and compare. What is not listed is part of an
object's identity: another value is another object. A new object is `none`; so is what only moves a mark.

| object | field | how it changes | level |
|---|---|---|---|
"""
_LATER = """
Removing an object is `reset`, but for these:

| object | level |
|---|---|
"""
_BY_VALUE = """
Some depend on the value: elements of nftables are `reset` where they are publications, else `live`, for what is on its
way has been let in already; who may talk to whom (`Admission`) is `reset` where some connection is no longer let in, or
where that is unknown, else `live`. A sysctl is `reset` where it ends forwarding or switches IPv6 off, else `live`. A
field of a link that is not netspec's has the level that it has on one of netspec's own.
"""


def render() -> str:
    """The whole page."""
    found = sorted((kind.resource for kind in kinds()), key=lambda each: each.__name__)
    rows = "".join(row for each in found for row in _rows(each))
    usual = Resource.deleting
    gone = "".join(f"| `{each.__name__}` | `{each.deleting}` |\n" for each in found if each.deleting is not usual)
    return f"{_PREFACE}{rows}{_LATER}{gone}{_BY_VALUE}"


def _rows(kind: type[Resource]) -> Iterator[str]:
    for rule in compared_fields(kind):
        how = "in place" if rule.policy is Policy.IN_PLACE else "anew"
        level = f"`{rule.disruption}`"
        if rule.harmless:
            level += f"; `live` to `{'`, `'.join(str(each).lower() for each in rule.harmless)}`"
        yield f"| `{kind.__name__}` | `{rule.name}` | {how} | {level} |\n"
