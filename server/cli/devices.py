"""``accelserve devices``."""

from __future__ import annotations

import click


@click.command
def devices() -> None:
    """List the devices that networks can run on here, and why the others cannot."""
    from accelserve.kernels.devices.discovery import device_kinds, open_device
    from accelserve.kernels.errors import DeviceError

    for kind in device_kinds():
        try:
            device = open_device(kind)
        except (DeviceError, ImportError) as error:
            click.echo(f"{kind}: not available: {error}")
        else:
            click.echo(f"{device.name}")
