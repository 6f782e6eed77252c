"""The command line: finds a command, runs it, and turns what happened into an exit code.

Commands load when named, so that `oyez --help` imports neither web3 nor a model.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Sequence
from importlib import metadata
from typing import Any, NoReturn

import click

from oyez.commands import output, settings
from oyez.protocol.errors import Fatal, OyezError

#: name -> (module, attribute, line of help)
COMMANDS = {
    "action": ("oyez.commands.actions", "action", "Write, check and publish actions."),
    "analyze": ("oyez.commands.analysis", "analyze", "Measure an action on labelled inputs."),
    "attest": ("oyez.commands.attesting", "attest", "Judge a TDX quote."),
    "bench": ("oyez.commands.bench", "bench", "Measure what the contracts cost."),
    "call": ("oyez.commands.calls", "call", "Send a call to an action."),
    "dispute": ("oyez.commands.duelling", "dispute", "Look at duels."),
    "enclave": ("oyez.commands.enclaves", "enclave", "Register and audit enclaves' keys."),
    "engine": ("oyez.commands.engines", "engine", "Run the exact engine by itself."),
    "explain": ("oyez.commands.explaining", "explain", "Show what the model decided in a call."),
    "key": ("oyez.commands.keys", "key", "Make an encrypted key file."),
    "model": ("oyez.commands.models", "model", "Add, verify and list model files."),
    "prove": ("oyez.commands.proving", "prove", "Print the proof of a field or a receipt."),
    "stake": ("oyez.commands.stakes", "stake", "Deposit a stake or look at it."),
    "state": ("oyez.commands.reading", "state", "Read an action's state."),
    "status": ("oyez.commands.calls", "status", "Say what became of a call."),
    "verify": ("oyez.commands.verifying", "verify", "Re-execute a call and compare."),
}

#: entry points of other packages, for help without importing them
SERVICES = {"serve": "Run a sequencer.", "watch": "Run a challenger."}


class Program(click.Group):
    """The root command; lazy, and the only place where errors become exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the built-in commands and the installed services."""
        return sorted({*COMMANDS, *(point.name for point in _find_services())})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command when it is named."""
        if cmd_name in COMMANDS:
            module, attribute, _ = COMMANDS[cmd_name]
            return _load(module, attribute)
        for point in _find_services():
            if point.name == cmd_name:
                return _load(point.module, point.attr)
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with their lines of help, importing nothing."""
        rows = [
            (name, COMMANDS[name][2] if name in COMMANDS else SERVICES.get(name, ""))
            for name in self.list_commands(ctx)
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def main(self, args: Sequence[str] | None = None, *_: Any, **extra: Any) -> NoReturn:
        """Run, report and exit; click's own error printing is replaced."""
        arguments = list(sys.argv[1:] if args is None else args)
        extra["standalone_mode"] = False
        try:
            result = super().main(arguments, **extra)
            code = result if isinstance(result, int) else output.Exit.OK
        except (OyezError, click.ClickException, click.Abort, KeyboardInterrupt) as error:
            code = output.emit_error(error, as_json=_asks_json(arguments))
        except SystemExit as error:
            # click's answer to a reader that went away is 1, which is ours for a negative answer
            if not isinstance(error.__context__, BrokenPipeError):
                raise
            code = output.Exit.CLOSED
        except Exception as error:
            # the last net: a bug shows where it is, and still ends as documented
            traceback.print_exc()
            code = output.emit_error(error, as_json=_asks_json(arguments))
        sys.exit(code)


def _asks_json(arguments: list[str]) -> bool:
    """Tell whether `--json` was given, also where the rest could not be parsed."""
    head = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in head


def _find_services() -> list[metadata.EntryPoint]:
    return list(metadata.entry_points(group="oyez.commands"))


def _load(module: str, attribute: str) -> click.Command:
    """Import a command and give it, and all below it, the shared options.

    Raises:
        Fatal: what stands there is no command: the installation is damaged.
    """
    command = getattr(importlib.import_module(module), attribute, None)
    if not isinstance(command, click.Command):
        raise Fatal(f"{module}:{attribute} is no command: install the project again")
    below = list(command.commands.values()) if isinstance(command, click.Group) else [command]
    for item in below:
        settings.add_options(item)
    return command


@click.command(
    cls=Program,
    params=settings.build_options(),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(metadata.version("oyez"), prog_name="oyez")
def main() -> None:
    """Oyez: an optimistic rollup for prompts.

    Shared options may stand before or after a command's name. Exit codes: 0 done, 1 a negative
    answer, 2 bad input, 3 try again later, 4 stop, or a bug, then with a traceback.
    """


if __name__ == "__main__":
    main()
