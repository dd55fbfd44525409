"""Calibration: from a bead scan or a stack of kernels to the point-spread function."""
