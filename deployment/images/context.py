"""The build context of an image: a folder with a Dockerfile and all that it copies.

Three stages, of one base image: the Python packages, from wheels; compiled kernels, on top of those; and the image, which
copies what the two made and runs nothing itself. No step needs a shell or a network.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from accelserve.deployment.errors import OutputError
from accelserve.deployment.images import install_packages, wheelhouse
from accelserve.deployment.images.configuration import ImageConfiguration
from accelserve.deployment.images.labels import model_labels
from accelserve.deployment.images.names import ModelVersion
from accelserve.deployment.images.sbom import bill_of_materials

USER = 10001
"""Of the server in the container, and its group."""
GRPC_PORT, REST_PORT = 8500, 8501
MODELS = "/models"
CACHE = "/var/cache/accelserve"
ENVIRONMENT = "/opt/accelserve"
SBOM = "/usr/share/accelserve/sbom.cdx.json"

_PYTHON = f"{ENVIRONMENT}/bin/python"
_COMMAND = f"{ENVIRONMENT}/bin/accelserve"
_HEALTHCHECK = "--interval=10s --timeout=30s --start-period=2m --retries=3"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildContext:
    """What an image is made of.

    Attributes:
        image: name with tag.
        model: that the kernels are compiled for, and that is baked in unless the configuration says otherwise.
        configuration: everything else.
    """

    image: str
    model: ModelVersion
    configuration: ImageConfiguration

    def write(self, folder: Path) -> None:
        """Write the context.

        Args:
            folder: is made, unless it is there and empty.

        Raises:
            PackagesError: the packages cannot be gathered.
            OutputError: the folder cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            wheels = self._write_packages(folder)
            model = folder / "models" / self.model.name / str(self.model.version)
            model.mkdir(parents=True)
            for name, path in self.model.files.items():
                (model / name).parent.mkdir(exist_ok=True)
                shutil.copyfile(path, model / name)
            baked = self.model if self.configuration.bake_model else None
            bill = bill_of_materials(self.image, self.configuration.base, wheels, baked)
            (folder / "sbom.cdx.json").write_bytes(bill)
            (folder / "Dockerfile").write_text(self.dockerfile(bill), encoding="utf-8")
            for path in (folder, *folder.rglob("*")):
                path.chmod(0o755 if path.is_dir() else 0o644)  # copied with their modes, for another user
        except OSError as error:
            raise OutputError(f"{error.filename or folder}: {error.strerror or error}") from error

    def _write_packages(self, folder: Path) -> list[Path]:
        wheels = folder / "wheels"
        wheels.mkdir()
        if self.configuration.wheels is not None:
            wheelhouse.take(self.configuration.wheels, wheels)
        else:
            wheelhouse.gather(wheels, self._extras(), self.configuration.wheel)
        installer = folder / "installer"
        installer.mkdir()
        (pip,) = wheels.glob("pip-*.whl")
        pip.rename(installer / "pip.whl")
        shutil.copy(install_packages.__file__, installer / "install_packages.py")
        return sorted(wheels.glob("*.whl"))

    def _extras(self) -> tuple[str, ...]:
        return ("server", *self.configuration.extras)

    def labels(self, bill: bytes) -> dict[str, str]:
        """What the image says about itself; ``bill`` is its bill of materials."""
        return {
            "org.opencontainers.image.title": self.image,
            "org.opencontainers.image.base.name": self.configuration.base,
            **model_labels(self.model),
            "accelserve.model.baked": "true" if self.configuration.bake_model else "false",
            "accelserve.device": self.configuration.device,
            "accelserve.sbom": SBOM,
            "accelserve.sbom.sha256": hashlib.sha256(bill).hexdigest(),
            **self.configuration.labels,
        }

    def dockerfile(self, bill: bytes) -> str:
        """The Dockerfile's text."""
        settings, labels = self.configuration, self.labels(bill)
        installed = f"accelserve[{','.join(self._extras())}]"
        install = [
            "python3",
            "/installer/install_packages.py",
            "/installer/pip.whl",
            "/wheels",
            ENVIRONMENT,
            installed,
        ]
        keep = "all" if settings.bake_model else "code"
        directory = f"{MODELS}/{self.model.name}/{self.model.version}"
        threads = ",".join(map(str, settings.threads))
        bake = [
            _PYTHON, "-m", "accelserve.deployment.images.compile_kernels",
            CACHE, ",".join(settings.instruction_sets), threads, keep, directory,
        ]  # fmt: skip
        environment = {
            "PATH": f"{ENVIRONMENT}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHONDONTWRITEBYTECODE": "1",
            "MODEL_NAME": self.model.name,
            "MODEL_BASE_PATH": MODELS,
            "ACCELSERVE_SERVE_DEVICE": settings.device,
            "ACCELSERVE_SERVE_REST_API_PORT": str(REST_PORT),
            "ACCELSERVE_SERVE_CACHE_DIR": CACHE,
        }
        return "\n".join(
            [
                "# An accelserve server, by 'accelserve image build'.",
                f"ARG BASE_IMAGE={settings.base}",
                "",
                "FROM ${BASE_IMAGE} AS packages",
                "COPY installer/ /installer/",
                "COPY wheels/ /wheels/",
                f"RUN {json.dumps(install)}",
                "",
                "FROM packages AS kernels",
                f"COPY models/ {MODELS}/",
                f"RUN {json.dumps(bake)}",
                "",
                "FROM ${BASE_IMAGE}",
                f"COPY --from=packages {ENVIRONMENT}/ {ENVIRONMENT}/",
                f"COPY --from=kernels {CACHE}/ {CACHE}/",
                f"COPY sbom.cdx.json {SBOM}",
                *([f"COPY models/ {MODELS}/"] if settings.bake_model else [f"VOLUME {json.dumps([MODELS])}"]),
                _instruction("ENV", [f"{name}={_quoted(value)}" for name, value in environment.items()]),
                _instruction(
                    "LABEL", [f"{_quoted(name)}={_quoted(value)}" for name, value in labels.items()]
                ),
                f"USER {USER}:{USER}",
                "WORKDIR /",
                f"EXPOSE {GRPC_PORT} {REST_PORT}",
                "STOPSIGNAL SIGTERM",
                f"HEALTHCHECK {_HEALTHCHECK} CMD {json.dumps([_COMMAND, 'healthcheck'])}",
                f"ENTRYPOINT {json.dumps([_COMMAND, 'serve'])}",
                "",
            ]
        )


def _instruction(name: str, arguments: Sequence[str]) -> str:
    """One instruction of several lines."""
    return " \\\n    ".join([f"{name} {arguments[0]}", *arguments[1:]])


def _quoted(text: str) -> str:
    """As a Dockerfile quotes: it would put a variable where a dollar stands."""
    return json.dumps(text, ensure_ascii=False).replace("$", "\\$")
