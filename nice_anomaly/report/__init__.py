"""Report: one page about a run and what it found, that needs nothing else to be read."""

from nice_anomaly.report.gathered import Gathered, Sample
from nice_anomaly.report.page import Page, check
from nice_anomaly.report.subject import Found, Subject

__all__ = ["Found", "Gathered", "Page", "Sample", "Subject", "check"]
