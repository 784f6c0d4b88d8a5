"""``Image``: built from a model version of a repository, listed, deleted. The names are near the Azure SDK's."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self
from urllib.parse import quote

from accelserve.deployment.errors import DeploymentError, ImageExistsError, NoEngineError, OutputError
from accelserve.deployment.images.configuration import ImageConfiguration
from accelserve.deployment.images.context import BuildContext
from accelserve.deployment.images.engine import ENGINES, Engine, find_engine
from accelserve.deployment.images.labels import model_labels
from accelserve.deployment.images.names import ModelVersion, image_name, model_version
from accelserve.deployment.images.oci_layout import remove_layout, write_layout
from accelserve.models.registry.documents import FOLDER
from accelserve.models.registry.records import ImageRecord, Records
from accelserve.models.repository.location import local_path

_OCI = "oci:"
_NO_ENGINE = "--context DIR writes what to build elsewhere, --output oci:DIR the model alone"


class HasId(Protocol):
    """Such as ``accelserve.Model``."""

    @property
    def id(self) -> str:
        """``NAME:VERSION``."""


Models = str | HasId | Sequence[str | HasId]


def _only(models: Models) -> str:
    """The reference of the one model; DeploymentError if they are none or several."""
    if isinstance(models, Sequence) and not isinstance(models, str):
        if len(models) != 1:
            raise DeploymentError(f"an image serves one model, got {len(models)}")
        return _only(models[0])
    return models if isinstance(models, str) else models.id


def _silent(_line: str) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Image:
    """An image as a model repository records it.

    Attributes:
        repository: folder or URI.
        record: what it says of the image.
    """

    repository: str
    record: ImageRecord

    @classmethod
    def create(
        cls,
        repository: str | Path,
        name: str | None,
        models: Models,
        image_config: ImageConfiguration | None = None,
        *,
        engine: str = "auto",
        context: Path | None = None,
        replace: bool = False,
        line: Callable[[str], None] = _silent,
    ) -> Self:
        """Build an image and record it; returns when it is built.

        Args:
            repository: folder of models.
            name: of the image, with or without a tag; the model's name and version if None.
            models: the one that it serves: ``NAME``, ``NAME:3``, ``NAME:latest``, ``NAME:LABEL``, an ``accelserve.Model``, or a
                list of one of these.
            image_config: how it is made.
            engine: docker, podman, buildah, or ``auto`` for the first that answers.
            context: folder that keeps the build context; must not exist, or be empty. None keeps none.
            replace: an image of that name is replaced.
            line: told each line of the build.

        Raises:
            ImageNameError, ImageExistsError, RecordExistsError: the name is none, or taken.
            ModelNotFoundError, CorruptVersionError: the model is missing, or not what was published.
            NoEngineError: no engine answers; with ``context`` it is written nevertheless, and the error says what to run.
            PackagesError, OutputError, EngineFailedError: the build failed. The record says so and names its log; that of an
                image that was to be replaced stays as it was while the image is still there.
        """
        found = model_version(str(repository), _only(models))
        tagged = image_name(name or f"{found.name}:{found.version}")
        reference = ":".join(tagged)
        settings = image_config or ImageConfiguration()
        plan = BuildContext(image=reference, model=found, configuration=settings)
        try:
            builder = find_engine(engine, instead=_NO_ENGINE)
        except NoEngineError as error:
            if context is None:
                raise
            with _written(plan, context):
                instead = f"run where there is one: docker build --tag {reference} {context}"
                raise NoEngineError(error.passed_over, instead, written=True) from error
        kept_log = _log_path(repository, *tagged)
        record = _record_of(found, tagged, builder.name, settings.device, str(kept_log))
        before = _begin(str(repository), record, builder, replace=replace)
        log = _log_of_replacement(kept_log) if before else kept_log
        with _recording(str(repository), record, before, builder) as attempt:
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text("", encoding="utf-8")
            line("gathering the packages")
            with _written(plan, context) as folder:
                builder.build(folder, reference, log, line)
            attempt.has_the_name = True
            log.replace(kept_log)
            built = builder.built(reference, kept_log)
            changed = Records(str(repository)).change_image(
                *tagged, state="succeeded", digest=built.digest, size_bytes=built.size_bytes
            )
        return cls(str(repository), changed)

    @classmethod
    def create_artefact(
        cls,
        repository: str | Path,
        name: str | None,
        models: Models,
        folder: Path,
        *,
        replace: bool = False,
    ) -> Self:
        """Write the model alone as an OCI image of one layer, without any engine, and record it.

        Args:
            repository: folder of models.
            name: of the image, with or without a tag; the model's name and version if None.
            models: the one that it holds, as for ``create``.
            folder: that becomes an OCI image layout; must not exist, be empty, or hold the layout that is replaced.
            replace: a record of that name is replaced, and its layout if that is in the same folder.

        Raises:
            ImageNameError, RecordExistsError, ModelNotFoundError, CorruptVersionError: as ``create``.
            OutputError: the folder is taken, or cannot be written.
        """
        found = model_version(str(repository), _only(models))
        tagged = image_name(name or f"{found.name}:{found.version}")
        record = _record_of(found, tagged, f"{_OCI}{folder.resolve()}", "cpu", "")
        records = Records(str(repository))
        before = next((each for each in records.images() if each.reference == record.reference), None)
        records.add_image(record, replace=replace)
        old = before.digest if before is not None and before.location == record.location else ""
        try:
            written = write_layout(folder, found, tagged[1], model_labels(found), instead_of=old)
        except BaseException:
            _put_back(records, record, before)
            raise
        changed = records.change_image(
            *tagged, state="succeeded", digest=written.digest, size_bytes=written.size_bytes
        )
        return cls(str(repository), changed)

    @classmethod
    def get(cls, repository: str | Path, name: str) -> Self:
        """A recorded image, by name and tag; RecordNotFoundError if there is none."""
        return cls(str(repository), Records(str(repository)).image(*image_name(name)))

    @classmethod
    def list(cls, repository: str | Path, model: str | None = None) -> list[Self]:
        """Every recorded image, or those of a model."""
        return [cls(str(repository), each) for each in Records(str(repository)).images(model)]

    @property
    def name(self) -> str:
        """Name and tag, as engines take it."""
        return self.record.reference

    @property
    def creation_state(self) -> str:
        """``creating``, ``succeeded``, ``failed`` or ``deleting``."""
        return self.record.state

    @property
    def image_location(self) -> str:
        """The engine that has it, or ``oci:DIR``."""
        return self.record.location

    @property
    def image_build_log(self) -> str:
        """All lines of its build; empty if there was none."""
        try:
            return Path(self.record.log).read_text(encoding="utf-8") if self.record.log else ""
        except FileNotFoundError:
            return ""

    def delete(self) -> None:
        """Remove the image and its record.

        Raises:
            StillUsedError: it is deployed.
            RecordNotFoundError: it is gone already.
            NoEngineError, EngineFailedError: the engine that has it does not answer, or refuses.
            OutputError: a layout's folder holds something else by now.
        """
        Records(self.repository).delete_image(self.record.name, self.record.tag, _remove)


def _record_of(
    model: ModelVersion, tagged: tuple[str, str], location: str, device: str, log: str
) -> ImageRecord:
    name, tag = tagged
    return ImageRecord(
        name=name, tag=tag, model=model.name, version=model.version, device=device, location=location, log=log
    )


def _put_back(records: Records, failed: ImageRecord, before: ImageRecord | None) -> None:
    """What the record said before an attempt that failed: the image of then is still there."""
    if before is None:
        records.delete_image(failed.name, failed.tag)
    else:
        records.add_image(before, replace=True)


def _begin(repository: str, record: ImageRecord, engine: Engine, *, replace: bool) -> ImageRecord | None:
    """Record an image that is being built, unless its name is taken; a build that failed takes none.

    Returns:
        The record of the image that is replaced; None if there is none that was built.
    """
    records = Records(repository)
    there = next((each for each in records.images() if each.reference == record.reference), None)
    failed = there is not None and there.state == "failed"
    if there is None and not replace and engine.find(record.reference) is not None:
        raise ImageExistsError(record.reference, engine.name)
    records.add_image(record, replace=replace or failed)
    return there if there is not None and there.state == "succeeded" else None


@dataclass(slots=True)
class _Attempt:
    """A build under way.

    Attributes:
        has_the_name: whether the engine finished it, so that the name is no longer the earlier image's.
    """

    has_the_name: bool = False


@contextmanager
def _recording(
    repository: str, record: ImageRecord, before: ImageRecord | None, engine: Engine
) -> Iterator[_Attempt]:
    """A block that builds an image: if it fails, the record says so, or what it said of an image that is still there."""
    attempt = _Attempt()
    try:
        yield attempt
    except BaseException:
        records = Records(repository)
        if before is None or attempt.has_the_name or _has_another(engine, before):
            records.change_image(record.name, record.tag, state="failed")
        else:
            _put_back(records, record, before)
        raise


def _has_another(engine: Engine, before: ImageRecord) -> bool:
    """Whether an engine has another image under a name than its record says; False if it does not answer."""
    with suppress(DeploymentError):
        found = engine.find(before.reference)
        return found is not None and found.digest != before.digest
    return False


@contextmanager
def _written(plan: BuildContext, folder: Path | None) -> Iterator[Path]:
    """The written context; it is removed afterwards, unless the caller named its folder."""
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="accelserve-image-") as scratch:
            plan.write(Path(scratch))
            yield Path(scratch)
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"{folder} exists already and is not empty; name another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as scratch:
        plan.write(Path(scratch, "context"))
        if folder.exists():
            folder.rmdir()
        Path(scratch, "context").rename(folder)
    yield folder


def _log_path(repository: str | Path, name: str, tag: str) -> Path:
    return local_path(str(repository)).resolve() / FOLDER / "logs" / quote(name, safe="") / f"{tag}.log"


def _log_of_replacement(log: Path) -> Path:
    """Of a build that is to replace an image; it becomes that image's log when it has."""
    return log.parent / "replacing" / log.name


def _remove(record: ImageRecord) -> None:
    if record.location.startswith(_OCI):
        if record.digest:
            remove_layout(Path(record.location.removeprefix(_OCI)), record.digest)
    elif record.location in ENGINES:
        # What was never finished is no reason to ask for an engine that is gone.
        finished = record.state == "succeeded"
        with nullcontext() if finished else suppress(NoEngineError):
            find_engine(record.location, instead=f"delete '{record.reference}' where it is").remove(
                record.reference
            )
    if record.log:
        log = Path(record.log)
        log.unlink(missing_ok=True)
        _log_of_replacement(log).unlink(missing_ok=True)
