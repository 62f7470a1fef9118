"""The scikit-learn face: scikit-learn's own checks, and what they do not see."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from velbo import VAEEstimator
from velbo.errors import RunError


@parametrize_with_checks([VAEEstimator(n_latents=2, hidden=(8,), max_epochs=3, n_samples=3, random_state=0)])
def test_scikit_learn_checks(estimator, check):
    """No check is skipped or expected to fail."""
    check(estimator)


@pytest.fixture(scope="module")
def cancer():
    return load_breast_cancer(as_frame=True).data


@pytest.fixture(scope="module")
def fitted(cancer):
    return VAEEstimator(n_latents=4, hidden=(64,), max_epochs=60, random_state=0).fit(cancer)
