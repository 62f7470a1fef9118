"""The structure of the source in figures: how long files and functions are, what has a test, and how often the code
asks which sort of data it has. Two trees are compared by the same script:

    python benchmarks/house_keeping.py [--files]
    python benchmarks/house_keeping.py --root ../another-checkout
"""

from __future__ import annotations

import argparse
import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

LONG_FILE, LONG_CONSTRUCTOR, SHOWN = 300, 8, 10

# What a condition says when it asks which sort of data it has: an array, an array with labels or a table; in memory, in
# a stream or in a file; of which library; of which format. Each is searched in the text of the condition. A tree that
# asks in other words is to be measured by other words, so read `--files` and add to this list.
SORT_OF_DATA = {
    "a data frame?": r"\bis_frame\b|\bholds_only_numbers\b",
    "a file with a table?": r"\bis_table_source\b|\bTABLE_SUFFIXES\b",
    "has it the attribute?": r"hasattr\([^()]*, '(batches|row_groups|read_group|columns|column_names|iloc|collect)'\)",
    "labels?": r"\.labels?\b(?! ?[=<>(])",
    "columns, so a table?": r"\bschema\.columns\b",
    "which class of rows?": r"\bisinstance\([^()]*\b(Data|TextTable|TableSource|Table|RecordBatch|Stream|Store|OnDisk"
    r"|ndarray|DataFrame|MaskedArray)\b",
    "kind of the whole array?": r"\bschema\.kind\b",
    "an image?": r"\bimage_shape\b|\bis_image\b",
    "which suffix?": r"\bsuffix(es)?\b",
    "which library?": r"\bbackend\b|\bimplementation\b|'(pandas|polars|pyarrow)'",
    "a flag?": r"\bis_(table|array|stream|labelled)\b|\b(table|source|part)\.is_text\b|\bas_array\b",
}

# What a condition says when it asks a column or field for its kind by name, where a method of the kind would know.
KIND_OF_FIELD = {
    "kind by its name?": r"(?<!dtype\.)(?<!schema\.)\b(kind|sort) (==|!=|in|not in) ",
    "which class of kind?": r"\bisinstance\([^()]*\bkind\b",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One source file."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        return self.text.count("\n")


def modules(folder: Path) -> list[Module]:
    files = sorted(folder.rglob("*.py"))
    return [Module(f.relative_to(folder), f.read_text("utf-8"), ast.parse(f.read_text("utf-8"))) for f in files]


def conditions(tree: ast.AST) -> Iterator[ast.expr]:
    """Every expression that is asked for its truth: tests of if, while, assert, conditional expressions and
    comprehensions, guards of a match, operands of and, or, not; and what a match distinguishes.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.If | ast.While | ast.IfExp | ast.Assert):
            yield node.test
        elif isinstance(node, ast.comprehension):
            yield from node.ifs
        elif isinstance(node, ast.BoolOp):
            yield from node.values
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield node.operand
        elif isinstance(node, ast.Match):
            yield node.subject
            yield from (case.guard for case in node.cases if case.guard)


def branch_lines(module: Module, patterns: dict[str, str]) -> dict[int, str]:
    """Line -> the question that its condition asks; a line that asks twice counts once."""
    found: dict[int, str] = {}
    for condition in conditions(module.tree):
        text = ast.unparse(condition)
        for question, pattern in patterns.items():
            if re.search(pattern, text):
                found.setdefault(condition.lineno, question)
    return dict(sorted(found.items()))


def functions(module: Module) -> dict[str, int]:
    """Lines of every function without its docstring, by file, name and line."""
    found = {}
    for node in ast.walk(module.tree):
        if isinstance(node, Function) and node.end_lineno:
            first = node.body[0]
            has_docstring = ast.get_docstring(node, clean=False) is not None
            documentation = (first.end_lineno or first.lineno) - first.lineno + 1 if has_docstring else 0
            name = f"{module.path.as_posix()}:{node.lineno} {node.name}"
            found[name] = node.end_lineno - node.lineno + 1 - documentation
    return found


def constructors(module: Module) -> dict[str, int]:
    """Arguments of every class's own constructor; fields, of a dataclass."""
    found = {}
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.ClassDef):
            continue
        name = f"{module.path.as_posix()}:{node.lineno} {node.name}"
        if any("dataclass" in ast.unparse(d) for d in node.decorator_list):
            fields = (n for n in node.body if isinstance(n, ast.AnnAssign))
            found[name] = sum("ClassVar" not in ast.unparse(n.annotation) for n in fields)
        for method in node.body:
            if isinstance(method, Function) and method.name == "__init__":
                found[name] = len(method.args.posonlyargs + method.args.args + method.args.kwonlyargs) - 1
    return found


def without_test(source: list[Module], tests: Path) -> list[str]:
    """Modules with no test file at the same place under tests nor, where tests are flat, one of their name."""
    named = {f.relative_to(tests) for f in tests.rglob("test_*.py")}
    return [
        m.path.as_posix()
        for m in source
        if m.path.name not in ("__init__.py", "__main__.py")
        and not {m.path.with_name(f"test_{m.path.name}"), Path(f"test_{m.path.name}")} & named
    ]


def room(module: Module) -> str:
    return module.path.parts[0] if len(module.path.parts) > 1 else "(top)"


def percentile(values: list[int], share: float) -> int:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else 0


def show_branches(title: str, source: list[Module], patterns: dict[str, str], with_files: bool) -> None:
    hits = {m: branch_lines(m, patterns) for m in source}
    asking = {m: lines for m, lines in hits.items() if lines}
    print(f"\n{title}: {sum(map(len, asking.values()))} branch lines in {len(asking)} files")
    for question, n in Counter(q for lines in asking.values() for q in lines.values()).most_common():
        print(f"  {n:4d}  {question}")
    for module, lines in asking.items() if with_files else ():
        print(f"  {module.path.as_posix()}: {len(lines)}")
        text = module.text.splitlines()
        for number in lines:
            print(f"    {number:4d}  {text[number - 1].strip()[:100]}")


def show_largest(title: str, sizes: dict[str, int], at_most: int) -> None:
    print(f"\n{title}: {len(sizes)}")
    for name, size in sorted(sizes.items(), key=lambda item: -item[1])[:at_most]:
        print(f"  {size:4d}  {name}")


def show_sizes(source: list[Module]) -> None:
    rooms = Counter[str]()
    for m in source:
        rooms[room(m)] += m.lines
    print(f"lines of source: {sum(rooms.values())} in {len(source)} files")
    for name, n in rooms.most_common():
        print(f"  {n:6d}  {name}")
    lengths = {name: n for m in source for name, n in functions(m).items()}
    values = list(lengths.values())
    middle, longer = (median(values), percentile(values, 0.95)) if values else (0, 0)
    print(f"\nfunctions, lines without docstring: {len(values)}, median {middle:g}, 95th percentile {longer}")
    for name, n in sorted(lengths.items(), key=lambda item: -item[1])[:SHOWN]:
        print(f"  {n:4d}  {name}")
    long = {m.path.as_posix(): m.lines for m in source if m.lines > LONG_FILE}
    show_largest(f"files over {LONG_FILE} lines", long, len(long))
    wide = {name: n for m in source for name, n in constructors(m).items() if n > LONG_CONSTRUCTOR}
    show_largest(f"constructors with more than {LONG_CONSTRUCTOR} arguments", wide, len(wide))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[1], help="the tree to measure")
    parser.add_argument("--files", action="store_true", help="list every branch line, and modules without a test")
    options = parser.parse_args()
    source = modules(next(f.parent for f in sorted(options.root.glob("src/*/__init__.py"))))
    tests = modules(options.root / "tests")
    show_sizes(source)
    n_source, n_tests = (sum(m.lines for m in of) for of in (source, tests))
    print(f"\nlines of tests: {n_tests}, {n_tests / max(n_source, 1):.2f} a line of source")
    lonely = without_test(source, options.root / "tests")
    print(f"modules without a test file of their own: {len(lonely)}")
    for name in lonely if options.files else ():
        print(f"  {name}")
    show_branches("which sort of data is it?", source, SORT_OF_DATA, options.files)
    show_branches("which kind has a column or field?", source, KIND_OF_FIELD, options.files)


if __name__ == "__main__":
    main()
