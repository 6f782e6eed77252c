"""What every command shares: the options before or after its name, and what follows from them.

Home      `$OYEZ_HOME`, else `~/.oyez`: holds `deployment.json`, `key.json` and `transactions`.
Profile   the deployment file in the home; `--deployment FILE` stands in its place.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from oyez.protocol.errors import Fatal, Invalid

if TYPE_CHECKING:
    from oyez.chain.deployment import Deployment
    from oyez.chain.keys import Key
    from oyez.client import Client

Command = TypeVar("Command", bound=click.Command)


@dataclass(slots=True)
class Settings:
    """Values of the shared options; None where the user gave none.

    Attributes:
        json: print one JSON object on the last line of standard output.
        deployment: file to read in place of the home's `deployment.json`.
        rpc: address to use in place of the deployment's `rpc`.
        keystore: encrypted key file to use in place of the home's `key.json`.
        sequencer: address of the sequencer's service, for what is not posted yet.
        model: GGUF file to use in place of the installed one.
    """

    json: bool = False
    deployment: Path | None = None
    rpc: str | None = None
    keystore: Path | None = None
    sequencer: str | None = None
    model: Path | None = None


def get_settings(context: click.Context) -> Settings:
    """Return the one settings object of this run."""
    root = context.find_root()
    if not isinstance(root.obj, Settings):
        root.obj = Settings()
    return root.obj


def _store(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    # Any: click hands over whatever the option's type converts to
    if value is not None and value is not False and parameter.name is not None:
        setattr(get_settings(context), parameter.name.removeprefix("shared_"), value)


def build_options() -> list[click.Option]:
    """Return the shared options; they may stand before or after the command's name."""
    common: dict[str, Any] = {"expose_value": False, "callback": _store}
    path = click.Path(path_type=Path)
    return [
        click.Option(
            ["--json", "shared_json"],
            is_flag=True,
            help="Print one JSON object on the last line.",
            **common,
        ),
        click.Option(
            ["--deployment", "shared_deployment"],
            type=path,
            help="Deployment file  [default: $OYEZ_HOME/deployment.json].",
            **common,
        ),
        click.Option(
            ["--rpc", "shared_rpc"],
            metavar="URL",
            help="Chain address in place of the deployment's.",
            **common,
        ),
        click.Option(
            ["--keystore", "shared_keystore"],
            type=path,
            help="Encrypted key file  [default: $OYEZ_HOME/key.json].",
            **common,
        ),
        click.Option(
            ["--sequencer", "shared_sequencer"],
            metavar="URL",
            envvar="OYEZ_SEQUENCER",
            help="The sequencer's service, for what is not posted yet.",
            **common,
        ),
        click.Option(
            ["--model", "shared_model"],
            type=path,
            help="GGUF file in place of the installed one.",
            **common,
        ),
    ]


def add_options(command: Command) -> Command:
    """Add the shared options that a command does not define itself."""
    taken = {name for parameter in command.params for name in parameter.opts}
    for option in build_options():
        if not taken & set(option.opts):
            command.params.append(option)
    return command


def get_home() -> Path:
    """Return the folder of the profile and the key."""
    home = os.environ.get("OYEZ_HOME")
    return Path(home) if home else Path.home() / ".oyez"


def load_deployment(settings: Settings) -> Deployment:
    """Read the deployment file and put `--rpc` in place.

    Rule: CLI-3

    Raises:
        Invalid: there is no such file, or it does not describe a deployment.
    """
    from oyez.chain import deployment as deployments
    from oyez.chain import urls

    path = settings.deployment or get_home() / "deployment.json"
    if not path.is_file():
        raise Invalid(
            "CLI-3",
            f"no deployment file at {path}: give --deployment FILE, or copy the deployment's "
            "JSON there",
        )
    found = deployments.load_deployment(path)
    if settings.rpc is None:
        return found
    urls.verify_url(settings.rpc, "--rpc")
    return replace(found, rpc=settings.rpc)


def has_key() -> bool:
    """Tell whether a key is at hand without asking anybody: it says whose cell is meant.

    What only reads goes on without a key that is none.
    """
    from oyez.chain import keys

    if not os.environ.get(keys.KEY_VARIABLE):
        return False
    try:
        keys.load_key(None, os.environ)
    except Fatal as error:
        click.echo(f"oyez: {error}; reading without a key", err=True)
        return False
    return True


def load_key(settings: Settings) -> Key:
    """Return the key of `--keystore`, else of OYEZ_KEY, else of the home's `key.json`.

    Rule: CLI-4

    Raises:
        Fatal: there is no key, or the keystore's password is wrong.
    """
    from oyez.chain import keys

    stored = get_home() / "key.json"
    path = settings.keystore
    if path is None and not os.environ.get(keys.KEY_VARIABLE) and stored.is_file():
        path = stored
    return keys.load_key(path, os.environ, prompt=_ask_password if sys.stdin.isatty() else None)


def _ask_password(text: str) -> str:
    return str(click.prompt(text.rstrip(": "), hide_input=True, err=True))


def build_client(
    settings: Settings,
    *,
    signing: bool = False,
    journal: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> Client:
    """Return an SDK client for this run; the key is read only when something is signed.

    With `journal` what was signed is kept in the home, over this command's end; a command that
    only reads makes no home.
    """
    from oyez.client import Client

    folder = get_home() / "transactions"
    client = Client(
        load_deployment(settings),
        key=load_key(settings) if signing else None,
        sequencer=settings.sequencer,
        model=settings.model,
        journal=folder if journal and (signing or folder.is_dir()) else None,
        report=report,
    )
    click.get_current_context().call_on_close(client.records.close)
    return client


def pass_settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the run's settings as its first argument."""

    @click.pass_context
    def wrapped(context: click.Context, *args: Any, **kwargs: Any) -> Any:
        return function(get_settings(context), *args, **kwargs)

    wrapped.__doc__ = function.__doc__
    wrapped.__name__ = function.__name__
    if hasattr(function, "__click_params__"):
        wrapped.__click_params__ = function.__click_params__  # type: ignore[attr-defined]  # click's own mark
    return wrapped
