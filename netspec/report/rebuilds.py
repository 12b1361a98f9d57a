"""What of an object is deleted and made anew, and why: pairs and namespaces, each with what comes for it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from netspec.core.change import Action, Change
from netspec.core.resource import Key, Resource
from netspec.kinds.attached_netns import AttachedNetns
from netspec.kinds.ifb import Ifb
from netspec.kinds.netns import Netns
from netspec.kinds.veth import Veth
from netspec.report.words import field_name, field_value

_GOES = frozenset({Action.DELETE, Action.REPLACE})
_COMES = frozenset({Action.CREATE, Action.REPLACE})


@dataclass(frozen=True, slots=True)
class Exchange:
    """The pairs that go, and those that come, by the interface that each is known by inside."""

    gone: Mapping[str, Veth]
    made: Mapping[str, Veth]

    @staticmethod
    def of(changes: Iterable[Change]) -> "Exchange":
        """That of the changes of an object."""
        told = tuple(changes)
        gone = (each.before for each in told if each.action in _GOES)
        made = (each.after for each in told if each.action in _COMES)
        return Exchange(_by_interface(gone), _by_interface(made))

    @property
    def beside(self) -> frozenset[Key]:
        """Those that go with nothing coming for them, or come for nothing, beside those that are rebuilt."""
        gone, made = self._others()
        return frozenset(each.key() for each in (*gone, *made)) if not gone or not made else frozenset()

    @property
    def unambiguous(self) -> bool:
        """Whether it is clear which of them comes for which, and none takes the name of another one."""
        gone, made = self._others()
        before = {each.name: each.peer_name for each in self.gone.values()}
        taken = any(before.get(each.name, each.peer_name) != each.peer_name for each in self.made.values())
        return len(gone) == len(made) <= 1 and not taken

    def reasons(self) -> Iterator[str]:
        """What makes others of them."""
        kept = [(self.gone[name], self.made[name]) for name in self.gone if name in self.made]
        for old, new in kept:
            whose = "its host name" if len(kept) == 1 else f"the host name of {old.peer_name}"
            if old.peer_netns != new.peer_netns:
                yield f"its namespace changes: {old.peer_netns} -> {new.peer_netns}"
            elif old.name != new.name:
                yield f"{whose} changes: {old.name} -> {new.name}"
        gone, made = (sorted(each.peer_name for each in some) for some in self._others())
        if gone and made:
            what = "its interface changes" if len(gone) == len(made) == 1 else "its interfaces change"
            yield f"{what}: {', '.join(gone)} -> {', '.join(made)}"

    def _others(self) -> tuple[list[Veth], list[Veth]]:
        gone = [each for name, each in self.gone.items() if name not in self.made]
        return gone, [each for name, each in self.made.items() if name not in self.gone]


def _by_interface(resources: Iterable[Resource | None]) -> Mapping[str, Veth]:
    return {each.peer_name: each for each in resources if isinstance(each, Veth)}


def is_rebuilt(changes: Iterable[Change]) -> bool:
    """Whether a pair, link or namespace is replaced, or goes while another one comes.

    One that shapes what is received belongs to a limit: whatever becomes of it, the object lives on.
    """
    grounds = (each for each in changes if each.key.kind in ("netns", "link") and not isinstance(each.resource, Ifb))
    done = {each.action for each in grounds}
    return bool(done & _GOES and done & _COMES)


def reason(changes: Iterable[Change]) -> str:
    """Why an object is rebuilt; the first cause, not what went with it."""
    told = tuple(changes)
    found = [*_stuck(told), *Exchange.of(told).reasons(), *_spaces(told)]
    own = [change.reason for change in told if change.reason]
    causes = [each for each in own if not each.startswith("goes with")]
    return "; ".join(dict.fromkeys(found)) or (causes or own or [""])[0]


def _stuck(changes: Iterable[Change]) -> Iterator[str]:
    """Fields that cannot change; of pairs the exchange tells it."""
    for change in changes:
        for each in change.stuck if not isinstance(change.resource, Veth) else ():
            before, after = (field_value(change.resource, each, value) for value in (each.before, each.after))
            yield f"its {field_name(change.resource, each)} changes: {before} -> {after}"


def _spaces(changes: Iterable[Change]) -> Iterator[str]:
    """A namespace that goes, and another one that comes."""
    spaces = [each for each in changes if isinstance(each.resource, (Netns, AttachedNetns))]
    gone = [each.key.name for each in spaces if each.action is Action.DELETE]
    made = [each.key.name for each in spaces if each.action is Action.CREATE]
    if gone and made:
        yield f"its namespace changes: {', '.join(gone)} -> {', '.join(made)}"
