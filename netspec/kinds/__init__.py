"""One file per kind. Every module here that defines KIND or SECTION is found; nothing registers it."""

import importlib
import pkgutil
from functools import cache
from types import ModuleType

from netspec.kinds._contract import Kind, Section


@cache
def modules() -> tuple[ModuleType, ...]:
    """All modules of this package but the private ones, by name."""
    names = sorted(info.name for info in pkgutil.iter_modules(__path__) if not info.name.startswith("_"))
    return tuple(importlib.import_module(f"{__name__}.{name}") for name in names)


@cache
def kinds() -> tuple[Kind, ...]:
    """Every KIND."""
    return tuple(module.KIND for module in modules() if hasattr(module, "KIND"))


@cache
def sections() -> tuple[Section, ...]:
    """Every SECTION, in the order in which they expand and print."""
    found = [module.SECTION for module in modules() if hasattr(module, "SECTION")]
    return tuple(sorted(found, key=lambda section: (section.order, section.name)))
