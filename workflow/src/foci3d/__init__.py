"""foci3d: 3D maps of cells from the pictures of millimetre-scale lensless imagers.

Each module is a room with one subject; CONTRIBUTING.md shows which room may import which.
"""
