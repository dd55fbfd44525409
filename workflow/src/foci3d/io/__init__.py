"""Files: HDF5 artefacts, shards of datasets, predictions, images and MATLAB files."""
