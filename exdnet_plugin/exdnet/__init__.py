"""The network: exposures, training form, folded inference form, tiled inference, and weights in files."""
