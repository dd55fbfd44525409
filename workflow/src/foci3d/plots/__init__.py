"""The figures, a module a subject and a function a figure or panel, from arrays and tables to matplotlib figures.

Every script calls `style.use_style` first and `style.save` last. Nothing here reads files.
"""
