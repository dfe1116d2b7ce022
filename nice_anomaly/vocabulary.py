"""Vocabulary: the names that settings, options, stored files and the mathematics share."""

from typing import Literal

ScoreName = Literal["likelihood", "latents", "input", "auto"]
# those that need no number by hand
SettingRule = Literal["sigma", "certified", "conformal", "cross-conformal", "quantile"]
RuleName = Literal["sigma", "certified", "conformal", "cross-conformal", "quantile", "manual"]
Tail = Literal["low", "both"]
PriorName = Literal["logistic", "gaussian", "student", "grouped-student", "mixture"]
Activation = Literal["relu", "silu"]
Precision = Literal["auto", "float32", "bfloat16"]
ModelName = Literal["nice", "vae"]
Gradient = Literal["reparametrised", "log-derivative", "plain-log-derivative"]
