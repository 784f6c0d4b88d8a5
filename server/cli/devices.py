"""``accelserve devices``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command
@click.option(
    "--lease_folder",
    type=Path,
    show_default="this user's",
    help="Where the devices' locks are, as given to servers: says who holds a device.",
)
def devices(lease_folder: Path | None) -> None:
    """List what networks can run on here: the processor, every OpenCL device, and what would be used and why."""
    from accelserve.kernels.devices.discovery import device_kinds, open_device
    from accelserve.kernels.errors import DeviceError

    for kind in device_kinds():
        try:
            device = open_device(kind)
        except (DeviceError, ImportError) as error:
            click.echo(f"{kind}: not available: {error}")
        else:
            click.echo(f"{device.name}{_detail(device)}")
    _list_opencl(lease_folder)


def _detail(device: object) -> str:
    """The processor's instruction set, where the device has one."""
    instruction_set = getattr(device, "isa", None)
    return f": {instruction_set.name}" if instruction_set is not None else ""


def _list_opencl(lease_folder: Path | None) -> None:
    from accelserve.kernels.opencl.runtime.discovery import discover
    from accelserve.kernels.opencl.runtime.lease import default_lease_folder, lease_holder
    from accelserve.kernels.opencl.runtime.platforms import DeviceKind

    found = discover()
    for device in found:
        holder = lease_holder(device, lease_folder or default_lease_folder())
        channels = "channels" if device.channels else "no channels"
        click.echo(
            f"{device.line}: {channels}, {device.memory_bytes >> 20} MiB{holder and f', held by {holder}'}"
        )
    boards = [device for device in found if device.kind is DeviceKind.BOARD]
    emulators = [device for device in found if device.kind is DeviceKind.EMULATOR]
    if boards:
        click.echo(f"--device auto and --device fpga take {boards[0].selector}, a board.")
    elif emulators:
        click.echo(
            f"--device fpga takes {emulators[0].selector}, an emulator; --device auto takes the cpu, which is faster."
        )
    else:
        click.echo(
            "--device auto takes the cpu: there is no FPGA. For an emulator: pip install 'accelserve[fpga-emulator]'"
        )
