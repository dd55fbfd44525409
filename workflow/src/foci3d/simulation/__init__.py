"""Synthetic scenes and the sensors' measurements of them."""
