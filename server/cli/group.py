"""The list of commands, and what every command does about errors."""

from __future__ import annotations

import importlib
import keyword
import os
from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType

import click
import grpc

from accelserve.kernels.errors import KernelError
from accelserve.server.cli.flag_sources import add_sources, former_names
from accelserve.server.cli.printable import printable
from accelserve.server.cli.termination import unwinding_when_terminated
from accelserve.server.errors import ServerError

# Command -> (module that holds a click command of the same name with '_' for '-', what the list of commands says).
COMMANDS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "sample": ("sample", "Write a small trained network and a few photographs to start with."),
        "serve": ("serve", "Answer TensorFlow Serving's protocol. Takes tensorflow_model_server's flags."),
        "convert": ("convert", "Make a quantized servable of a trained network."),
        "train-head": ("train_head", "Train a classifier of your own classes on a network's features."),
        "evaluate": ("evaluate", "Compare a model with the truth and with its float32 original."),
        "profile": ("profile", "Time every layer of a model."),
        "predict": ("predict", "Send pictures to a server and print what it sees."),
        "image": ("image", "Build, list and delete container images of a server with a model."),
        "bench": ("bench", "Measure how fast a server answers: latency, throughput, the knee."),
        "preprocess": ("preprocess", "Write what a network would see of a picture."),
        "models": ("models", "Register, label, copy and delete the versions of a model repository."),
        "pull": ("pull", "Download published weights of a network and verify them."),
        "import": ("import_", "Turn a trained network of PyTorch, Keras or TensorFlow into ONNX."),
        "deploy": ("deploy", "Run an image here, or write what runs it on an edge box or Kubernetes."),
        "fpga": ("fpga", "Build bitstreams; predict latency on a part."),
        "keys": ("keys", "Make, list and replace the keys that open a server."),
        "healthcheck": ("healthcheck", "Ask a server how it is; the exit code tells."),
        "devices": ("devices", "List the devices that networks can run on here."),
    }
)

# Package -> extra that brings it, for those that the 'server' extra does not.
_EXTRAS = {
    "safetensors": "convert",
    "h5py": "convert",
    "tf2onnx": "tensorflow",
    "tensorflow": "tensorflow",
    "sklearn": "heads",
    "matplotlib": "report",
    "onnxruntime": "peers",
    "hdrh": "bench",
    "urllib3": "bench",
    "s3fs": "s3",
    "yaml": "deploy",
    "opentelemetry": "otel",
    "ray": "ray",
}

# Packages that reach object stores, whose own errors are sentences: no credentials, no connection.
_STORES = frozenset(("aiobotocore", "aiohttp", "azure", "botocore", "gcsfs", "google"))


class _LazyGroup(click.Group):
    """Knows the commands' names; imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        name = cmd_name.replace("_", "-")
        return _loaded(name) if name in COMMANDS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand:  # click knows only commands that are loaded
            raise click.exceptions.NoSuchCommand(args[0], possibilities=COMMANDS, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@cache
def _loaded(name: str) -> click.Command:
    module, _ = COMMANDS[name]
    loaded = importlib.import_module(f"accelserve.server.cli.{module}")
    attribute = name.replace("-", "_")
    command = getattr(loaded, f"{attribute}_" if keyword.iskeyword(attribute) else attribute)
    if not isinstance(command, click.Command):
        raise TypeError(f"{module}.{name} is not a click command")
    add_sources(command, (name,), COMMANDS)
    return command


@click.group(
    cls=_LazyGroup,
    # TensorFlow Serving's flags have underscores; either spelling is taken, for every flag of every command.
    context_settings={
        **former_names(),
        "help_option_names": ["-h", "--help"],
        "max_content_width": 110,
    },
)
@click.version_option(package_name="accelserve", message="%(package)s %(version)s")
def accelserve() -> None:
    """Serve quantized image networks over TensorFlow Serving's protocol, on any CPU and on FPGAs."""


ENDS_WITH_COMMAND = "the process ends with the command"
"""The context's object where that is so; a program that runs a command in its own process goes on."""


def run(arguments: Sequence[str], *, process_ends: bool = False) -> int:
    """Run one command and return its exit code; SystemExit if SIGTERM or SIGHUP ends it.

    Args:
        arguments: the command's name first.
        process_ends: nothing else is done in this process afterwards.
    """
    ends = ENDS_WITH_COMMAND if process_ends else None
    try:
        with unwinding_when_terminated():
            code = accelserve.main(list(arguments), prog_name="accelserve", standalone_mode=False, obj=ends)
    except click.exceptions.Abort:
        return _fail("interrupted", 130)
    except click.exceptions.NoArgsIsHelpError as error:  # a group of commands by itself
        click.echo(error.message)
        return 0
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "accelserve"
        return _fail(f"{error.format_message()} Try '{command} --help'.", error.exit_code)
    except click.ClickException as error:
        return _fail(error.format_message(), error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python complains once more when it flushes
        return 1
    except Exception as error:
        sentence = _sentence(error)
        if sentence is None:
            raise
        return _fail(sentence, 1)
    return code if isinstance(code, int) else 0


def _sentence(error: Exception) -> str | None:
    """An error in words, or None for one that nobody foresaw."""
    if isinstance(error, ModuleNotFoundError):
        package = (error.name or "").partition(".")[0]
        if package == "accelserve":
            return None
        extra = _EXTRAS.get(package, "server")
        return f"the package '{package}' is missing; pip install 'accelserve[{extra}]'"
    if isinstance(error, grpc.RpcError) and isinstance(error, grpc.Call):
        return f"{error.code().name}: {error.details()}"
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}"
    if type(error).__module__.partition(".")[0] in _STORES:
        return str(error)
    ours = isinstance(error, KernelError | ServerError) or type(error).__module__.startswith("accelserve.")
    return str(error) if ours else None


def _fail(sentence: str, code: int) -> int:
    # A sentence may hold what a server or a file said.
    lines = (printable(line) for line in sentence.split("\n"))
    click.echo("accelserve: " + "\n".join(lines), err=True)
    return code
