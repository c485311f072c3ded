"""The compiled parts: built where Cython and a C compiler are, left out without a word elsewhere.

Everything else about the package stands in pyproject.toml. Each .pyx file becomes a module of the
same name beside it; what it includes (.pxi) makes it stale too.
"""

from pathlib import Path

from setuptools import Extension, setup

try:
    from Cython.Build import cythonize
except ImportError:
    cythonize = None


def extensions() -> list[Extension]:
    """An optional extension for each .pyx file of the package."""
    root = Path(__file__).parent
    paths = sorted(path.relative_to(root) for path in root.glob("ctrader_typed/**/*.pyx"))
    return [
        Extension(".".join(path.with_suffix("").parts), [path.as_posix()], optional=True)
        for path in paths
    ]


setup(
    ext_modules=cythonize(extensions(), build_dir="build/cython", language_level=3)
    if cythonize is not None
    else []
)
