"""The doctor: what is wrong with a trained model, in plain words, each with the figure that shows it.

examination.py   measures the model on rows it has not seen, and on rows it was trained on
findings.py      figures -> findings, one function a question
page.py          findings -> a page of text
"""

from .examination import Examination, examine
from .findings import QUESTIONS, Finding, Findings, diagnose
from .page import write

__all__ = ["QUESTIONS", "Examination", "Finding", "Findings", "diagnose", "examine", "write"]
