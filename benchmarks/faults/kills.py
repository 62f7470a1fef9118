"""SIGKILL before every operation on a file, and at random moments; SIGTERM and SIGINT twice; two processes at once.

After a kill every file that can be seen is the old one or the new one, and of files that are written together none is
old while another is new. Then the same command (of a run that has begun: resume) ends right, and leaves the bits of one
that was left alone, and no temporary file.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from .cases import Case, Ended, Fault, Result
from .children import SMALL, Child, in_python, start
from .material import Material
from .points import die_before, list_operations

RANDOM_MOMENTS, SIGNALS, RACES = 200, 40, 20
OF_TIME = frozenset(("clock.jsonl", "state.json", "log.txt", "report.html"))
"""Files that hold seconds, or what was said on the way."""

Prepare = Callable[[], object] | None
Start = Callable[[Path, Prepare], Child]


@dataclass(frozen=True)
class Command:
    """A command that changes the files of a folder.

    Attributes:
        name: of it, in the table.
        start: starts it in a folder; the second argument is called in the child before it.
        begin: what the folder holds before.
        again: starts what mends a killed one; the same command if not given.
        is_set: whether its files are all old or all new at any moment, and not only each of them.
    """

    name: str
    start: Start
    begin: Callable[[Path], object] = lambda _: None
    again: Start | None = None
    is_set: bool = True

    def mend(self, folder: Path) -> Ended:
        """What a user types after a kill."""
        return (self.again or self.start)(folder, None).end()


@dataclass(frozen=True)
class Whole:
    """What a command that was left alone leaves, and the operations on files that it did."""

    old: dict[str, str]
    new: dict[str, str]
    operations: list[str]
    seconds: float


def seen(folder: Path) -> dict[str, str]:
    """File that can be seen -> its digest."""
    return {name: hashlib.md5(file.read_bytes()).hexdigest() for name, file in _files(folder, hidden=False)}


def temporaries(folder: Path) -> list[str]:
    """Files that a killed process has left."""
    return [name for name, _ in _files(folder, hidden=True) if ".tmp." in name]


def _files(folder: Path, hidden: bool) -> Iterator[tuple[str, Path]]:
    for file in sorted(folder.rglob("*")):
        name = str(file.relative_to(folder))
        if file.is_file() and file.name not in OF_TIME and (("/." in f"/{name}") == hidden):
            yield name, file


def is_left(folder: Path) -> list[Fault]:
    """Temporary files as faults, and those of a model that nobody has moved to their place."""
    names = [*temporaries(folder), *(str(file.relative_to(folder)) for file in folder.rglob(".saved"))]
    return [Fault("torn file", f"{name} is left") for name in names]


@cache
def left_alone(command: Command) -> Whole:
    """Run it once, and once more to list its operations; what mends a killed one follows, and changes a sweep only."""
    with tempfile.TemporaryDirectory() as place:
        folder, log = Path(place) / "case", Path(place) / "log"
        for prepare in (None, lambda: list_operations(folder, log)):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            command.begin(folder)
            old, began = seen(folder), time.monotonic()
            ended = command.start(folder, prepare).end()
            assert ended.code == 0, f"{command.name}: {ended.err}"
            seconds = time.monotonic() - began
            if command.again is not None:
                command.mend(folder)
        return Whole(old, seen(folder), log.read_text().splitlines(), seconds)


def torn(command: Command, whole: Whole, found: dict[str, str]) -> list[Fault]:
    """What is wrong with the files that a kill has left."""
    faults = [
        Fault("torn file", f"{name} is neither the old one nor the new one")
        for name, digest in found.items()
        if digest not in (whole.old.get(name), whole.new.get(name))
    ]
    changed = [name for name in whole.new if whole.new[name] != whole.old.get(name)]
    is_old = any(name in found and found[name] == whole.old.get(name) for name in changed)
    is_new = any(found.get(name) == whole.new[name] for name in changed)
    if command.is_set and is_old and is_new:
        faults.append(Fault("torn file", "some files are old and some are new"))
    return faults


def mended(command: Command, whole: Whole, folder: Path) -> list[Fault]:
    """What is wrong after the command that mends."""
    ended, found = command.mend(folder), seen(folder)
    faults = ended.faults()
    if ended.code == 2:
        faults.append(Fault("unclear end", f"it could not be mended: {ended.last}"))
    for name in sorted({*found, *whole.new}):
        if found.get(name) != whole.new.get(name):
            kind = "lost metrics" if name.endswith("metrics.jsonl") else "wrong bits"
            faults.append(Fault(kind, f"{name} is not as it is when nobody is killed"))
    return faults + is_left(folder)


def killed(command: Command, whole: Whole, child: Callable[[Path], Child], folder: Path) -> Result:
    """A kill and what comes after it."""
    command.begin(folder)
    child(folder).end()
    faults = torn(command, whole, seen(folder)) if command.again is None else []
    return Result(faults=faults + mended(command, whole, folder))


def at_operations(command: Command) -> Iterator[Case]:
    """A kill before each operation on a file."""
    whole = left_alone(command)
    for n, name in enumerate(whole.operations):

        def child(folder: Path, n: int = n) -> Child:
            return command.start(folder, lambda: die_before(n, folder))

        yield Case(f"kill: {command.name}", f"before operation {n}, {name}", partial(killed, command, whole, child))


def at_moments(command: Command, n: int, seed: int) -> Iterator[Case]:
    """Kills from outside."""
    whole, moments = left_alone(command), random.Random(seed)
    for _ in range(n):
        moment = moments.uniform(0, 1.1 * whole.seconds)

        def child(folder: Path, moment: float = moment) -> Child:
            running = command.start(folder, None)
            time.sleep(moment)
            running.send(signal.SIGKILL)
            return running

        yield Case(
            "kill: random moments", f"{command.name}, after {moment:.3f} s", partial(killed, command, whole, child)
        )


def signals_twice(command: Command, n: int, seed: int) -> Iterator[Case]:
    """Two signals, one soon after the other: saved and stopped, or stopped at once."""
    whole, moments = left_alone(command), random.Random(seed)
    for i in range(n):
        first, second = (((signal.SIGTERM, signal.SIGINT)[(i >> bit) & 1]) for bit in (0, 1))
        moment, pause = moments.uniform(0, whole.seconds), moments.choice((0.0, 0.005, 0.05))

        def case(
            folder: Path, pair: tuple[int, int] = (first, second), moment: float = moment, pause: float = pause
        ) -> Result:
            command.begin(folder)
            running = command.start(folder, None)
            for number, seconds in zip(pair, (moment, pause), strict=True):
                time.sleep(seconds)
                running.send(number)
            ended = running.end()
            faults = ended.faults(130, -signal.SIGTERM, -signal.SIGINT)
            return Result(faults=faults + mended(command, whole, folder))

        yield Case("signals twice", f"{first.name} after {moment:.3f} s, {second.name} {pause} s later", case)


def two_at_once(command: Command, n: int, seed: int) -> Iterator[Case]:
    """Two processes on one folder: one does the work, the other refuses in a line or comes after it."""
    whole, moments = left_alone(command), random.Random(seed)
    for _ in range(n):
        pause = moments.uniform(0, whole.seconds)

        def case(folder: Path, pause: float = pause) -> Result:
            command.begin(folder)
            both = [command.start(folder, None)]
            time.sleep(pause)
            both.append(command.start(folder, None))
            ends = [child.end() for child in both]
            faults = [fault for ended in ends for fault in ended.faults()]
            if all(ended.code for ended in ends):
                faults.append(Fault("unclear end", f"neither did the work: {ends[0].last}; {ends[1].last}"))
            faults += torn(command, whole, seen(folder))
            return Result(any(ended.is_line for ended in ends), faults + mended(command, whole, folder))

        yield Case("two processes", f"{command.name}, the second {pause:.3f} s later", case)


def save_at_every_step() -> None:
    """Checkpoints after every step, so that runs of a tenth of a second have some."""
    import velbo.training.loop

    velbo.training.loop.CHECKPOINT_SECONDS = -1.0


def as_run(*arguments: object) -> Start:
    """A command in a folder; "@" is the folder."""

    def begun(folder: Path, prepare: Prepare) -> Child:
        def first() -> None:
            save_at_every_step()
            if prepare is not None:
                prepare()

        filled = [str(a).replace("@", str(folder)) for a in arguments]
        return start(*filled, prepare=first)

    return begun


def training(material: Material) -> Iterator[Command]:
    """fit, in memory and in a stream, and resume; a killed fit is resumed once it has begun."""
    for name, data, options in (
        ("fit", material.array, SMALL),
        ("fit --stream", material.parquet, [*SMALL[:-1], "100", "--stream"]),
    ):
        fit, resume = as_run("fit", data, "--run", "@/R", *options), as_run("resume", "@/R")

        def again(folder: Path, prepare: Prepare, fit: Start = fit, resume: Start = resume) -> Child:
            return (resume if (folder / "R" / "config.json").exists() else fit)(folder, prepare)

        yield Command(name, fit, again=again)

        def in_the_middle(folder: Path, fit: Start = fit) -> None:
            # the metrics of the second epoch are written, and its checkpoint is not
            def stop() -> None:
                from velbo.training import Trainer

                save, calls = Trainer.save, []

                def one_less(self: object) -> None:
                    calls.append(1)
                    if self.state.n_metrics == 2:
                        import os

                        os.kill(os.getpid(), signal.SIGKILL)
                    save(self)

                Trainer.save = one_less

            fit(folder, stop).end()

        yield Command(name.replace("fit", "resume"), resume, in_the_middle, again=resume)


def outputs(material: Material) -> Iterator[Command]:
    """Verbs that write files, over old ones."""

    def old(*names: str) -> Callable[[Path], object]:
        return lambda folder: [(folder / name).write_text("old") for name in names]

    run, table = material.run_of_table, material.table
    for name, names, arguments in (
        ("score", ["o.csv"], ["score", run, table, "--samples", 3]),
        ("score --explain", ["o.parquet"], ["score", run, table, "--samples", 3, "--explain"]),
        ("impute", ["o.csv"], ["impute", run, table, "--samples", 3]),
        (
            "impute -n 3",
            ["o-1.csv", "o-2.csv", "o-3.csv"],
            ["impute", run, table, "--samples", 3, "-n", 3, "--steps", 1],
        ),
        ("sample", ["o.npy"], ["sample", material.run_of_array]),
        ("convert", ["o.feather"], ["convert", table]),
    ):
        target = f"@/{names[0].replace('-1', '')}"
        where = [target] if name == "convert" else ["-o", target]
        yield Command(name, as_run(*arguments, *where), old(*names))


def models(material: Material) -> Iterator[Command]:
    """A model by itself, new and over another."""
    refit = as_run(
        "refit-prior", material.run_of_array, material.array, "--to", "@/R", "--prior", "learned", "--epochs", 1
    )

    def again(folder: Path, prepare: Prepare) -> Child:
        from velbo.training import Run

        def open_it() -> None:
            with Run(folder / "R").locked():
                pass

        # after the rename that makes it a run the command refuses, as it should
        is_there = Run(folder / "R").config_file.exists()
        return Child(partial(in_python, open_it), prepare) if is_there else refit(folder, prepare)

    yield Command("refit-prior", refit, again=again)

    def saved(run: Path) -> Start:
        def save(folder: Path, prepare: Prepare) -> Child:
            def work() -> None:
                import velbo

                velbo.TrainedModel.load(run).save(folder / "R")

            return Child(partial(in_python, work), prepare)

        return save

    yield Command("save", saved(material.run_of_array), is_set=False)
    first = saved(material.run_of_array)
    yield Command("save over", saved(material.run_of_table), lambda folder: first(folder, None).end(), is_set=False)


def cases(material: Material, seed: int) -> Iterator[Case]:
    """All of them."""
    train, write = list(training(material)), list(outputs(material))
    for command in (*train, *write, *models(material)):
        yield from at_operations(command)
    for i, command in enumerate((train[0], train[2], train[1], write[2])):
        yield from at_moments(command, RANDOM_MOMENTS // 4, seed + i)
    yield from signals_twice(train[0], SIGNALS, seed)
    for command in (train[0], train[1]):
        yield from two_at_once(command, RACES // 2, seed)
