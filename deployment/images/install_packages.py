"""Runs in the build of an image, by the base image's Python and without anything of ours: wheels to an environment.

``install_packages.py PIP.whl WHEELS ENVIRONMENT REQUIREMENT``
"""

from __future__ import annotations

import compileall
import py_compile
import shutil
import subprocess
import sys
import venv
from pathlib import Path

# Packages that come with their own tests and never import them. Together 60 MB.
_TESTS = (
    "numba/tests",
    "numba/cuda/tests",
    "numpy/**/tests",
    "onnx/backend/test",
    "onnx/test",
    "pytools/test",
)


def main(pip: str, wheels: str, environment: str, requirement: str) -> None:
    """Install a requirement into a new environment, leave tests out, and compile all modules."""
    venv.create(environment, with_pip=False, symlinks=True)
    install = ["install", "--no-index", "--no-cache-dir", "--no-compile", "--disable-pip-version-check"]
    # A wheel is an archive that Python can run from.
    subprocess.run(  # noqa: S603 - the build's own arguments
        [sys.executable, f"{pip}/pip", "--python", f"{environment}/bin/python", *install, "--find-links", wheels, requirement],
        check=True,
    )  # fmt: skip
    (packages,) = Path(environment).glob("lib/python3*/site-packages")
    for pattern in _TESTS:
        for folder in packages.glob(pattern):
            shutil.rmtree(folder)
    # By content: whoever copies layers may change times, and nobody changes sources there.
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(packages, quiet=2, workers=0, invalidation_mode=mode)


if __name__ == "__main__":
    main(*sys.argv[1:])
