"""The examples in the docstrings of the pure core are true."""

import doctest
import importlib
import pkgutil
from types import ModuleType

import pytest

import rules_engine.decisions
import rules_engine.language


def _modules(package: ModuleType) -> list[str]:
    return [found.name for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.") if not found.ispkg]


@pytest.mark.parametrize("name", _modules(rules_engine.decisions) + _modules(rules_engine.language))
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
