"""The scikit-learn estimators."""

from .anomaly_detector import AnomalyDetector
from .imputer import VAEImputer
from .vae import VAEEstimator

__all__ = ["AnomalyDetector", "VAEEstimator", "VAEImputer"]
