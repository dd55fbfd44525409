"""How far to trust a prediction: recalibration, consistency with the measurement, and quality in words."""
