"""numba's own cache of machine code, made patient: a file that is damaged or gone is compiled again.

By itself numba passes every error of its cache files on to whoever calls the function.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import Any

from numba.core.caching import FunctionCache, NullCache

from accelserve.kernels.kept_files import complain

_log = logging.getLogger(__name__)


_FunctionCache: Any = FunctionCache  # its methods have no types


class _PatientCache(_FunctionCache):  # type: ignore[misc]  # for the same reason
    def load_overload(self, signature: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(signature, target_context)
        except OSError as error:
            complain(error)
            return None
        except Exception as error:  # noqa: BLE001 - a damaged pickle raises whatever it likes
            _log.warning(
                "%s/%s is damaged (%s); it is made again", self.cache_path, self._impl.filename_base, error
            )
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, signature: Any, data: Any) -> None:
        try:
            super().save_overload(signature, data)
        except OSError as error:
            complain(error)


def patient_cache(function: Callable[..., Any]) -> Any:
    """What numba calls a function's ``_cache``: where ``NUMBA_CACHE_DIR`` says, else beside the source, else the user's.

    Args:
        function: not yet compiled.
    """
    try:
        return _PatientCache(function)
    except (OSError, RuntimeError) as error:  # RuntimeError: none of these folders can be written
        complain(error)
        return NullCache()
