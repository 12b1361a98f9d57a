"""The reference page of the language, from the models: `docs/reference/spec.md` is what `render` returns."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from netspec.spec.document import document_model
from netspec.spec.schemas import short_forms

Schema = Mapping[str, Any]

PREFACE = """\
# The spec language

<!-- Generated from the models by netspec/spec/reference.py. UPDATE_DOCS=1 pytest tests/docs writes it anew. -->

A spec says which bridges, endpoints and published ports a host shall have. This page lists every key. The
[tutorial](../tutorial.md) introduces them one by one; [errors](errors.md) explains what can be wrong.

## A whole spec

```yaml
netspec: 1

bridges:
  docker0:
    subnets: [172.17.0.0/16]

endpoints:
  redis:
    bridge: docker0
    address: 172.17.0.2
    publish: ["6379:6379"]

nat:
  masquerade: [docker0]
```

## How a spec is read

- A spec is a file, a directory, or standard input (`-`). The files of a directory that end in `.yaml` or `.yml`
  are merged in the order of their names; hidden files and folders are left out. `netspec: 1` stands in at least
  one of them. The same entry in two files is an error.
- Files are UTF-8. A byte order mark, CRLF line ends, `---` and `...` are accepted. An empty file is an error; the
  empty spec is written `netspec: 1`.
- Scalars are those of YAML 1.2: `no`, `on`, `22:22`, `010` and an unquoted MAC address stay strings where a string
  is wanted. Only `true` and `false` are booleans.
- Unknown keys, keys that stand twice, and wrong types are errors. Errors are reported together, not one by one.
  What only follows from another error is left unsaid.
- Tags and merge keys (`<<`) are refused. Anchors are taken, with a bound on what they may expand to.
- A key that is left out has its default. A default is compared with the kernel like a value that was written.
- `netspec validate --expand` prints the long form: every default written out, every short form spelled.
- Names of links have at most 15 bytes, as the kernel demands.
- Addresses may be IPv4 or IPv6.

## What it means

- A *bridge* has the first address of each of its subnets, unless `gateway` says otherwise. A bridge without an IPv6
  subnet gets no IPv6 address, and neither do its endpoints. A subnet implies forwarding for its family.
- An *endpoint* is a namespace with `lo` up and its interfaces. The first interface in the file whose subnet has a
  gateway supplies the default route, for each family.
- *Automatic addresses*: fixed ones are set aside first, then those in `netspec.lock`. An interface that has an address
  keeps it, over a reboot too. Others get the lowest free one. Adding an endpoint never moves another, unless by a fixed
  address that it holds. See [how to](../how-to/addresses.md).
- *Publications* are open at every address of the host, 127.0.0.0/8 included, or where `listen` says. An address beats
  a link, a link beats `any`, and whom `from` keeps out there gets in nowhere else. The server sees the client's own
  address; for clients on loopback and on a network that the endpoint is on itself, and where the endpoint's gateway is
  not the host, it sees the host's. A connection to `[::1]` is refused, as the kernel cannot route it to another link.
- With `access: routed` nothing is translated: the target ports are open at the endpoint's own address.
- *Prefixes* of `netmap` let in from outside what the `access` of the bridge lets in at the endpoint's own address.
- *Masquerading* is for what leaves by a link that is no bridge of the stack. Between bridges nothing is translated.
- *Sysctls* get their former values back when they leave the spec; where other stacks need them, when the last one goes.

| from | to | |
|---|---|---|
| an endpoint | an endpoint of the same bridge | open |
| an endpoint | an endpoint of another bridge, at its own address | closed |
| an endpoint | a published port, at an address of the host | open |
| an endpoint | the host, and whatever listens there | open |
| an endpoint | outside | open |
| outside | an endpoint, at its own address | closed |
| outside | a published port, at an address of the host | open |
| the host | an endpoint, at its own address | open |

An endpoint can send only from addresses of its bridge's subnets to what lies beyond the bridge.
"""


def render() -> str:
    """The whole page, in Markdown."""
    schema = document_model().model_json_schema()
    definitions: Mapping[str, Schema] = schema["$defs"]
    parts = [PREFACE, "## Sections\n", "\n".join(_table(schema)) + "\n"]
    told: set[str] = set()
    for name, section in schema["properties"].items():
        models = tuple(dict.fromkeys(_references(section, definitions)))
        if models:
            parts += [f"## {name}\n", f"{section.get('description', '')}\n"]
        for model in models:
            if model not in told:
                parts.extend(_model(model, definitions[model]))
        if models and told.issuperset(models):
            parts.append(f"Its value: {_words(section)}.\n")
        told.update(models)
    return "\n".join(parts)


def _model(name: str, schema: Schema) -> Iterator[str]:
    """The object that a model describes."""
    yield f"### {_heading(name)}\n"
    yield f"{schema.get('description', '')}\n"
    yield "\n".join(_table(schema)) + "\n"


def _references(node: Any, definitions: Mapping[str, Schema]) -> Iterator[str]:  # noqa: ANN401  whatever JSON holds
    """The definitions that a schema is made of, outermost first."""
    if isinstance(node, Mapping):
        reference = node.get("$ref")
        if isinstance(reference, str):
            name = _name(reference)
            yield name
            yield from _references(definitions[name].get("properties", {}), definitions)
        for value in node.values():
            yield from _references(value, definitions)
    elif isinstance(node, Sequence) and not isinstance(node, str):
        for value in node:
            yield from _references(value, definitions)


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]


def _heading(model: str) -> str:
    """`EndpointSpec` as people say it: `Endpoint object`."""
    return f"{model.removesuffix('Spec')} object"


def _table(schema: Schema) -> Iterator[str]:
    required = set(schema.get("required", ()))
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    for name, field in schema["properties"].items():
        default = "needed" if name in required else _default(field)
        meaning = field.get("description", "").replace("\n", " ").replace("|", "\\|")
        yield f"| `{name}` | {_words(field)} | {default} | {meaning}{_examples(field)} |"


def _default(field: Schema) -> str:
    value = field.get("default")
    return "" if value in (None, [], {}) else f"`{_yaml(value)}`"


def _examples(field: Schema) -> str:
    """The examples of a field that say more than its default does."""
    found = [each for each in field.get("examples", ()) if each != field.get("default")]
    return f" Example: {', '.join(f'`{_yaml(each)}`' for each in found)}." if found else ""


def _yaml(value: Any) -> str:  # noqa: ANN401  whatever JSON holds
    """A value as it is written in a spec; JSON is YAML, but for strings that need no quotes."""
    return value if isinstance(value, str) else json.dumps(value)


def _words(schema: Schema) -> str:
    """What sort of value a schema wants, in words."""
    return " or ".join(dict.fromkeys(_alternatives(schema)))


def _alternatives(schema: Schema) -> Iterator[str]:
    model = _name(schema["$ref"]) if "$ref" in schema else schema.get("title", "") if "properties" in schema else ""
    if model:
        heading = _heading(model)
        link = f"[{heading}](#{heading.lower().replace(' ', '-')})"
        yield link
        yield from _alternatives(short_forms()[model]) if model in short_forms() else ()
    elif "const" in schema:
        yield f"`{_yaml(schema['const'])}`"
    elif "enum" in schema:
        yield from (f"`{_yaml(each)}`" for each in schema["enum"])
    elif "anyOf" in schema:
        for each in schema["anyOf"]:
            if each.get("type") != "null":
                yield from _alternatives(each)
    else:
        yield _words_of_type(schema)


def _words_of_type(schema: Schema) -> str:
    match schema.get("type"):
        case "array":
            return f"list; each: {_words(schema.get('items', {}))}"
        case "object":
            return f"mapping; each value: {_words(_entry(schema))}"
        case "integer" | "number" as word:
            low, high = schema.get("minimum"), schema.get("maximum")
            return f"{word}, {low} to {high}" if low is not None and high is not None else word
        case "boolean":
            return "`true` or `false`"
        case ["integer", "string"] | ["string", "integer"]:
            return "integer or string"
        case _:
            return "string"


def _entry(schema: Schema) -> Schema:
    """The schema of the values of a mapping with free keys."""
    free = schema.get("additionalProperties")
    patterns: Mapping[str, Schema] = schema.get("patternProperties", {})
    return free if isinstance(free, Mapping) else next(iter(patterns.values()), {})
