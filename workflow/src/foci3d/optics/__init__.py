"""The optics of the imager: angular acceptance, point-spread function, forward operator and bounds."""
