"""Routes of others that stand where ours shall be, in namespaces that netspec did not make."""

from collections.abc import Callable, Iterator

from netspec.core.change import Change
from netspec.core.state import State
from netspec.diagnostics import Diagnostic, Place
from netspec.kinds.attached_netns import AttachedNetns
from netspec.kinds.route import Route


def foreign_routes(
    changes: tuple[Change, ...], desired: State, place_of: Callable[[str], Place | None]
) -> Iterator[Diagnostic]:
    """A container's own default route is not replaced."""
    attached = {each.name for each in desired.values() if isinstance(each, AttachedNetns)}
    for change in changes:
        before, after = change.before, change.after
        if not isinstance(before, Route) or not isinstance(after, Route):
            continue
        if before.mark is None and before.netns in attached:
            yield Diagnostic(
                "NS0412",
                f"{change.key} is in the way: {before.title()} dev {before.link}, and netspec did not make it",
                place_of(after.origin),
                hint="remove it, or let the endpoint have none there",
                label=f"wanted by {after.origin}",
                address=after.origin,
            )
