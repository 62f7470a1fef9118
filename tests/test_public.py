"""Names, versions and promises of the package as a whole."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import velbo
from velbo.errors import MissingExtraError, need

ROOT = Path(__file__).parents[1]

PUBLIC = """
    VelboError VelboWarning Data Column Schema TableSource infer infer_table load Terms VAE ConditionalVAE ELBO
    IWAE DReG ScoreFunction FreeBits Budget Optimisation Weighting Validation Machine TrainingConfig train
    refit_prior Evaluation evaluate score_rows MIWAE PIWAE CIWAE Renyi TVO BetaTC InfoVAE BoundCurve bound_curve
    Aggregated aggregated_posterior Ascent Gaps gaps Bracket bracket RateDistortion rate_distortion Calibration
    calibrate impute multiple_imputations contributions synthetic_report sample_quality disentanglement refit
    Annealing anneal anneal_backwards LinearGaussian Recipe FittedVAE ObjectiveConfig Plan fit plan VAEEstimator
    Trimmed for_anomalies AnomalyDetector
""".split()


def test_public_names_are_pinned():
    assert sorted(velbo.__all__) == sorted(PUBLIC)
    for name in PUBLIC:
        assert getattr(velbo, name).__name__ == name or name in ("load", "infer")
        assert name in dir(velbo)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        velbo.nothing  # noqa: B018


def test_importing_velbo_loads_nothing_heavy_and_changes_nothing():
    code = (
        "import sys, random, velbo; print([m for m in ('torch', 'sklearn', 'numpy', 'matplotlib') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_version_agrees_with_the_changelog_and_the_citation():
    assert f"## {velbo.__version__}" in (ROOT / "CHANGELOG.md").read_text()
    assert f"version: {velbo.__version__}" in (ROOT / "CITATION.cff").read_text()
    assert f'version = "{velbo.__version__}"' in (ROOT / "pyproject.toml").read_text()


ROOMS = """
    errors config files runtime formats data nets posteriors priors likelihoods terms model conditional objectives
    training evaluation oracles parts recipes anomalies fitted fitting estimators sweep report doctor demo cli
    __main__
""".split()


def test_imports_run_against_the_flow_of_data():
    """A room imports only from rooms listed above it."""
    source = ROOT / "src" / "velbo"
    for file in source.rglob("*.py"):
        room = file.relative_to(source).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level:
                depth = len(file.relative_to(source).parts) - node.level
                names = [node.module.partition(".")[0]] if node.module else [a.name for a in node.names]
                for name in names if depth == 0 else []:
                    if name != "__version__":
                        assert ROOMS.index(name) < ROOMS.index(room), f"{file} imports {name}"


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
