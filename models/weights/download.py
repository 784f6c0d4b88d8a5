"""Downloads a file whose hash is known: in pieces that survive a cut connection, and under its name only once verified."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import http.client
import shutil
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, TypeAlias
from urllib.parse import urlsplit

from accelserve.models.errors import PullError

Progress: TypeAlias = Callable[[int, int | None], None]
"""Called with the bytes that are there and the bytes there will be, None while the server has not said."""

CHUNK_BYTES: Final = 1 << 20
_HTTP_OK: Final = 200
_HTTP_PARTIAL: Final = 206
_HTTP_RANGE_UNSATISFIABLE: Final = 416


def _silent(_: int, __: int | None) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadOptions:
    """How to download.

    Attributes:
        timeout_s: of connecting, and of waiting for the next bytes.
        attempts: how often to go on after the connection broke without bringing anything.
        tls: trusted certificates; the system's if None.
        progress: told of every piece.
    """

    timeout_s: float = 30.0
    attempts: int = 3
    tls: ssl.SSLContext | None = None
    progress: Progress = _silent


def download(url: str, target: Path, sha256: str, options: DownloadOptions | None = None) -> Path:
    """Fetch ``url`` to ``target``, unless it is there already; gives ``target``.

    What has arrived is kept in ``target`` + ``.part`` and the next call goes on from there. A file appears as
    ``target`` only after its hash was right.

    Args:
        url: ``https``, or ``http`` for a mirror of one's own.
        target: where to; its folder is made.
        sha256: the first digits of the file's SHA-256, hexadecimal.
        options: how; the defaults if None.

    Raises:
        PullError: if the server cannot be reached or answers with an error, the hash is wrong, the disk has no
            room, or another process is downloading the same file.
    """
    if target.is_file() and _sha256(target).startswith(sha256):
        return target
    transfer = _Transfer(url, target, sha256, options or DownloadOptions())
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(url, transfer.part) as file:
            transfer.run(file)
    except OSError as error:
        raise PullError(url, f"cannot be written to {target.parent}: {error.strerror or error}") from error
    return target


class _Transfer:
    """One download and its partial file."""

    def __init__(self, url: str, target: Path, sha256: str, options: DownloadOptions) -> None:
        if urlsplit(url).scheme not in {"http", "https"}:
            raise PullError(url, "only https and http are fetched")
        self.part = target.with_name(f"{target.name}.part")
        self._url, self._target, self._sha256, self._options = url, target, sha256, options
        context = urllib.request.HTTPSHandler(context=options.tls)
        self._opener = urllib.request.build_opener(context, _NoDowngrade)

    def run(self, file: IO[bytes]) -> None:
        """Fetch what is missing, verify, and give the file its name."""
        resumed = file.tell() > 0
        self._fetch_all(file)
        file.flush()
        found = _sha256(self.part)
        if not found.startswith(self._sha256) and resumed:
            # the first part may stem from another file under the same address
            file.seek(0)
            file.truncate()
            self._fetch_all(file)
            file.flush()
            found = _sha256(self.part)
        if not found.startswith(self._sha256):
            self.part.unlink()
            raise PullError(
                self._url, f"its SHA-256 is {found[:16]}..., expected {self._sha256}...; it was deleted"
            )
        self.part.replace(self._target)

    def _fetch_all(self, file: IO[bytes]) -> None:
        fruitless = 0
        while fruitless < self._options.attempts:
            before = file.tell()
            try:
                complete = self._fetch(file)
            except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
                complete, reason = False, str(error) or type(error).__name__
            else:
                reason = "the connection ended early"
            if complete:
                return
            fruitless = 0 if file.tell() > before else fruitless + 1
        raise PullError(
            self._url, f"{reason}, at {file.tell()} bytes; run the command again to go on from there"
        )

    def _fetch(self, file: IO[bytes]) -> bool:
        """Append what the server sends; whether it was all."""
        start = file.tell()
        # a fixed address is fetched; its scheme was checked
        request = urllib.request.Request(self._url, headers={"User-Agent": "accelserve"})  # noqa: S310
        if start:
            request.add_header("Range", f"bytes={start}-")
        try:
            response = self._opener.open(request, timeout=self._options.timeout_s)
        except urllib.error.HTTPError as error:
            with error:
                return self._refused(file, error)
        except urllib.error.URLError as error:
            if isinstance(error.reason, (ConnectionError, TimeoutError)) and start:
                raise ConnectionError(str(error.reason)) from error
            raise PullError(self._url, self._unreachable(error)) from error
        with response:
            if response.status == _HTTP_OK and start:  # a server that does not know ranges
                file.seek(0)
                file.truncate()
            elif response.status not in {_HTTP_OK, _HTTP_PARTIAL}:
                raise PullError(self._url, f"the server answered {response.status}")
            return self._receive(response, file)

    def _refused(self, file: IO[bytes], error: urllib.error.HTTPError) -> bool:
        if error.code == _HTTP_RANGE_UNSATISFIABLE and file.tell():
            return True  # nothing is missing; the hash decides
        raise PullError(self._url, f"the server answered {error.code} {error.reason}")

    def _unreachable(self, error: urllib.error.URLError) -> str:
        reason = getattr(error.reason, "strerror", None) or error.reason
        return f"cannot be reached ({reason}); without a network, put the file at {self._target}"

    def _receive(self, response: http.client.HTTPResponse, file: IO[bytes]) -> bool:
        start = file.tell()
        length = response.headers.get("Content-Length")
        total = start + int(length) if length and length.isdigit() else None
        free = shutil.disk_usage(self.part.parent).free
        if total is not None and total - start > free:
            raise PullError(
                self._url,
                f"needs {total - start} bytes, but {self.part.parent} has {free}; make room or choose another cache",
            )
        self._options.progress(file.tell(), total)
        while chunk := _read(response):
            file.write(chunk)
            self._options.progress(file.tell(), total)
        return total is None or file.tell() == total


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read1(CHUNK_BYTES)
    except OSError as error:  # TLS errors too, which must not be taken for the disk's
        raise ConnectionError(str(error) or type(error).__name__) from error


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not from https to anything less."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """The request that follows the redirect.

        Raises:
            PullError: if it would leave https.
        """
        if req.type == "https" and urlsplit(newurl).scheme != "https":
            raise PullError(req.full_url, f"redirects to {newurl}, which is not encrypted")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@contextmanager
def _locked(url: str, part: Path) -> Iterator[IO[bytes]]:
    """The partial file, open at its end and held by this process alone."""
    with part.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in {errno.EAGAIN, errno.EACCES}:
                raise PullError(url, f"another process is downloading it ({part})") from error
            raise
        yield file


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
