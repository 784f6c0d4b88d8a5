"""The flags of ``accelserve bench`` as what shall be measured; click.UsageError where they do not go together."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import click

from accelserve.loadgen.pictures import (
    DEFAULT_SIZES,
    contents_of,
    decoded,
    of_files,
    pixel_tensor,
    resized,
    size_mix,
)
from accelserve.loadgen.plan import HTTP_SCHEMES, Closed, Load, Open, Pictures, PixelTensor, Target, TlsFiles
from accelserve.loadgen.run import Wish
from accelserve.models.samples import sample_photographs
from accelserve.server.cli.predict import files_in
from accelserve.server.cli.server_options import tls_given, with_port


def wish_of(given: dict[str, Any]) -> Wish:
    """The measurement that the flags, by their names, ask for."""
    load = _load(given)
    target = _target(given)
    return Wish(
        target=target,
        pictures=_pictures(given, target.pixels),
        batch_size=given["batch_size"],
        load=load,
        is_ramp=given["ramp"],
        seconds=given["duration"],
        warm_up_seconds=given["warm_up"],
        deadline_ms=given["deadline"],
        processes=given["processes"],
        seed=given["seed"],
        metrics=given["metrics"],
    )


def _load(given: dict[str, Any]) -> Load:
    """Of the only step, or what a ramp climbs from or to."""
    callers, rate = given["callers"], given["rate"]
    if callers is not None and rate is not None:
        raise click.UsageError("--callers and --rate are two loads: give one.")
    if callers is not None and given["ramp"]:
        raise click.UsageError("--ramp decides how many callers there are, up to --max_callers.")
    if rate is not None:
        return Open(rate=rate, max_in_flight=given["max_in_flight"])
    return Closed(callers=given["max_callers"] if given["ramp"] else callers or 1)


def _pictures(given: dict[str, Any], pixels: PixelTensor | None) -> Pictures:
    images, sizes, limit, seed = (given[name] for name in ("images", "sizes", "limit", "seed"))
    if images is not None and sizes is not None:
        raise click.UsageError(
            "--sizes is for the photographs of the package; those of --images are sent as they are."
        )
    if pixels is not None and sizes is not None:
        raise click.UsageError("--sizes is for encoded pictures; --pixels says how large its tensors are.")
    if pixels is not None:
        own = None if images is None else contents_of(files_in(images), str(images), limit)
        return decoded(sample_photographs() if own is None else own, pixels)
    if images is not None:
        return of_files(files_in(images), str(images), limit)
    try:
        mix = size_mix(DEFAULT_SIZES if sizes is None else sizes)
    except ValueError as error:
        raise click.UsageError(f"--sizes: {error}.") from error
    return resized(sample_photographs(), mix, seed)


def _target(given: dict[str, Any]) -> Target:
    address = given["address"]
    address = _http_address(address) if address.startswith(HTTP_SCHEMES) else with_port(address)
    tls = _tls(given)
    if tls is not None and address.startswith("http://"):
        raise click.UsageError(f"{address} is plain text; with TLS it begins with https://.")
    try:
        return Target(
            address=address,
            api=given["api"],
            model=given["model"],
            version=given["version"],
            signature=given["signature"],
            input_name=given["input_name"],
            pixels=_pixels(given["pixels"]),
            token=given["token"],
            tls=tls,
            timeout_seconds=given["timeout"],
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _http_address(address: str) -> str:
    """The address without a slash at its end; click.UsageError for more than scheme, host and port."""
    expected = "expected http://HOST:PORT or https://HOST:PORT"
    try:
        parts = urlsplit(address)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise click.UsageError(f"{address}: {error}; {expected}.") from error
    if not host:
        raise click.UsageError(f"{address} has no host; {expected}.")
    if parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None:
        raise click.UsageError(f"{address} has more than an address; {expected}, the API's paths are known.")
    return f"{parts.scheme}://{parts.netloc}"


def _pixels(text: str | None) -> PixelTensor | None:
    if text is None:
        return None
    try:
        return pixel_tensor(text)
    except ValueError as error:
        raise click.UsageError(f"--pixels: {error}.") from error


def _tls(given: dict[str, Any]) -> TlsFiles | None:
    flags = {name: value for name, value in given.items() if name == "tls" or name.startswith("tls_")}
    if tls_given(**flags) is None:
        return None
    return TlsFiles(
        ca=given["tls_ca"],
        key=given["tls_client_key"],
        certificate=given["tls_client_certificate"],
        server_name=given["tls_server_name"],
    )
