"""VAE: a model with latents it cannot integrate out, and bounds. Pure torch, as the flow is."""

from nice_anomaly.vae.gradients import GRADIENTS
from nice_anomaly.vae.model import VAE, Architecture

__all__ = ["GRADIENTS", "VAE", "Architecture"]
