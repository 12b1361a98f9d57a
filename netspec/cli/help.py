"""How `--help` of a command reads: usage, what it does, arguments, options, examples."""

from collections.abc import Callable, Sequence
from typing import Any

import typer
import typer.core

OF_COMMON_OPTIONS = "Common options, such as --stack and --output: netspec --help"


class Command(typer.core.TyperCommand):
    """A command whose help names its arguments as the documentation does, without their Python types."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ANN401  the parser's own
        """`[OPTIONS] [PATH]`; what is required has no brackets."""
        found = [each for each in self.get_params(ctx) if each.param_type_name == "argument"]
        names = (each.metavar or each.name or "" for each in found)
        shown = (name if each.required else f"[{name}]" for each, name in zip(found, names, strict=True))
        return [self.options_metavar or "", *shown]

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
        """Arguments first, then options."""
        for title, rows in (("Arguments", self._arguments(ctx)), ("Options", self._options(ctx))):
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def _arguments(self, ctx: Any) -> list[tuple[str, str]]:  # noqa: ANN401
        found = (each for each in self.get_params(ctx) if each.param_type_name == "argument")
        return [(each.metavar or each.name or "", getattr(each, "help", None) or "") for each in found]

    def _options(self, ctx: Any) -> list[tuple[str, str]]:  # noqa: ANN401
        found = (each for each in self.get_params(ctx) if each.param_type_name == "option")
        return [row for each in found if (row := each.get_help_record(ctx)) is not None]


def add(app: typer.Typer, function: Callable[..., None], short: str, examples: Sequence[tuple[str, str]]) -> None:
    """Add a command: a line for the list of commands, and examples with what each does."""
    name = function.__name__
    app.command(name, cls=Command, short_help=short, epilog=f"{listed(examples)}\n\n{OF_COMMON_OPTIONS}")(function)


def listed(examples: Sequence[tuple[str, str]]) -> str:
    """Command lines in one column, what they do in another."""
    width = max(len(line) for line, _ in examples)
    # \b keeps the lines of a paragraph as they are.
    return "\n".join(["\b", "Examples:", *(f"  {line:<{width}}  {words}".rstrip() for line, words in examples)])
