"""Which veth ends are each other's, over namespaces: the kernel tells a peer by ifindex and by namespace id."""

import os
from collections.abc import Iterator, Mapping, Sequence

from netspec.kernel import namespaces
from netspec.kernel import rtnetlink as rt
from netspec.kernel.netlink import Channel
from netspec.kernel.rtnetlink_rows import RawLink, attributes

Pairs = dict[tuple[str, str], tuple[str, str]]
"""The far end of a veth end, both as (netns, name), both ways."""

MOST_ASKED = 64
"""Namespaces asked after for one end: as many hold a link that could be its peer by index."""
_NO_NAMESPACE = -1


def nsids_of(channel: Channel, spaces: Mapping[str, int]) -> dict[str, int]:
    """The ids that namespaces have in that of `channel`, for those that have one; `spaces` are open descriptors."""
    found = {}
    asked = channel.ask([rt.nsid_get(descriptor) for descriptor in spaces.values()]) if spaces else []
    for name, (answer, bodies) in zip(spaces, asked, strict=True):
        for body in bodies if not answer.number else ():
            payload = attributes(body, 4).get(rt.NETNSA_NSID)
            nsid = rt.s32.unpack(payload)[0] if payload else _NO_NAMESPACE
            if nsid != _NO_NAMESPACE:
                found[name] = nsid
    return found


def pair_up(links: Sequence[RawLink], nsids: Mapping[int, str], directory: str, deadline: float) -> Pairs:
    """All pairs of which both ends are among `links`, but for those within one namespace.

    `nsids` are names by id in the host's namespace. Moves this thread: call it where it comes back.
    """
    pairs: Pairs = {}
    inside = {(each.netns, each.ifindex): each for each in links if each.netns and each.link_nsid is not None}
    for each in links:
        there = nsids.get(each.link_nsid) if not each.netns and each.link_nsid is not None else None
        far = inside.get((there, each.link)) if there is not None else None
        if far is not None and far.link == each.ifindex and each.kind == far.kind == "veth":
            _join(each, far, pairs)
    unpaired = [each for each in inside.values() if (each.netns, each.name) not in pairs and each.kind == "veth"]
    _pair_rest(unpaired, pairs, directory, deadline)
    return pairs


def _join(one: RawLink, other: RawLink, pairs: Pairs) -> None:
    here, there = (one.netns, one.name), (other.netns, other.name)
    pairs[here], pairs[there] = there, here


def _pair_rest(links: Sequence[RawLink], pairs: Pairs, directory: str, deadline: float) -> None:
    """Pairs between two namespaces: their ids there are known to nobody but them."""
    facing: dict[tuple[int, int], list[RawLink]] = {}
    for each in links:
        facing.setdefault((each.ifindex, each.link), []).append(each)
    for each in links:
        if (each.netns, each.name) in pairs:
            continue
        candidates = [far for far in facing.get((each.link, each.ifindex), ()) if far.netns != each.netns]
        if 0 < len(candidates) <= MOST_ASKED:
            known = _ids_seen_from(each.netns, [far.netns for far in candidates], directory, deadline)
            for far in candidates:
                if known.get(far.netns) == each.link_nsid:
                    _join(each, far, pairs)


def _ids_seen_from(netns: str, others: Sequence[str], directory: str, deadline: float) -> dict[str, int]:
    descriptors = dict(_open((netns, *others), directory))
    try:
        if netns not in descriptors:
            return {}
        namespaces.enter(descriptors[netns])
        with Channel(deadline) as channel:
            return nsids_of(channel, {name: descriptors[name] for name in others if name in descriptors})
    finally:
        for descriptor in descriptors.values():
            os.close(descriptor)


def _open(names: Sequence[str], directory: str) -> Iterator[tuple[str, int]]:
    for name in names:
        try:
            yield name, namespaces.open_entry(name, directory)
        except FileNotFoundError:
            continue
