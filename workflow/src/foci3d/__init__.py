"""foci3d: 3D maps of cells from the measurements of millimetre-scale lensless imagers.

The names of the public API are imported on first use, so that `import foci3d` is fast and needs no torch; they are
listed in ``__init__.pyi``. Modules of the library import from each other, never from here: the code digest of a script
covers the modules that it imports.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
