"""Names, versions and promises of the package as a whole."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import velbo
from velbo.errors import MissingExtraError, need

ROOT = Path(__file__).parents[1]

PUBLIC = """
    VelboError VelboWarning Field Schema infer Reading Source open_source load Terms VAE Conditional ELBO
    IWAE DReG ScoreFunction FreeBits Budget Optimisation Weighting Validation Machine Privacy TrainingConfig train
    refit_prior Evaluation evaluate score_rows MIWAE PIWAE CIWAE Renyi TVO BetaTC InfoVAE BoundCurve bound_curve
    Aggregated aggregated_posterior Ascent Gaps gaps Bracket bracket RateDistortion rate_distortion Calibration
    calibrate impute multiple_imputations contributions synthetic_report sample_quality disentanglement refit
    Annealing anneal anneal_backwards LinearGaussian Recipe TrainedModel ObjectiveConfig Asked Plan carry_out fit plan
    VAEEstimator VAEImputer Trimmed AnomalyDetector arrow_function
""".split()


def test_public_names_are_pinned():
    assert sorted(velbo.__all__) == sorted(PUBLIC)
    for name in PUBLIC:
        assert getattr(velbo, name).__name__ == name or name in ("load", "infer")
        assert name in dir(velbo)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        velbo.nothing  # noqa: B018


@pytest.mark.parametrize("name", ["build", "formats", "rows", "training"])
def test_names_that_are_loaded_when_used_are_listed_and_there(name: str):
    package = importlib.import_module(f"velbo.{name}")
    assert set(package.__all__) <= set(dir(package))
    for each in package.__all__:
        assert getattr(package, each) is not None
    with pytest.raises(AttributeError, match=f"module 'velbo.{name}' has no attribute 'nothing'"):
        package.nothing  # noqa: B018


def test_importing_velbo_loads_nothing_heavy_and_changes_nothing():
    code = (
        "import sys, random, velbo; print([m for m in ('torch', 'sklearn', 'numpy', 'matplotlib') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_version_agrees_with_the_changelog_and_the_citation():
    assert f"## {velbo.__version__}" in (ROOT / "CHANGELOG.md").read_text()
    assert f"version: {velbo.__version__}" in (ROOT / "CITATION.cff").read_text()
    assert f'version = "{velbo.__version__}"' in (ROOT / "pyproject.toml").read_text()


FOLDERS = """
    errors lazy limits tables files config runtime rows formats nets posteriors priors likelihoods terms model
    conditional hierarchy diffusion checks objectives training evaluation oracles build card hub prediction export
    trained_model loading fitting estimators compress sweep doctor report demo serve cluster cli __main__
""".split()


HANDED_ON = {("trained_model", "report"), ("fitting", "report")}
"""A model hands itself on to a later folder when it is asked to, and no sooner: those imports stand in functions."""


def test_imports_run_against_the_flow_of_data():
    """A folder imports only from folders listed above it, but for what is handed on in a call."""
    source = ROOT / "src" / "velbo"
    for file in source.rglob("*.py"):
        room = file.relative_to(source).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        tree = ast.parse(file.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level:
                depth = len(file.relative_to(source).parts) - node.level
                names = [node.module.partition(".")[0]] if node.module else [a.name for a in node.names]
                for name in names if depth == 0 else []:
                    if (room, name) in HANDED_ON:
                        assert node not in tree.body, f"{file} imports {name} when it is imported"
                    elif name != "__version__":
                        assert FOLDERS.index(name) < FOLDERS.index(room), f"{file} imports {name}"


def test_the_readme_lists_the_folders_in_that_order():
    listed = re.search(r"^src/velbo/\n((?:  .*\n)+)", (ROOT / "README.md").read_text(), re.M)
    assert listed is not None
    names = [line.split()[0].rstrip("/").removesuffix(".py") for line in listed[1].splitlines()]
    assert [name for name in FOLDERS if name != "__main__"] == names
    found = {path.name.removesuffix(".py") for path in (ROOT / "src" / "velbo").iterdir()}
    assert found - {"__init__", "__pycache__", "py.typed"} == set(FOLDERS)


def test_nothing_is_pickled():
    for file in (ROOT / "src").rglob("*.py"):
        text = file.read_text()
        assert "import pickle" not in text
        assert "torch.load" not in text
        assert "torch.save" not in text


def test_a_missing_extra_names_the_install(monkeypatch):
    with pytest.raises(MissingExtraError, match=r"pip install 'velbo\[report\]'"):
        need("a_module_that_is_not_there", "report")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    pictures = importlib.import_module("velbo.report.pictures")
    with pytest.raises(ImportError, match="matplotlib"):
        pictures.figure(1, 1)


def test_every_public_callable_is_documented():
    for name in PUBLIC:
        assert (getattr(velbo, name).__doc__ or "").strip(), name
