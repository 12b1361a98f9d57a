"""Budgets of size, without exceptions: what outgrows one is split by what it holds."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULE_LINES = 300
FUNCTION_LINES = 40
PARAMETERS = 5

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules() -> Iterator[tuple[str, str]]:
    """Every module of the package: its path from the top, and its source."""
    for path in sorted((ROOT / "netspec").rglob("*.py")):
        yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


def functions() -> Iterator[tuple[str, Function]]:
    """Every function and method: where it is, and its tree."""
    for name, source in modules():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, Function):
                yield f"{name}:{node.lineno} {node.name}", node


def is_option(parameter: ast.arg) -> bool:
    """Whether it declares an option or argument of the command line, which the terminal fills in and no caller."""
    said = ast.unparse(parameter.annotation) if parameter.annotation is not None else ""
    # By name where several commands share it.
    return "typer." in said or said.endswith(("Option", "Argument"))


def parameters(function: Function) -> list[ast.arg]:
    """Its parameters but self and cls."""
    found = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return [each for each in found if each.arg not in ("self", "cls")]


def lines(function: Function) -> int:
    """From `def` to the end, without the declarations of options."""
    options = {
        line
        for each in parameters(function)
        if is_option(each)
        for line in range(each.lineno, (each.end_lineno or each.lineno) + 1)
    }
    return (function.end_lineno or function.lineno) - function.lineno + 1 - len(options)


def test_there_is_something_to_measure() -> None:
    """The walk finds the package."""
    assert {"netspec/errors.py", "netspec/core/resource.py"} <= {name for name, _ in modules()}


def test_modules_are_small() -> None:
    """At most 300 lines."""
    sizes = {name: source.count("\n") for name, source in modules()}

    assert {name: size for name, size in sizes.items() if size > MODULE_LINES} == {}


def test_functions_are_small() -> None:
    """At most 40 lines."""
    sizes = {name: lines(function) for name, function in functions()}

    assert {name: size for name, size in sizes.items() if size > FUNCTION_LINES} == {}


def test_functions_take_few_parameters() -> None:
    """At most 5; what belongs together is a value of its own."""
    counts = {name: sum(not is_option(each) for each in parameters(tree)) for name, tree in functions()}

    assert {name: count for name, count in counts.items() if count > PARAMETERS} == {}
