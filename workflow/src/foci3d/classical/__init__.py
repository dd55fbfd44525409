"""Classical methods: deconvolution and least squares with a known point-spread function."""
