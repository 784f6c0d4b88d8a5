"""Compiles `definitions/` into `generated/`; needs grpcio-tools (the extra `lint`).

    python -m accelserve.protos.compile            writes the files
    python -m accelserve.protos.compile --check    writes nothing, exits 1 if a file is missing, stale or superfluous

Both print the names of the files that differ.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from accelserve.protos.typing_stubs import module_name, runtime_module, typing_stub

ROOM = Path(__file__).parent
DEFINITIONS = ROOM / "definitions"
GENERATED = ROOM / "generated"


class CompileError(RuntimeError):
    """protoc refused the definitions.

    Attributes:
        output: what protoc wrote.
    """

    def __init__(self, output: str) -> None:
        super().__init__(f"protoc refused the files in {DEFINITIONS}:\n{output}")
        self.output = output


def descriptor_set() -> bytes:
    """All definitions with everything they import, as a serialised FileDescriptorSet; a file follows its imports.

    Raises:
        CompileError: a definition is wrong.
    """
    sources = sorted(path.relative_to(DEFINITIONS).as_posix() for path in DEFINITIONS.rglob("*.proto"))
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / "descriptors.binpb"
        options = [f"--proto_path={DEFINITIONS}", "--include_imports", f"--descriptor_set_out={target}"]
        # A process of its own: protoc as a library ends the whole process on some errors.
        command = [sys.executable, "-m", "grpc_tools.protoc", *options, *sources]
        result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
        if result.returncode != 0:
            raise CompileError(result.stderr)
        return target.read_bytes()


def generated_files() -> dict[str, bytes]:
    """What `generated/` should hold: the content of each file by its name."""
    serialized = descriptor_set()
    files = {"descriptors.binpb": serialized}
    by_package: dict[str, FileDescriptorSet] = {}
    for file in FileDescriptorSet.FromString(serialized).file:
        by_package.setdefault(file.package, FileDescriptorSet()).file.append(file)
    files["__init__.py"] = b'"""Written by accelserve.protos.compile."""\n'
    for package, contents in by_package.items():
        files[f"{module_name(package)}.py"] = runtime_module(package, contents).encode()
        files[f"{module_name(package)}.pyi"] = typing_stub(package, contents).encode()
    return files


def differences(wanted: dict[str, bytes]) -> list[str]:
    """Names of the files in `generated/` that are missing, stale or superfluous."""
    present = {path.name: path.read_bytes() for path in GENERATED.iterdir() if path.is_file()}
    return sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))


def main(arguments: list[str]) -> int:
    """Writes or checks; the process' exit code."""
    wanted = generated_files()
    changed = differences(wanted)
    for name in changed:
        print(name)
    if "--check" in arguments:
        return 1 if changed else 0
    for name in changed:
        if name in wanted:
            (GENERATED / name).write_bytes(wanted[name])
        else:
            (GENERATED / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
