"""The docstrings below the fields of spec models: they are the descriptions in the schema.

Read only where a schema is made: pydantic's `use_attribute_docstrings` reads the sources at every start.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterable, Iterator
from itertools import pairwise


def field_docs(classes: Iterable[type]) -> dict[str, str]:
    """Docstrings by field, those of later classes before those of earlier ones. Classes without a source have none."""
    return {name: text for each in classes for name, text in _own(each)}


def _own(model: type) -> Iterator[tuple[str, str]]:
    try:
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    except OSError:
        return
    assert isinstance(definition, ast.ClassDef), "the source of a class is its definition"
    for field, below in pairwise(definition.body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, inspect.cleandoc(text)
