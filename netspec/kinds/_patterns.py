"""Regular expressions of the JSON Schema: as strict as editors can be told, and never stricter than the models."""

IP = r"(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*)"
PORTS = r"[0-9]{1,5}(?:-[0-9]{1,5})?"
LINK = r"(?!(?:all|default|lo)$)[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}"
NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}"
CIDR = rf"{IP}/[0-9]{{1,3}}"
RANGE = rf"{IP} *- *{IP}"
MAC = r"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}"
PUBLISH = rf"(?:(?:\[[0-9A-Fa-f:.]+\]|[^:\[\]/]+):)?{PORTS}:{PORTS}(?:/(?:tcp|udp|sctp))?"
DESTINATION = rf"(?:{IP}|[0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}}:{PORTS}|\[[0-9A-Fa-f:.]+\](?::{PORTS})?)"


def whole(*alternatives: str) -> str:
    """A pattern that all of a string has to match, in one of several ways."""
    return f"^(?:{'|'.join(alternatives)})$"
