"""The kinds that there are, each with a class of the contract's suite."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from velbo.errors import ConfigError
from velbo.rows import KINDS, Field, kind_of
from velbo.rows.kinds import __doc__ as documented


def test_every_kind_has_a_class_of_the_contract():
    tests = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    assert sorted(re.findall(r'^    kind = "(\w+)"$', tests, re.MULTILINE)) == sorted(KINDS)


def test_every_kind_is_in_the_table_of_the_module():
    assert documented
    for name in KINDS:
        assert re.search(rf"^    {name} +\S", documented, re.MULTILINE), name


def test_an_unknown_kind_names_the_nearest():
    with pytest.raises(ConfigError, match=r"unknown kind of 'x' 'reel'. Did you mean 'real'"):
        kind_of(Field("x", "reel"))
