"""The scikit-learn estimators."""

from .anomaly_detector import AnomalyDetector
from .vae import VAEEstimator

__all__ = ["AnomalyDetector", "VAEEstimator"]
