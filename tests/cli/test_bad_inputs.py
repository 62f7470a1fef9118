"""What a user sees of bad input: trained, or one plain line on stderr and exit code 2; never a traceback, a NaN, or
lost work. `PYTHONPATH=tests python tests/cli/test_bad_inputs.py` prints the table.
"""

from __future__ import annotations

import json
import math
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from contracts.commands import call, options

RNG = np.random.default_rng(0)
GOOD = RNG.normal(size=(30, 3))
GREY = RNG.integers(0, 256, (20, 8, 8)).astype(np.uint8)


def npy(folder: Path, x: object, name: str = "x.npy") -> Path:
    np.save(folder / name, np.asarray(x))
    return folder / name


def text(folder: Path, content: str | bytes, name: str = "x.csv") -> Path:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder / name


def fit(folder: Path, source: object, *given: object) -> tuple[int, str, str]:
    return call("fit", source, *options("--run", folder / "run", *given))


def trained(folder: Path) -> Path:
    code, _, err = fit(folder, npy(folder, GOOD, "good.npy"))
    assert code == 0, err
    return folder / "run"


def with_cell(value: float) -> np.ndarray:
    x = GOOD.copy()
    x[3, 1] = value
    return x


def damaged(folder: Path, name: str, change: Callable[[bytes], bytes]) -> Path:
    run = trained(folder)
    file = next(run.rglob(name))
    file.write_bytes(change(file.read_bytes()))
    return run


def hostile(_: bytes) -> bytes:
    class Boom:
        def __reduce__(self):
            return sys.exit, (99,)

    return pickle.dumps(Boom())


def evaluated_on(folder: Path, x: object) -> tuple[int, str, str]:
    return call("evaluate", trained(folder), npy(folder, x, "later.npy"), "--samples", 3)


def images(folder: Path, *sizes: tuple[int, int]) -> Path:
    from PIL import Image

    (folder / "images").mkdir()
    for i, size in enumerate(sizes):
        Image.new("L", size, 128).save(folder / "images" / f"{i}.png")
    return folder / "images"


def not_an_image(folder: Path) -> Path:
    target = images(folder, (8, 8))
    (target / "z.png").write_text("no image")
    return target


def unpickled_npy(folder: Path) -> Path:
    np.save(folder / "o.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return folder / "o.npy"


TRAINED: dict[str, Callable[[Path], tuple[int, str, str]]] = {
    "one row": lambda f: fit(f, npy(f, GOOD[:1])),
    "two rows": lambda f: fit(f, npy(f, GOOD[:2])),
    "one column": lambda f: fit(f, npy(f, GOOD[:, :1])),
    "a constant column": lambda f: fit(f, npy(f, np.c_[GOOD, np.full(30, 7.0)])),
    "every column constant": lambda f: fit(f, npy(f, np.ones((30, 3)) * 2.5)),
    "missing cells": lambda f: fit(f, npy(f, with_cell(np.nan))),
    "one column all missing": lambda f: fit(f, npy(f, np.c_[GOOD, np.full(30, np.nan)])),
    "one row all missing": lambda f: fit(f, npy(f, np.r_[GOOD, np.full((1, 3), np.nan)])),
    "a huge value": lambda f: fit(f, npy(f, with_cell(1e80))),
    "a tiny spread on a large mean": lambda f: fit(f, npy(f, 1.7e9 + GOOD)),
    "a vector": lambda f: fit(f, npy(f, np.arange(5.0) ** 1.5)),
    "all rows equal": lambda f: fit(f, npy(f, np.repeat(GOOD[:1], 30, 0))),
    "more latents than columns": lambda f: fit(f, npy(f, GOOD), "--latent", 50),
    "batch larger than the data": lambda f: fit(f, npy(f, GOOD), "--batch-size", 10**6),
    "int8, bool and float16 arrays": lambda f: fit(f, npy(f, GOOD.astype(np.float16))),
    "all bits 0": lambda f: fit(f, npy(f, np.zeros((30, 3)))),
    "images with missing pixels": lambda f: fit(
        f, npy(f, np.where(GREY > 200, np.nan, GREY)), "--recipe", "conv", "--hidden", 4
    ),
    "a header with quotes": lambda f: fit(f, text(f, 'a,"b ""x"", c"\n1,2\n2,5\n')),
    "columns in another order at predict time": lambda f: (
        fit(f, text(f, "a,b\n1.5,2\n3,5.5\n4,8\n"), "--likelihood", "normal"),
        call("evaluate", f / "run", text(f, "b,a\n1,2\n", "later.csv")),
    )[1],
    "evaluate one row": lambda f: evaluated_on(f, GOOD[:1]),
    "missing cells only at predict time": lambda f: evaluated_on(f, with_cell(np.nan)),
}

REFUSED: dict[str, tuple[Callable[[Path], tuple[int, str, str]], str]] = {
    "an empty .npy file": (lambda f: fit(f, text(f, "", "x.npy")), "empty"),
    "an empty .csv file": (lambda f: fit(f, text(f, "")), "empty"),
    "an empty .npz file": (lambda f: fit(f, text(f, "", "x.npz")), "the file is empty"),
    "a header and nothing else": (lambda f: fit(f, text(f, "a,b\n")), "no row"),
    "no rows": (lambda f: fit(f, npy(f, np.zeros((0, 3)))), "no rows"),
    "no columns": (lambda f: fit(f, npy(f, np.zeros((3, 0)))), "no columns"),
    "all cells missing": (lambda f: fit(f, npy(f, np.full((5, 3), np.nan))), "wholly missing"),
    "infinity": (lambda f: fit(f, npy(f, with_cell(np.inf))), "row 3, 1 holds infinity"),
    "a value too large to square": (lambda f: fit(f, npy(f, with_cell(1e200))), "too large to square"),
    "a word among numbers": (
        lambda f: fit(f, text(f, "a,b\n1.5,1\n2.5,2\n0.5,3\n7.5,red\n")),
        "column 'b' holds numbers and words, such as 'red'",
    ),
    "words in an array": (
        lambda f: fit(f, text(f, "a,b\n1.5,red\n2.5,blue\n3.75,red\n"), "--likelihood", "normal"),
        "'b': likelihood 'normal' is for fields of kind real",
    ),
    "identifiers": (
        lambda f: fit(f, text(f, "a,b\n" + "".join(f"{i / 3},P{i}\n" for i in range(60)))),
        "column 'b' holds identifiers, another in every row: leave it out with --column b=drop",
    ),
    "a column that is not there": (
        lambda f: fit(f, text(f, "age,b\n1,2\n3,5\n"), "--column", "aeg=count"),
        "unknown column 'aeg'. Did you mean 'age'",
    ),
    "a likelihood that does not suit": (
        lambda f: fit(f, text(f, "age,b\n1,2\n3,5\n7,9\n"), "--column", "age=count:gamma"),
        "likelihood 'gamma' is for fields of kind positive",
    ),
    "rows of unequal length": (lambda f: fit(f, text(f, "1,2\n3\n")), "line 2 has 1 cell"),
    "a binary file named .csv": (lambda f: fit(f, text(f, b"\x7fELF\x02\x01\x00\x00\n\x00\x01")), "not a text table"),
    "a text file named .npy": (lambda f: fit(f, text(f, "hello", "x.npy")), "cannot be read"),
    "a pickled .npy": (lambda f: fit(f, unpickled_npy(f)), "could execute anything"),
    "complex numbers": (lambda f: fit(f, npy(f, GOOD + 1j)), "Complex"),
    "an unknown ending": (lambda f: fit(f, text(f, "1", "x.docx")), "a '.docx' file is of no format that is known"),
    "a file that is not there": (lambda f: fit(f, f / "nothing.npy"), "no file or folder"),
    "a misspelt embedded set": (lambda f: fit(f, "digit"), "Did you mean 'digits'"),
    "a key that the archive lacks": (
        lambda f: (np.savez(f / "x.npz", train=GOOD), fit(f, f"{f}/x.npz:trian"))[1],
        "Did you mean 'train'",
    ),
    "an archive of two, no key": (
        lambda f: (np.savez(f / "x.npz", a=GOOD, b=GOOD[:9]), fit(f, f / "x.npz"))[1],
        "different numbers of rows",
    ),
    "a folder without images": (lambda f: fit(f, f), "no image"),
    "images of two sizes": (lambda f: fit(f, images(f, (8, 8), (9, 8))), "all images must have one size"),
    "a broken image": (lambda f: fit(f, not_an_image(f)), "not a readable image"),
    "an unknown option": (lambda f: fit(f, "digits", "--epocs", 3), "epocs"),
    "a misspelt recipe": (lambda f: fit(f, "digits", "--recipe", "rsmlp"), "Did you mean 'resmlp'"),
    "a misspelt likelihood": (lambda f: fit(f, "digits", "--likelihood", "bernouli"), "Did you mean 'bernoulli'"),
    "a misspelt objective": (lambda f: fit(f, "digits", "--objective", "ebo"), "Did you mean 'elbo'"),
    "a misspelt command": (lambda f: call("fitt", "digits"), "fit"),
    "a word for a number": (lambda f: fit(f, "digits", "--epochs", "many"), "many"),
    "widths that are no numbers": (lambda f: fit(f, "digits", "--hidden", "a,b"), "200,200"),
    "no latents": (lambda f: fit(f, "digits", "--latent", 0), "latent must be at least 1"),
    "a negative learning rate": (lambda f: fit(f, "digits", "--lr", -1), "lr must be more than 0"),
    "no epochs": (lambda f: fit(f, "digits", "--epochs", 0), "epochs must be at least 1"),
    "conv on a table": (lambda f: fit(f, npy(f, GOOD), "--recipe", "conv"), "needs one image a row"),
    "bernoulli on real numbers": (
        lambda f: fit(f, npy(f, GOOD), "--likelihood", "bernoulli"),
        "use likelihood 'normal'",
    ),
    "normal on bits": (lambda f: fit(f, npy(f, GREY // 128), "--likelihood", "normal"), "is of kind 'binary'"),
    "free bits with iwae": (lambda f: fit(f, "digits", "--objective", "iwae", "--free-bits", 1), "not on 'iwae'"),
    "more rows than there are": (lambda f: fit(f, "digits", "--rows", 10**6), "between 1 and 1797"),
    "a device that is not there": (lambda f: fit(f, "digits", "--device", "cudaa"), "cudaa"),
    "a run folder that is taken": (lambda f: fit(f, "digits", "--run", trained(f)), "holds a run already"),
    "a run folder below a file": (lambda f: fit(f, "digits", "--run", text(f, "") / "run"), "no folder can be there"),
    "not a run folder": (lambda f: call("evaluate", f, "digits"), "no run folder"),
    "wrong columns at predict time": (lambda f: evaluated_on(f, GOOD[:, :2]), "shape (2,)"),
    "a column less at predict time": (
        lambda f: (
            fit(f, text(f, "a,b\n1,2.5\n3,5\n5,7\n")),
            call("evaluate", f / "run", text(f, "a,c\n1,2\n", "later.csv")),
        )[1],
        "there is no field 'b'",
    ),
    "huge values at predict time": (lambda f: evaluated_on(f, with_cell(1e30)), "standard deviations"),
    "images given to a table model": (lambda f: evaluated_on(f, GREY), "shape (8, 8)"),
    "no samples": (lambda f: call("evaluate", trained(f), f / "good.npy", "--samples", 0), "at least 1"),
    "latents of the wrong width": (
        lambda f: call("decode", trained(f), npy(f, np.zeros((2, 3)), "z.npy"), "-o", f / "o.npy"),
        "2 finite numbers a row",
    ),
    "an output of unknown ending": (lambda f: call("sample", trained(f), "-o", f / "x.docx"), "name a .parquet, "),
    "a sheet of a table": (lambda f: call("sample", trained(f), "-o", f / "x.png"), "a sheet shows images"),
    "an output folder below a file": (
        lambda f: call("sample", trained(f), "-o", text(f, "") / "x.npy"),
        "cannot be written",
    ),
    "minus one samples": (lambda f: call("sample", trained(f), "-n", -1, "-o", f / "x.npy"), "at least 1"),
    "a truncated model": (
        lambda f: call("evaluate", damaged(f, "model.safetensors", lambda b: b[: len(b) // 2]), f / "good.npy"),
        "cut short",
    ),
    "a pickle renamed to .safetensors": (
        lambda f: call("evaluate", damaged(f, "model.safetensors", hostile), f / "good.npy"),
        "not loaded",
    ),
    "a config that is not JSON": (
        lambda f: call("info", damaged(f, "config.json", lambda b: b[:-9])),
        "not readable as JSON",
    ),
    "a config with a misspelt key": (
        lambda f: call("resume", damaged(f, "config.json", lambda b: b.replace(b'"epochs"', b'"epoch"'))),
        "Did you mean 'epochs'",
    ),
    "a config of another model": (
        lambda f: call(
            "evaluate", damaged(f, "config.json", lambda b: b.replace(b'"latent": 2', b'"latent": 3')), f / "good.npy"
        ),
        "different runs",
    ),
    "every checkpoint truncated": (
        lambda f: call("resume", damaged(f, "tensors.safetensors", lambda b: b[:50])),
        "no checkpoint",
    ),
    "resumed on other data": (
        lambda f: call("resume", trained(f), "--data", npy(f, GOOD + 1)),
        "not the ones",
    ),
    "data gone when resumed": (
        lambda f: (trained(f), (f / "good.npy").unlink(), call("resume", f / "run"))[2],
        "no file",
    ),
}


@pytest.mark.parametrize("case", TRAINED)
@pytest.mark.filterwarnings("ignore::velbo.errors.CollapseWarning")
def test_trained(case, tmp_path):
    """Strange but usable: exit 0, and every number that is written is finite."""
    code, _, err = TRAINED[case](tmp_path)
    assert code == 0, err
    for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines():
        assert all(math.isfinite(v) for v in json.loads(line).values())


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case, tmp_path):
    """One plain line that says what is wrong."""
    action, word = REFUSED[case]
    code, out, err = action(tmp_path)
    complaint = err.splitlines()[-1]
    assert code == 2, err
    assert complaint.startswith("velbo: ")
    assert word in complaint
    assert "Traceback" not in err
    assert out == ""


def test_a_full_disk_loses_no_work(tmp_path, monkeypatch):
    """Writing fails half way through a checkpoint: one line; the run resumes to the same bits as an untouched one."""
    from velbo.files import whole

    source = npy(tmp_path, GOOD)
    assert call("fit", source, *options("--run", tmp_path / "whole", "--epochs", 3))[0] == 0
    original = whole._sync

    def full(path):
        raise OSError(28, "No space left on device")

    code, _, _ = call("fit", source, *options("--run", tmp_path / "run", "--epochs", 3))
    assert code == 0
    monkeypatch.setattr(whole, "_sync", full)
    code, _, err = call("fit", source, *options("--run", tmp_path / "full"))
    assert code == 2
    assert "No space left on device" in err.splitlines()[-1]
    code, _, err = call("sample", tmp_path / "run", "-o", tmp_path / "new.npy")
    assert code == 2
    assert not (tmp_path / "new.npy").exists()
    assert not list(tmp_path.glob(".*tmp"))
    monkeypatch.setattr(whole, "_sync", original)
    assert call("evaluate", tmp_path / "run", source, "--samples", 2)[0] == 0
    whole, run = (json.loads((tmp_path / n / "metrics.jsonl").read_text().splitlines()[-1]) for n in ("whole", "run"))
    assert whole == run


def table() -> None:
    """Print what the user sees in every case."""
    import tempfile

    for name, action in [*TRAINED.items(), *((n, a) for n, (a, _) in REFUSED.items())]:
        with tempfile.TemporaryDirectory() as folder:
            code, _, err = action(Path(folder))
            says = "works" if code == 0 else err.strip().splitlines()[-1].replace(folder, "DIR")
            print(f"| {name} | {code} | {says} |")


if __name__ == "__main__":
    table()
