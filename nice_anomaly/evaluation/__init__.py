"""Evaluation: what verdicts come to, what a run would miss, and whether it beats simple methods."""
