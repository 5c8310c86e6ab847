"""How every command behaves: known errors become clear lines and an exit code, help comes in sections and with examples."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup

from stream_gov.cli.output import error
from stream_gov.contracts import StreamGovError

__all__ = ["INTERRUPTED", "Command", "Group", "examples", "new_app"]

# The library's own base of all mistakes in flags and arguments; where it lives differs between its releases.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


class Group(TyperGroup):
    """Commands in sections, whose errors a user can act upon; anything else that goes wrong is a defect and keeps its traceback."""

    sections: ClassVar[Mapping[str, Sequence[str]]] = {}
    """Names of commands by heading; without any, all stand under one."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; turn known errors into lines on standard error and an exit code."""
        if ctx.parent is not None:
            return super().invoke(ctx)
        try:
            return super().invoke(ctx)
        except StreamGovError as err:
            for line in str(err).splitlines() or [type(err).__name__]:
                error(line)
            raise typer.Exit(err.exit_code) from err
        except _UsageError as err:
            if type(err).__name__ == "NoArgsIsHelpError":  # it carries the help, which is what was asked for
                raise
            context = getattr(err, "ctx", None)
            place = context.command_path if context is not None else "stream-gov"
            said = err.format_message() if hasattr(err, "format_message") else str(err)
            said = said.replace("Value error, ", "").rstrip(".")
            error(f"{said}; `{place} --help` lists what there is")
            raise typer.Exit(2) from err
        except KeyboardInterrupt as err:
            error("stopped by Ctrl-C", prefix="")
            raise typer.Exit(INTERRUPTED) from err
        except OSError as err:
            # A full disk or a path that cannot be written to; a reader that went away (`| head`) is no error of ours.
            if err.errno == errno.EPIPE or err.filename is None:
                raise
            error(f"{err.filename}: {err.strerror}; mend that, or name another path")
            raise typer.Exit(2) from err

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands under the headings of their sections."""
        sections = self.sections or {"Commands": tuple(self.list_commands(ctx))}
        for heading, names in sections.items():
            commands = [(name, command) for name in names if (command := self.get_command(ctx, name)) is not None]
            if commands:
                with formatter.section(heading):
                    formatter.write_dl([(name, command.get_short_help_str(limit=70)) for name, command in commands])


class Command(TyperCommand):
    """A command whose usage line names its arguments as its help does."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return what stands behind the command's name."""
        pieces = ["[OPTIONS]"]
        for parameter in self.get_params(ctx):
            if parameter.param_type_name == "argument":
                name = parameter.metavar or str(parameter.name).upper()
                pieces.append(name if parameter.required else f"[{name}]")
        return pieces


def new_app(
    *,
    help: str,  # noqa: A002 - typer's own name for it
    epilog: str,
    cls: type[Group] = Group,
    stands_alone: bool = False,
) -> typer.Typer:
    """Make a group of commands with our manners; one that stands alone does something without a command, too."""
    return typer.Typer(
        cls=cls,
        help=help,
        epilog=epilog,
        no_args_is_help=not stands_alone,
        invoke_without_command=stands_alone,
        subcommand_metavar="[COMMAND [ARGS]...]" if stands_alone else None,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"max_content_width": 100, "help_option_names": ["--help", "-h"]},
    )


def examples(*commands: str) -> str:
    """Text below the help of a command; its lines are not wrapped.

    Examples
    --------
    >>> print(examples("stream-gov up").replace(chr(8), "(kept as it is)"))
    (kept as it is)
    Example:
      stream-gov up
    """
    heading = "Example:" if len(commands) == 1 else "Examples:"
    return "\b\n" + "\n".join([heading, *(f"  {command}" for command in commands)])
