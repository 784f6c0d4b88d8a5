"""Keys and certificates of a running server, followed through their changes."""

from __future__ import annotations

from accelserve.server.auth.keyring import KeyRing
from accelserve.server.config import SecurityConfig
from accelserve.server.file_watch import FileWatch
from accelserve.server.tls.identity import TlsIdentity


class Security:
    """What the frontends ask.

    Attributes:
        keys: None lets everybody in.
        identity: None speaks plain text.
    """

    def __init__(self, config: SecurityConfig) -> None:
        """Read every file; ConfigurationError if one makes no sense."""
        self.keys = None if config.keys_file is None else KeyRing(config.keys_file)
        self.identity = None if config.tls is None else TlsIdentity(config.tls)
        self._watches: list[FileWatch] = []
        if self.keys is not None:
            self._watches.append(FileWatch([self.keys.path], config.poll_seconds, self.keys.reload))
        if self.identity is not None:
            files = self.identity.files.paths
            self._watches.append(FileWatch(files, config.poll_seconds, self.identity.reload))

    def start(self) -> None:
        """Begin to look for changes."""
        for watch in self._watches:
            watch.start()

    def stop(self) -> None:
        """Stop looking; returns when the threads have ended."""
        for watch in self._watches:
            watch.stop()
