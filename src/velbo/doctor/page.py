"""Findings -> a page of text."""

from __future__ import annotations

from collections.abc import Sequence

from .findings import Finding, Findings


def write(findings: Sequence[Finding]) -> str:
    """The page; one paragraph a finding."""
    return str(Findings(findings))
