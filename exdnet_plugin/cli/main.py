"""The command `exdnet`. Subcommands are imported when they are called, so that help answers at once."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

from exdnet_plugin import __version__
from exdnet_plugin.errors import ExdnetError, PluginError

_COMMANDS = {
    "enhance": "Brighten video files and photos.",
    "stream": "Brighten a live stream.",
    "preview": "Before and after in the browser.",
    "demo": "Make a dark clip and brighten it.",
    "pipe": "Brighten raw video between two FFmpeg commands.",
    "evaluate": "How good results are: of pairs, pictures and videos.",
    "train": "Train weights on paired folders.",
    "export": "Write the network as ONNX, OpenVINO or a PyTorch program.",
    "bench": "Measure speed, memory and flicker on this machine.",
    "processors": "List the frame processors and their options.",
    "plugins": "List the plugins, and what is wrong with broken ones.",
    "filters": "List host applications, and put our filter into them.",
    "info": "Show facts of this installation, a file, or the weights.",
}

_DEBUG = "EXDNET_DEBUG"


class _Commands(click.Group):
    """Commands by name, each in its own module with a function of the same name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"exdnet_plugin.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            near = get_close_matches(args[0], _COMMANDS, 1)
            which = f"did you mean {near[0]}?" if near else f"there are {', '.join(_COMMANDS)}"
            raise click.UsageError(f"there is no command {args[0]!r}; {which}", ctx) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="exdnet")
def exdnet() -> None:
    """Brighten dark video and photos with ExdNet, the Exposure Difference Network."""


def main() -> None:
    """Entry point: what goes wrong is one line on stderr and exit code 2; EXDNET_DEBUG=1 puts its traceback before."""
    # Before torch is imported: OpenMP threads that spin long while they wait take the cores from decoding and encoding,
    # and on a busy machine everything takes many times as long.
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    os.environ.setdefault("SVT_LOG", "1")  # errors alone: SVT-AV1 tells forty lines of each encoder that is opened
    try:
        sys.exit(exdnet.main(prog_name="exdnet", standalone_mode=False) or 0)
    except (click.exceptions.Abort, KeyboardInterrupt) as error:
        cause = error.__cause__ or error
        _end(_with_notes("stopped", cause), 128 + (cause.args[0] if cause.args else signal.SIGINT))
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "")
        sys.exit()
    except click.MissingParameter as error:
        _end(f"{error.format_message().rstrip('.')}; {_usage(error.ctx)}", 2)
    except click.NoSuchOption as error:
        meant = next((name for name in sys.argv[1:] if name.startswith("-") and os.path.exists(name)), None)
        _end(error.format_message() + (f" To name the file, write ./{meant}" if meant else ""), 2)
    except click.ClickException as error:
        _end(error.format_message(), 2)
    except PluginError as error:
        hint = f"; {_DEBUG}=1 in the environment shows the traceback" if error.__cause__ else ""
        _end(_with_notes(f"{error}{hint}", error), 2)
    except (ExdnetError, ValueError) as error:
        _end(_with_notes(str(error), error), 2)
    except OSError as error:
        _end(f"{error.filename or 'a file'}: {error.strerror or error}", 2)


def _usage(context: click.Context | None) -> str:
    """How a command is called."""
    return f"{context.get_usage()}. {context.command_path} --help says more" if context else "see --help"


def _with_notes(message: str, error: BaseException) -> str:
    return "; ".join([message, *getattr(error, "__notes__", [])])


def _end(message: str, code: int) -> None:
    if os.environ.get(_DEBUG):
        traceback.print_exc()
    line = " ".join(str(message).split())
    click.echo(f"exdnet: {line}", err=True)
    sys.exit(code)
