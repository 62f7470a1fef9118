"""What the latents hold: the aggregated posterior, disentanglement."""
