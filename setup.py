"""The compiled parts: built where Cython and a C compiler are, left out without a word elsewhere.

Everything else about the package stands in pyproject.toml. Each .pyx file becomes a module of the
same name beside it; what it includes (.pxi) makes it stale too.
"""

import sys
from pathlib import Path

from setuptools import Extension, setup

try:
    from Cython.Build import cythonize
except ImportError:
    cythonize = None

# Debugging symbols would be most of the file.
FLAGS = [] if sys.platform == "win32" else ["-O2", "-g0"]


def extensions() -> list[Extension]:
    """An extension for each .pyx file of the package; building may fail."""
    if cythonize is None:
        return []
    root = Path(__file__).parent
    found = [
        Extension(".".join(path.with_suffix("").parts), [path.as_posix()], extra_compile_args=FLAGS)
        for path in sorted(p.relative_to(root) for p in root.glob("ctrader_typed/**/*.pyx"))
    ]
    built: list[Extension] = cythonize(found, build_dir="build/cython", language_level=3)
    for extension in built:
        extension.optional = True  # not before: cythonize makes new ones
    return built


setup(ext_modules=extensions())
