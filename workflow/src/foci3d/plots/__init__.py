"""Figures: one module per subject, one function per figure or panel, from arrays and tables to matplotlib figures.

Scripts call `style.use_style` first and `style.save` last. No module here reads files.
"""
