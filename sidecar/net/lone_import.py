"""Importing one module of a package and nothing else of it."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from types import ModuleType


def import_alone(name: str) -> ModuleType:
    """Imports a module without running its package's ``__init__``.

    For a package whose ``__init__`` imports far more than the module needs. Whoever imports the
    package itself later gets it whole, with this same module in it.

    Args:
        name: Of the module, such as ``package.module``.

    Raises:
        ImportError: The package or the module is not there.
    """
    package = name.partition(".")[0]
    if package in sys.modules:
        return import_module(name)
    spec = find_spec(package)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    sys.modules[package] = module_from_spec(spec)
    try:
        return import_module(name)
    finally:
        del sys.modules[package]
