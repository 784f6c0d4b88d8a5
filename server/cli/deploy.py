"""``accelserve deploy``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from accelserve.server.cli.deployed_files import keys_content, pair_content, serve_flags
from accelserve.server.cli.deployments import (
    JSON,
    REPOSITORY,
    delete_options,
    deleted,
    describe,
    recorded,
)
from accelserve.server.cli.repository_option import repository_option

if TYPE_CHECKING:
    from accelserve.deployment.files import RenderedFile
    from accelserve.deployment.service import Service

F = TypeVar("F", bound=Callable[..., Any])
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group
def deploy() -> None:
    """Run an image on this machine, or write what runs it on an edge box or on Kubernetes; list, take down."""


_SERVICE = (
    click.argument("name"),
    click.option("--image", help="That is run, with its tag."),
    repository_option(f"{REPOSITORY} Nothing is recorded without it.", default=""),
    click.option(
        "--output", type=click.Path(path_type=Path), help="Folder for the files; ./NAME if not given."
    ),
    click.option("--replace", is_flag=True, help="Write over what the folder holds."),
    click.option(
        "--device",
        type=click.Choice(["cpu", "fpga"]),
        default="cpu",
        show_default=True,
        help="What the image was built for.",
    ),
    click.option(
        "--device-options", default="", help="Of '--device fpga:', such as bitstream=/bitstreams/engine."
    ),
    click.option(
        "--others",
        type=click.Choice(["refuse", "queue", "cpu"]),
        default="refuse",
        show_default=True,
        help="What is done about an FPGA that another server has.",
    ),
    click.option(
        "--lease-folder",
        default="/var/lib/accelserve/leases",
        show_default=True,
        help="On the machine: shared by all that share its FPGA.",
    ),
    click.option("--port", "grpc_port", default=8500, show_default=True, help="Of gRPC."),
    click.option("--rest-api-port", "rest_port", default=8501, show_default=True, help="Of HTTP."),
    click.option(
        "--drain-timeout-seconds",
        default=30.0,
        show_default=True,
        help="From the order to stop to cutting requests off.",
    ),
    click.option(
        "--env", "environment", multiple=True, help="NAME=VALUE for the server's process; repeatable."
    ),
    click.option(
        "--flag",
        "flags",
        multiple=True,
        help="Further one of 'accelserve serve', --max_images=32; repeatable.",
    ),
    JSON,
)


def _service_options(command: F) -> F:
    command = delete_options(command)
    for option in reversed(_SERVICE):
        command = option(command)
    return command


def _service(flags: dict[str, Any], **more: Any) -> Service:
    from accelserve.deployment.service import Service

    names = ("name", "image", "device", "device_options", "others", "lease_folder", "grpc_port", "rest_port")
    given = {name: flags[name] for name in (*names, "drain_timeout_seconds")}
    environment = dict(_pair("--env", each) for each in flags["environment"])
    return Service(**given, environment=environment, flags=serve_flags(flags["flags"]), **more)


def _write(
    flags: dict[str, Any], kind: Literal["edge", "kubernetes"], rendered: dict[str, RenderedFile]
) -> None:
    from accelserve.deployment.files import write_rendered

    folder = flags["output"] or Path(flags["name"])
    with recorded(flags, kind, folder):
        write_rendered(rendered, folder, replace=flags["replace"])
    if flags["as_json"]:
        files = [str(folder / name) for name in rendered]
        click.echo(json.dumps({"name": flags["name"], "folder": str(folder), "files": files}))
        return
    for name in rendered:
        click.echo(f"wrote {folder / name}")


@deploy.command
@_service_options
@click.option("--models-folder", default="", help="Of the box, served instead of the image's own.")
@click.option("--device-file", "device_files", multiple=True, help="Device node of the FPGA; repeatable.")
@click.option(
    "--mount", "mounts", multiple=True, help="Further SOURCE:TARGET that the container reads; repeatable."
)
@click.option("--auth-keys-file", default="", help="On the box: keys that open the server.")
@click.option("--tls-key", default="", help="On the box: PEM file; TLS on both ports.")
@click.option("--tls-certificate", default="", help="On the box: PEM file.")
@click.option(
    "--watchdog-seconds", default=60, show_default=True, help="Longer than the largest batch takes."
)
@click.option("--drain-delay-seconds", default=0.0, show_default=True, help="Until new requests are refused.")
def edge(**flags: Any) -> None:
    """Write a compose file and a systemd unit that run an image on one box.

    Exit code 0: written, or there already, the very same; 1: a name, a port or a folder cannot be, or is taken; 2: usage.
    """
    if deleted(flags, ("edge",)):
        return
    from accelserve.deployment.edge.configuration import EdgeConfiguration
    from accelserve.deployment.edge.render import render_edge

    service = _service(
        flags, models_folder=flags["models_folder"], drain_delay_seconds=flags["drain_delay_seconds"]
    )
    configuration = EdgeConfiguration(
        service=service,
        device_files=flags["device_files"],
        mounts=tuple(_mount(each) for each in flags["mounts"]),
        keys_file=flags["auth_keys_file"],
        tls_key=flags["tls_key"],
        tls_certificate=flags["tls_certificate"],
        watchdog_seconds=flags["watchdog_seconds"],
    )
    _write(flags, "edge", render_edge(configuration))


def _mount(text: str) -> Any:
    from accelserve.deployment.edge.configuration import Mount

    source, colon, target = text.partition(":")
    if not colon:
        raise click.UsageError(f"--mount '{text}': expected SOURCE:TARGET.")
    return Mount(source, target)


@deploy.command
@_service_options
@click.option("--namespace", default="", help="That the objects belong to; the one applied to, if not given.")
@click.option("--replicas", default=2, show_default=True, help="At least.")
@click.option("--max-replicas", default=10, show_default=True, help="At most; as --replicas: no autoscaler.")
@click.option(
    "--queue-seconds", default=0.05, show_default=True, help="Mean wait above which a replica is added."
)
@click.option("--cpu", default="1", show_default=True, help="Cores that a replica asks for.")
@click.option(
    "--memory", default="1Gi", show_default=True, help="That a replica asks for and may not exceed."
)
@click.option("--device-resource", default="", help="FPGA, as the cluster's device plugin calls it.")
@click.option("--node-selector", "selectors", multiple=True, help="KEY=VALUE of nodes; repeatable.")
@click.option("--models-folder", default="", help="Of every node, served instead of the image's own.")
@click.option("--keys-secret", default="", help="Secret of the cluster that has keys.json.")
@click.option("--tls-secret", default="", help="Secret of the cluster, of type kubernetes.io/tls.")
@click.option("--auth-keys-file", type=_FILE, help="Keys to write as a Secret.")
@click.option("--tls-key", type=_FILE, help="PEM file to write as a Secret.")
@click.option("--tls-certificate", type=_FILE, help="PEM file to write as a Secret.")
@click.option("--host-network", is_flag=True, help="The pods' ports are their node's.")
@click.option(
    "--pull-policy",
    type=click.Choice(["IfNotPresent", "Always", "Never"]),
    default="IfNotPresent",
    show_default=True,
    help="Of the image.",
)
@click.option(
    "--drain-delay-seconds",
    default=5.0,
    show_default=True,
    help="Until new requests are refused: what clients take to notice.",
)
@click.option("--kserve-storage", help="Write for KServe instead; URI of the model's folder.")
def kubernetes(**flags: Any) -> None:
    """Write manifests for Kubernetes, or for KServe.

    Exit code 0: written, or there already, the very same; 1: a name, a quantity or a folder cannot be, or is taken; 2: usage.
    """
    if deleted(flags, ("kubernetes",)):
        return
    from accelserve.deployment.kubernetes.configuration import KubernetesConfiguration
    from accelserve.deployment.kubernetes.render import render_kserve, render_kubernetes

    service = _service(
        flags, models_folder=flags["models_folder"], drain_delay_seconds=flags["drain_delay_seconds"]
    )
    same = ("namespace", "replicas", "max_replicas", "queue_seconds", "cpu", "memory", "device_resource")
    also = ("keys_secret", "tls_secret", "host_network", "pull_policy")
    pair = pair_content(flags["tls_key"], flags["tls_certificate"])
    configuration = KubernetesConfiguration(
        service=service,
        node_selector=dict(_pair("--node-selector", each) for each in flags["selectors"]),
        keys=keys_content(flags["auth_keys_file"]),
        tls_key=pair[0],
        tls_certificate=pair[1],
        **{name: flags[name] for name in (*same, *also)},
    )
    storage = flags["kserve_storage"]
    rendered = render_kubernetes(configuration) if storage is None else render_kserve(configuration, storage)
    _write(flags, "kubernetes", rendered)


def _pair(flag: str, text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"{flag} '{text}': expected KEY=VALUE.")
    return key, value


@deploy.command
@click.argument("name")
@click.option("--image", help="That the repository records, with its tag.")
@repository_option(REPOSITORY)
@click.option(
    "--engine",
    type=click.Choice(["auto", "docker", "podman", "process"]),
    default="auto",
    show_default=True,
    help="What carries it: the engine that has the image; a plain server process for an image layout.",
)
@click.option("--port", default=0, show_default="a free one", help="Of gRPC.")
@click.option("--rest-api-port", "rest_port", default=0, show_default="a free one", help="Of HTTP.")
@click.option("--flag", "flags", multiple=True, help="Further one of 'accelserve serve'; repeatable.")
@click.option("--auth-keys-file", type=_FILE, help="Keys that open the server.")
@click.option("--tls-key", type=_FILE, help="PEM file; TLS on both ports.")
@click.option("--tls-certificate", type=_FILE, help="PEM file.")
@click.option("--wait", default=300.0, show_default=True, help="Seconds until it has to answer.")
@JSON
@delete_options
def local(**flags: Any) -> None:
    """Run an image on this machine until it is deleted; returns when it answers.

    Exit code 0: it answers; 1: it does not, and nothing of it is left; 2: usage.
    """
    if deleted(flags, ("container", "process")):
        return
    from accelserve.deployment.webservices.webservice import Webservice

    service = Webservice.deploy_from_image(
        flags["repository"],
        flags["name"],
        flags["image"],
        engine=flags["engine"],
        port=flags["port"],
        rest_port=flags["rest_port"],
        flags=serve_flags(flags["flags"]),
        auth_keys_file=flags["auth_keys_file"],
        tls_key=flags["tls_key"],
        tls_certificate=flags["tls_certificate"],
        wait_seconds=flags["wait"],
    )
    if flags["as_json"]:
        click.echo(json.dumps(describe(service)))
    else:
        click.echo(f"{service.name} answers at {service.scoring_address} and {service.scoring_uri}")


@deploy.command("list")
@repository_option(REPOSITORY)
@click.option("--model", help="Of which alone.")
@JSON
def list_(repository: str, model: str | None, as_json: bool) -> None:
    """List what is deployed, and how it is: Healthy, Transitioning, Failed, or Unknown on another machine."""
    from accelserve.deployment.webservices.webservice import Webservice
    from accelserve.server.cli.tables import print_rows

    found = [describe(each) for each in Webservice.list(repository, model)]
    if as_json:
        click.echo(json.dumps(found))
        return
    columns = ("name", "kind", "state", "image", "address", "files")
    print_rows(columns, (), [[str(each[column]) for column in columns] for each in found])
