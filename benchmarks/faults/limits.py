"""A disk that is full at every write, limits of the system, folders without permission, odd paths, closed stdout, no
HOME: one line and exit code 2, or the work is done; and what was there before is whole.

A full disk is a limit of the length of files: a write beyond it fails as one on a full disk does (with EFBIG instead of
ENOSPC), in Python and in native code alike. A second way has flushes to the disk fail, the n-th of them.
"""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from .cases import Case, Ended, Fault, Result
from .children import SMALL, velbo
from .kills import Command, left_alone, mended, models, outputs, seen, temporaries, torn, training
from .material import Material

MEGABYTE = 2**20
NOBODY = 65534


def cases(material: Material, seed: int) -> Iterator[Case]:
    """All of them; the seed changes none."""
    for command in (*training(material), *outputs(material), *models(material)):
        yield from full_disks(command)
    yield from limits(material)
    yield from permissions(material)
    yield from paths(material)
    yield from surroundings(material)


def _judged(ended: Ended, *also_right: int) -> Result:
    return Result(ended.is_line, ended.faults(*also_right))


# full disks


def full_disks(command: Command) -> Iterator[Case]:
    """The disk is full from a length of files on, or from a flush on; then there is room again."""
    whole = left_alone(command)
    for length in (0, 1, 100, 500, 1000, 3000, 10_000):
        yield Case(
            "full disk: a write", f"{command.name}, files of {length} bytes", partial(full, command, shortened(length))
        )
    for n in range(whole.operations.count("os.fsync")):
        yield Case("full disk: a flush", f"{command.name}, flush {n}", partial(full, command, fails_at(n)))


def full(command: Command, prepare: Callable[[], object], folder: Path) -> Result:
    """A full disk, and what comes after it."""
    whole = left_alone(command)
    command.begin(folder)
    ended = command.start(folder, prepare).end()
    faults = ended.faults()
    if command.again is None:
        faults += torn(command, whole, seen(folder))
        if ended.code:
            faults += [Fault("torn file", f"{name} is left") for name in temporaries(folder)]
    return Result(ended.is_line, faults + mended(command, whole, folder))


def shortened(length: int) -> Callable[[], object]:
    """`ulimit -f`."""

    def prepare() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (length, length))

    return prepare


def fails_at(n: int) -> Callable[[], object]:
    """The n-th flush to the disk fails, and all after it."""

    def prepare() -> None:
        flush, count = os.fsync, 0

        def fsync(handle: int) -> None:
            nonlocal count
            count += 1
            if count > n:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            flush(handle)

        os.fsync = fsync

    return prepare


# limits of the system


def _verbs(material: Material) -> dict[str, list[object]]:
    run, table = material.run_of_table, material.table
    return {
        "fit": ["fit", material.array, "--run", "R", *SMALL],
        "fit a table": ["fit", table, "--run", "R", *SMALL],
        "score": ["score", run, table, "-o", "o.csv", "--samples", 3],
        "impute": ["impute", run, table, "-o", "o.parquet", "--samples", 3],
        "sample": ["sample", run, "-o", "o.npz", "-n", 1000],
        "schema": ["schema", table],
        "evaluate": ["evaluate", run, table, "--samples", 3],
    }


def limits(material: Material) -> Iterator[Case]:
    """`ulimit -v` and `ulimit -n`, from nothing to enough."""
    for name, verb in _verbs(material).items():
        for megabytes in (0, 1, 4, 16, 64):
            yield _case("ulimit -v", f"{name}, {megabytes} MB more", verb, memory(megabytes))
        for n in (3, 4, 5, 6, 8, 12, 20):
            yield _case("ulimit -n", f"{name}, {n} open files", verb, partial(files, n))
    asked = ["sample", material.run_of_array, "-o", "o.npy", "-n", 10**7]  # drawn in slices: memory is no limit
    yield _case("ulimit -v", "10^7 samples in 1 GB", asked, memory(1000))


def memory(megabytes: int) -> Callable[[], object]:
    """`ulimit -v`: what this process has, and so much."""

    def prepare() -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + megabytes * MEGABYTE
        resource.setrlimit(resource.RLIMIT_AS, (most, most))

    return prepare


def files(n: int) -> None:
    """`ulimit -n`."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (n, n))


def _case(group: str, name: str, verb: list[object], prepare: Callable[[], object], *also_right: int) -> Case:
    return Case(group, name, lambda folder: _judged(velbo(*verb, prepare=prepare, cwd=folder), *also_right))


# permissions


def permissions(material: Material) -> Iterator[Case]:
    """Another user, who may read or may not."""
    if os.getuid():
        return
    run, array = material.run_of_array, material.array
    for name, verb in (
        ("fit", ["fit", array, "--run", "R", *SMALL]),
        ("resume", ["resume", run]),
        ("score", ["score", run, array, "-o", "o.npy", "--samples", 3]),
        ("sample", ["sample", run, "-o", "o.csv"]),
        ("refit-prior", ["refit-prior", run, array, "--to", "R2", "--prior", "learned", "--epochs", 1]),
        ("sweep", ["sweep", array, "--run", "S", "--seeds", 2, *SMALL]),
        ("info", ["info", run]),
    ):
        yield _case("read-only folder", name, verb, nobody)
    for name, make in (("data", shutil.copyfile), ("a folder of data", _copied_into)):

        def closed(folder: Path, make: Callable[[Path, Path], object] = make) -> Result:
            target = folder / "x.npy"
            make(array, target)
            target.chmod(0)
            return _judged(velbo("schema", target, prepare=nobody))

        yield Case("read-only folder", f"{name} that may not be read", closed)
    yield Case("read-only folder", "the umask says who reads a run", partial(readable, material))


def _copied_into(source: Path, folder: Path) -> None:
    folder.mkdir()
    shutil.copyfile(source, folder / "a.npy")


def nobody() -> None:
    """A user without any rights of his own."""
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def readable(material: Material, folder: Path) -> Result:
    """With a umask of 027 files are rw-r-----."""
    ended = velbo("fit", material.array, "--run", "R", *SMALL, prepare=lambda: os.umask(0o027), cwd=folder)
    modes = {file: file.stat().st_mode & 0o777 for file in folder.rglob("*") if file.is_file()}
    wrong = [
        Fault("unclear end", f"{file.name} has the mode {mode:o}") for file, mode in modes.items() if mode != 0o640
    ]
    return Result(faults=ended.faults() + wrong)


# paths


ODD = {
    "a space": "a b",
    "a newline": "a\nb",
    "other alphabets": "é☃語",
    "a dash": "-dash",
    "a terminal's code": "a\x1b[31m",
    "a tilde": "~",
    "250 bytes": "x" * 250,
    "300 bytes": "x" * 300,
    "deep": "n/" * 50 + "R",
    "no UTF-8": os.fsdecode(b"\xff\xfe"),
    "a zero byte": "a\0b",
    "nothing": "",
    "a point": ".",
}


def paths(material: Material) -> Iterator[Case]:
    """Names that are odd: a run is trained and found again under them, or they are refused in a line."""
    for name, path in ODD.items():
        yield Case("odd paths", f"run: {name}", partial(under, material, path))
        output = f"{path}.csv" if path not in ("", ".") else path
        verb = ["score", material.run_of_array, material.array, "--samples", 3, f"--output={output}"]
        yield _case("odd paths", f"output: {name}", verb, lambda: None)
        yield _case("odd paths", f"data: {name}", ["schema", f"./{path}.csv"], lambda: None)
    for name, make in (
        ("a link to nothing", lambda folder: (folder / "R").symlink_to("nowhere")),
        ("a link to itself", lambda folder: (folder / "R").symlink_to("R")),
        ("a file", lambda folder: (folder / "R").write_text("x")),
        ("below a file", lambda folder: (folder / "R").write_text("x")),
    ):

        def case(folder: Path, name: str = name, make: Callable[[Path], object] = make) -> Result:
            make(folder)
            target = folder / "R" / "x" if name == "below a file" else folder / "R"
            return _judged(velbo("fit", material.array, "--run", target, *SMALL))

        yield Case("odd paths", f"run: {name}", case)


def under(material: Material, path: str, folder: Path) -> Result:
    """Fit, then what the run is."""
    ended = velbo("fit", material.array, f"--run={path}", *SMALL, cwd=folder)
    result = _judged(ended)
    if ended.code == 0:
        result.faults += velbo("info", f"./{path}", cwd=folder).faults()
    return result


# surroundings


def surroundings(material: Material) -> Iterator[Case]:
    """Streams that are closed or full, and an environment without anything."""
    verbs = _verbs(material)
    for name in ("schema", "evaluate", "fit"):
        for number, stream in ((1, "stdout"), (2, "stderr")):
            for way, prepare in (("closed", shut), ("full", filled), ("a pipe that nobody reads", broken)):
                prepared = partial(prepare, number)
                yield _case("streams", f"{name}, {stream} is {way}", verbs[name], prepared, 141)
    for name, verb in verbs.items():
        yield _case("no HOME, no TMPDIR", name, verb, bare)


def _put(number: int, handle: int) -> None:
    os.dup2(handle, number)


def shut(number: int) -> None:
    """What Python has for a stream that is closed when it starts."""
    import sys

    setattr(sys, {1: "stdout", 2: "stderr"}[number], None)
    os.close(number)


def filled(number: int) -> None:
    """A disk without room behind it."""
    _put(number, os.open("/dev/full", os.O_WRONLY))


def broken(number: int) -> None:
    """A pipe without a reader."""
    reader, writer = os.pipe()
    os.close(reader)
    _put(number, writer)


def bare() -> None:
    """No variable of the environment, and a folder for temporary files that is not there."""
    import tempfile

    os.environ.clear()
    os.environ.update({"HOME": "/nowhere", "TMPDIR": "/nowhere"})
    tempfile.tempdir = None
