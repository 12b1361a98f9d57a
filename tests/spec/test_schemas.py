"""The JSON Schemas are fresh, take what netspec takes, and refuse what an editor should underline."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft7Validator
from pydantic import BaseModel, ValidationError, create_model
from pydantic.fields import FieldInfo

from netspec.core.scalar import PlainFloat
from netspec.errors import SpecError
from netspec.kinds._contract import SpecModel
from netspec.spec.document import document_model
from netspec.spec.schemas import file_name, schemas, text_of
from netspec.spec.source import SourceFile
from netspec.spec.tree import load
from tests import sandboxed, specs
from tests.cli.running import SPEC, Done, netspec
from tests.docs.transcript import ROOT, blocks
from tests.spec.test_fuzz import mutations, searching, slipped
from tests.specs import loaded

FOLDER = ROOT / "schemas"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
ALL = schemas()
SPECS = Draft7Validator(ALL["spec"])


def data(text: str) -> Any:  # noqa: ANN401  whatever YAML holds
    """A spec as an editor sees it."""
    return load([SourceFile("a.yaml", text)]).data


def test_schemas_are_fresh() -> None:
    """What is committed is what the models say, and nothing else is there."""
    wanted = {file_name(name): text_of(schema) for name, schema in ALL.items()}
    found = {path.name: path.read_text("utf-8") for path in FOLDER.iterdir()}

    assert sorted(name for name in wanted | found if wanted.get(name) != found.get(name)) == [], "run: make generate"


@pytest.mark.parametrize("name", ALL)
def test_schemas_are_draft_07(name: str) -> None:
    """And have no keyword of later drafts, which others would not look at."""
    Draft7Validator.check_schema(ALL[name])
    words = {word for node in _nodes(ALL[name]) for word in node}

    assert words & {"$defs", "prefixItems", "discriminator", "dependentRequired", "unevaluatedProperties"} == set()
    assert [node for node in _nodes(ALL[name]) if "$ref" in node and len(node) > 1] == []


def _nodes(schema: Any) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401  whatever JSON holds
    """All schemas in a schema."""
    if isinstance(schema, list):
        for each in schema:
            yield from _nodes(each)
    elif isinstance(schema, dict):
        yield schema
        for name, value in schema.items():
            named = name in ("properties", "patternProperties", "definitions")
            if name not in ("examples", "default"):
                yield from _nodes(list(value.values()) if named else value)


def test_every_key_is_described() -> None:
    """An editor shows it beside the cursor."""
    bare = [
        f"{number} {name}"
        for number, node in enumerate(_nodes(ALL["spec"]))
        for name, field in node.get("properties", {}).items()
        if not field.get("description")
    ]

    assert bare == []


def test_examples_are_examples() -> None:
    """Each is valid where it stands; and all patterns have one."""
    definitions = ALL["spec"]["definitions"]
    assert [
        error.message
        for node in _nodes(ALL["spec"])
        for example in node.get("examples", ())
        for error in Draft7Validator({**node, "definitions": definitions}).iter_errors(example)
    ] == []
    assert [node for node in _nodes(ALL["spec"]) if "pattern" in node and not node.get("examples")] == []


def test_models_that_take_more_than_mappings_say_so() -> None:
    """A model with a validator for short forms has their schema."""
    found = [each for each in _models(SpecModel) if "short_form" not in vars(each)]
    shortening = [each.__name__ for each in found if any(name.startswith("_from_") for name in vars(each))]

    assert shortening == []


def test_no_value_is_taken_for_its_lookalike() -> None:
    """Where only numbers without a point are wanted, or only true and false, nothing else that equals them is taken."""
    taken = [
        f"{model.__name__}.{name}: {value!r}"
        for model in (document_model(), *_models(SpecModel))
        for name, field in model.model_fields.items()
        for value in _lookalikes_taken(name, field)
    ]

    assert taken == []


def _lookalikes_taken(name: str, field: FieldInfo) -> Iterator[object]:
    fields: dict[str, Any] = {name: (field.annotation, field)}
    alone = create_model("Alone", **fields)
    key = field.alias or name
    schema = alone.model_json_schema()["properties"][key]
    types = [each.get("type") for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]
    points = [PlainFloat.read(text) for text in ("1.0", "4.0", "1e2", "1500.0")]
    if types == ["integer"]:
        yield from (each for each in (True, False, "1", *points) if _takes(alone, {key: each}))
    elif types == ["boolean"]:
        yield from (each for each in (0, 1, "true", "yes", "1", *points) if _takes(alone, {key: each}))


def _takes(model: type[BaseModel], given: object) -> bool:
    try:
        model.model_validate(given)
    except ValidationError:
        return False
    return True


def _models(base: type[SpecModel]) -> Iterator[type[SpecModel]]:
    for each in base.__subclasses__():
        yield each
        yield from _models(each)


def valid_specs() -> Iterator[tuple[str, str]]:
    """Every one that is written down, and its name."""
    for path in sorted((ROOT / "examples").rglob("*.yaml")):
        yield str(path.relative_to(ROOT)), path.read_text("utf-8")
    for page in PAGES:
        for number, block in enumerate(blocks(page.read_text("utf-8"))):
            if block.language == "yaml" and "wrong" not in block.info:
                yield f"{page.name}-{number}", block.body
    for edit in specs.EDITS:
        yield f"{edit.name}-before", edit.before
        yield f"{edit.name}-after", edit.after


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in valid_specs()])
def test_what_is_written_is_taken(text: str) -> None:
    """Every example, every block of the documentation, every spec of the tests."""
    loaded(text)

    assert [error.message for error in SPECS.iter_errors(data(text))] == []


BRIDGE = "netspec: 1\nbridges: {lan: {subnets: [10.1.0.0/24, fd00::/64]}}\n"
SHORT = [
    "stack: 7",
    "stack: shop-1.a",
    "subnets: {a: 10.9.0.0/24}",
    "subnets: {a: {cidr: 10.9.0.0/24, gateway: none, range: 10.9.0.9 - 10.9.0.20, reserve: [10.9.0.3]}}",
    "subnets: {a: {cidr: fd00:9::/64, gateway: fd00:9::7, range: fd00:9::/120}}",
    "subnets: {a: ula, 010: ula, no: ula}",
    "endpoints: {web: {bridge: lan, publish: ['6379:6379']}}",
    "endpoints: {web: {bridge: lan, publish: ['80-82:90-92/udp', '127.0.0.1:81:81', '[::1]:82:82/tcp', 'eth0:83:83']}}",
    "endpoints: {web: {bridge: lan, publish: [{port: 80, to: 8080}, {port: 90-91, to: 90-91, listen: loopback}]}}",
    "endpoints: {web: {bridge: lan, publish: [{port: 80, to: 80, listen: 192.0.2.1, from: [10.0.0.0/8]}]}}",
    "endpoints: {web: {bridge: lan, address: 10.1.0.9/24, mac: 02-00-00-00-00-0A}}",
    "endpoints: {web: {bridge: lan, addresses: [auto, 10.1.0.9]}}",
    "endpoints: {web: {bridge: lan, address: 'fd00::9', mtu: 1400, host_name: to-web}}",
    "endpoints: {web: {interfaces: {}}, 010: {bridge: lan}, 1e3: {bridge: lan, address: null}}",
    "endpoints: {web: {interfaces: {eth1: {bridge: lan, mac: 02:00:00:00:00:0a}}}}",
    "nat: {masquerade: [lan, 10.0.0.0/8, {from: lan, out: eth0}]}",
    "nat: {snat: [{from: lan, to: 192.0.2.1}, {from: 10.9.0.0/16, to: 192.0.2.1-192.0.2.9, out: eth0}]}",
    "nat: {dnat: [{port: 80, to: 10.0.0.5}, {port: 81, to: '10.0.0.5:80'}, {port: 90-91, to: '[fd00::9]:90-91'}]}",
    "nat: {dnat: [{port: 80, to: 'fd00::9', listen: eth0}, {port: 81, protocol: udp, to: '[fd00::9]'}]}",
    "nat: {netmap: [{from: 10.0.0.0/24, to: 192.0.2.0/24}, {from: fd00::/64, to: '2001:db8::/64'}]}",
    "sysctls: {net.ipv4.ip_forward: 1, net.ipv4.ip_local_port_range: 1 2, net.ipv4.conf.eth0/1.forwarding: 0}",
]


@pytest.mark.parametrize("text", SHORT)
def test_short_forms_are_taken(text: str) -> None:
    """Whatever the models take."""
    loaded(BRIDGE + text)

    assert [error.message for error in SPECS.iter_errors(data(BRIDGE + text))] == []


@searching
@given(mutations)
def test_the_schema_is_no_stricter_than_the_models(mutation: tuple[str, list[tuple[int, int, str]]]) -> None:
    """Of a valid spec an editor underlines nothing."""
    text = slipped(*mutation)
    try:
        document_model().model_validate(data(text))
        loaded(text)
    except (SpecError, ValueError):
        return

    assert [error.message for error in SPECS.iter_errors(data(text))] == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "netspec: 2",
        "netspec: '1'",
        "netspec: 1\nbridge: {}",
        "netspec: 1\nstack: my stack",
        "netspec: 1\nbridges: [lan]",
        "netspec: 1\nbridges: {lan: }",
        "netspec: 1\nbridges: {application-servers: {}}",
        "netspec: 1\nbridges: {a/b: {}}",
        "netspec: 1\nbridges: {default: {}}",
        "netspec: 1\nbridges: {lan: {subnet: []}}",
        "netspec: 1\nbridges: {lan: {subnets: 10.1.0.0/24}}",
        "netspec: 1\nbridges: {lan: {subnets: [10.1/24]}}",
        "netspec: 1\nbridges: {lan: {subnets: [{gateway: none}]}}",
        "netspec: 1\nbridges: {lan: {subnets: [{cidr: 10.1.0.0/24, gatway: none}]}}",
        "netspec: 1\nbridges: {lan: {mtu: 20}}",
        "netspec: 1\nbridges: {lan: {mtu: '1500'}}",
        "netspec: 1\nbridges: {lan: {mac: 02:42:ac}}",
        "netspec: 1\nbridges: {lan: {internal: yes}}",
        "netspec: 1\nbridges: {lan: {access: all}}",
        "netspec: 1\nsubnets: {a: 10.1.0.0}",
        "netspec: 1\nsubnets: {a: {cidr: 10.1.0.0/24, range: some}}",
        "netspec: 1\nendpoints: {my web: {bridge: lan}}",
        "netspec: 1\nendpoints: {web: {bridge: lan, address: web}}",
        "netspec: 1\nendpoints: {web: {bridge: lan, address: 10.1}}",
        "netspec: 1\nendpoints: {web: {bridge: lan, address: [10.1.0.2]}}",
        "netspec: 1\nendpoints: {web: {bridge: lan, addresses: 10.1.0.2}}",
        "netspec: 1\nendpoints: {web: {bridge: lan, colour: red}}",
        "netspec: 1\nendpoints: {web: {bridge: lan, publish: 80:80}}",
        "netspec: 1\nendpoints: {web: {bridge: lan, publish: ['80']}}",
        "netspec: 1\nendpoints: {web: {bridge: lan, publish: [80]}}",
        "netspec: 1\nendpoints: {web: {bridge: lan, publish: ['80:80/icmp']}}",
        "netspec: 1\nendpoints: {web: {bridge: lan, publish: ['::1:80:80']}}",
        "netspec: 1\nendpoints: {web: {bridge: lan, publish: [{port: 80}]}}",
        "netspec: 1\nendpoints: {web: {bridge: lan, publish: [{port: 80, to: 70000}]}}",
        "netspec: 1\nendpoints: {web: {bridge: lan, publish: [{port: 80, to: http}]}}",
        "netspec: 1\nendpoints: {web: {interfaces: {eth0: {bridge: lan, publish: []}}}}",
        "netspec: 1\nnat: {masquerade: lan}",
        "netspec: 1\nnat: {masquerade: [{out: eth0}]}",
        "netspec: 1\nnat: {snat: [{from: lan, to: lan}]}",
        "netspec: 1\nnat: {dnat: [{port: 80, to: '10.0.0.5:http'}]}",
        "netspec: 1\nnat: {netmap: [{from: 10.0.0.1, to: 10.0.0.2}]}",
        "netspec: 1\nsysctls: {vm.swappiness: 10}",
        "netspec: 1\nsysctls: {net.ipv4.ip_forward: true}",
        "netspec: 1\nsysctls: {net.ipv4.ip_forward: [1]}",
    ],
)
def test_what_is_wrong_is_refused(text: str) -> None:
    """By the schema as by netspec."""
    with pytest.raises(SpecError):
        loaded(text)

    assert list(SPECS.iter_errors(data(text))) != []


@pytest.mark.parametrize("name", ALL)
def test_the_command_prints_the_same_bytes(name: str) -> None:
    """As are kept in `schemas/`."""
    assert netspec("schema", name).out == (FOLDER / file_name(name)).read_text("utf-8")


def _printed(name: str, done: Done) -> Any:  # noqa: ANN401  whatever JSON holds
    """The one document in an output, after a look whether it is of its schema."""
    assert done.out, done.err
    document = json.loads(done.out)
    assert [f"{error.json_path}: {error.message}" for error in Draft7Validator(ALL[name]).iter_errors(document)] == []
    return document


def test_what_validate_prints(tmp_path: Path) -> None:
    """Of a good and of a bad spec."""
    (tmp_path / "netspec.yaml").write_text(SPEC, encoding="utf-8")
    twice = "netspec: 1\nbridges: {lan: {}, lan: {}}\nendpoints: {web: {bridge: wan}}\n"

    assert _printed("validate", netspec("validate", "--output", "json", cwd=tmp_path))["valid"]
    found = _printed("validate", netspec("validate", "--output", "json", "-", stdin=twice))
    assert [each["code"] for each in found["diagnostics"]] == ["NS0110", "NS0221"]
    _printed("validate", netspec("validate", "--output", "json", "nowhere.yaml", cwd=tmp_path))


@pytest.mark.kernel
@pytest.mark.usefixtures("fresh_netns")
def test_what_plan_apply_and_show_print(tmp_path: Path) -> None:
    """On the real kernel: making, drift, changing, and destroying."""
    path = tmp_path / "netspec.yaml"
    path.write_text(SPEC, encoding="utf-8")

    def printed(name: str, *words: str) -> Any:  # noqa: ANN401
        return _printed(name, netspec(*words, "--output", "json", cwd=tmp_path))

    assert {each["action"] for each in printed("plan", "plan")["changes"]} == {"create", "update"}
    assert printed("show", "show")["objects"] == []
    assert printed("plan", "apply", "--yes")["summary"]["add"] == 4
    assert printed("plan", "plan")["changes"] == []
    assert [each["address"] for each in printed("show", "show")["objects"]][:2] == ["bridge/br0", "endpoint/db"]
    sandboxed.run("ip link set br0 mtu 1400")
    assert [each["address"] for each in printed("plan", "plan")["drift"]] == ["link/br0"]
    path.write_text("netspec: 1\nbridges: {br0: {}}\n", encoding="utf-8")
    assert "delete" in {each["action"] for each in printed("plan", "apply", "--yes", "--allow-removal", "9")["changes"]}
    path.write_text("netspec: 1\nbridges: {lo0: {}}\n", encoding="utf-8")
    sandboxed.run("ip link add lo0 type bridge")
    assert [each["code"] for each in printed("plan", "plan")["diagnostics"]] == ["NS0401"]
    path.write_text("netspec: 2\n", encoding="utf-8")
    assert printed("error", "plan")["error"]["exit_code"] == 65
    assert printed("error", "show", "bridge/none")["error"]["exit_code"] == 1
    printed("plan", "destroy", "--yes")
