"""Replicas: one endpoint of a spec that stands for several alike, NAME-1 to NAME-N."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from netspec.kinds._contract import Finding, Place
from netspec.kinds._publish import Ports, PublishSpec
from netspec.kinds._types import wrong

MOST_REPLICAS = 1023
LONGEST_NAME = 63


@dataclass(frozen=True, slots=True)
class Replicated:
    """The endpoints with each replica as one of its own; `written` says what a replica is called in the spec."""

    endpoints: Mapping[str, Any]
    written: Mapping[str, str]
    findings: tuple[Finding, ...] = ()

    def as_written(self, path: Place) -> Place:
        """A path into the spec."""
        if len(path) > 1 and path[0] == "endpoints" and path[1] in self.written:
            return (path[0], self.written[str(path[1])], *path[2:])
        return path


def check_replicas(spec: Any) -> None:  # noqa: ANN401  an EndpointSpec
    """Whether several can be made of an endpoint. Raises PydanticCustomError."""
    if spec.replicas is None:
        return
    said = ["netns"] if spec.netns is not None else []
    for interface in spec.all_interfaces().values():
        said += ["address"] if any(each != "auto" for each in interface.wanted) else []
        said += ["mac"] if interface.mac != "auto" else []
        said += ["host_name"] if interface.host_name is not None else []
    if said:
        hint = "leave it away: replicas have automatic ones; or write several endpoints"
        raise wrong("NS0177", f"replicas cannot share `{said[0]}`", hint)


def replicated(specs: Mapping[str, Any]) -> Replicated:
    """Each endpoint with `replicas` taken apart; the i-th has the i-th port of each publication."""
    endpoints: dict[str, Any] = {}
    written: dict[str, str] = {}
    findings = list(_check_lengths(specs))
    for name, spec in specs.items():
        if spec.replicas is None:
            endpoints[name] = spec
            continue
        findings.extend(_check(name, spec, specs))
        for index in range(spec.replicas):
            replica = f"{name}-{index + 1}"
            if replica not in specs:
                written[replica] = name
            publish = tuple(_share(each, index) for each in spec.publish)
            endpoints[replica] = spec.model_copy(update={"replicas": None, "publish": publish})
    return Replicated(endpoints, written, tuple(findings))


def _share(publication: PublishSpec, index: int) -> PublishSpec:
    """What one replica has of a publication: a port, and the target's own or the same for all."""
    port = publication.port.first + index
    target = publication.to.first + (index if len(publication.to) > 1 else 0)
    return publication.model_copy(update={"port": Ports(port, port), "to": Ports(target, target)})


def _check(name: str, spec: Any, specs: Mapping[str, Any]) -> Iterator[Finding]:  # noqa: ANN401
    place: Place = ("endpoints", name, "replicas")
    last = f"{name}-{spec.replicas}"
    if len(last) > LONGEST_NAME:
        message = f'the replica "{last}" would have a name of {len(last)} letters; it may have {LONGEST_NAME}'
        yield Finding("NS0262", message, place, hint="shorten the endpoint's name")
    taken = next((each for each in _names(name, spec.replicas) if each in specs), None)
    if taken is not None:
        related = ((("endpoints", taken), "it stands here"),)
        yield Finding(
            "NS0262", f'"{taken}" is both a replica and an endpoint', place, "rename one of them", related=related
        )
    for index, publication in enumerate(spec.publish):
        if len(publication.port) != spec.replicas:
            first = publication.port.first
            yield Finding(
                "NS0263",
                f"{spec.replicas} replicas need as many host ports, and {publication.port} is {len(publication.port)}",
                ("endpoints", name, "publish", index),
                hint=f'publish a range: "{first}-{first + spec.replicas - 1}:{publication.to.first}"',
            )


def _names(name: str, count: int) -> Iterator[str]:
    return (f"{name}-{index + 1}" for index in range(count))


def _check_lengths(specs: Mapping[str, Any]) -> Iterator[Finding]:
    """Only replicas can share one target port among several host ports."""
    for name, spec in specs.items():
        for index, each in enumerate(spec.publish if spec.replicas is None else ()):
            if len(each.port) != len(each.to):
                message = f"{len(each.port)} host ports cannot lead to {len(each.to)} target ports"
                hint = "publish ranges of the same length: 8000-8010:8000-8010"
                yield Finding("NS0142", message, ("endpoints", name, "publish", index), hint=hint)
