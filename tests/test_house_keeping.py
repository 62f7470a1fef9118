"""The figures of the source's structure, on a small tree whose figures are known."""

from __future__ import annotations

import importlib
import shutil
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
if not FOLDER.is_dir():
    pytest.skip("benchmarks are not part of this copy", allow_module_level=True)
sys.path.insert(0, str(FOLDER))
house_keeping = importlib.import_module("house_keeping")

ASKS = '''
def read(x, schema, path):
    """A docstring
    of two lines.
    """
    if is_frame(x) or hasattr(x, "batches"):
        return [c for c in x if c.label is not None]
    assert isinstance(x, np.ndarray | list), "text with schema.columns is no question"
    while path.suffix == ".csv": pass
    y = 1 if schema.kind == "byte" else schema.label
    z = schema.columns or y
    return z
'''
ASKS_NOTHING = """
def read(x, schema):
    columns = schema.columns
    for column in schema.columns:
        x = column.kind.to_numbers(x) if column.missing else x
    return is_frame(x), x.label == 3, columns
"""


def module(text: str):
    return house_keeping.Module(Path("rows/a.py"), text, house_keeping.ast.parse(text))


def test_a_line_that_asks_for_the_sort_of_data_counts_once():
    found = house_keeping.branch_lines(module(ASKS), house_keeping.SORT_OF_DATA)
    assert list(found) == [6, 7, 8, 9, 10, 11]
    assert len(set(found.values())) == 6
    assert house_keeping.branch_lines(module(ASKS_NOTHING), house_keeping.SORT_OF_DATA) == {}


def test_kinds_by_name():
    asks = module("a = [c for c in d if c.kind in ('count', 'binary') and x.dtype.kind == 'f']\nb = 'kind' in a")
    assert list(house_keeping.branch_lines(asks, house_keeping.KIND_OF_FIELD)) == [1]


def test_functions_are_measured_without_docstrings_and_constructors_without_self():
    assert house_keeping.functions(module(ASKS)) == {"rows/a.py:2 read": 8}
    classes = module("@dataclass\nclass A:\n    a: int\n    b: int\nclass B:\n    def __init__(self, a, *, b): pass")
    assert house_keeping.constructors(classes) == {"rows/a.py:2 A": 2, "rows/a.py:5 B": 2}


def test_a_test_file_is_at_the_same_place_or_its_tests_are_flat(tmp_path):
    source = [module("x = 1")]
    assert house_keeping.without_test(source, tmp_path) == ["rows/a.py"]
    for place in ("rows/test_a.py", "test_a.py"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).touch()
        assert house_keeping.without_test(source, tmp_path) == []
        (tmp_path / place).unlink()
    (tmp_path / "formats").mkdir()
    (tmp_path / "formats" / "test_a.py").touch()
    assert house_keeping.without_test(source, tmp_path) == ["rows/a.py"]


def test_the_whole_page(capsys, monkeypatch, tmp_path):
    """Of a tree with one of velbo's folders."""
    for folder in ("src/velbo/hierarchy", "tests/hierarchy"):
        shutil.copytree(FOLDER.parent / folder, tmp_path / folder)
    (tmp_path / "src/velbo/__init__.py").touch()
    monkeypatch.setattr(sys, "argv", ["house_keeping", "--files", "--root", str(tmp_path)])
    house_keeping.main()
    out = capsys.readouterr().out
    for part in ("lines of source", "95th percentile", "without a test file", "branch lines in"):
        assert part in out
