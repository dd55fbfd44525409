"""Units in which tables and figures show numbers that are kept as shares, or in the unit itself."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Unit:
    """A unit of tables and figures.

    Parameters
    ----------
    symbol : str
        As it is written after a number or in a heading; empty for a number without unit.
    scale : float
        Factor from the number as it is kept to the number as it is shown.
    """

    symbol: str
    scale: float = 1.0

    @property
    def on_axes(self) -> str:
        """The symbol as figures write it."""
        return self.symbol.replace("um", "µm")


NO_UNIT = Unit("")
PERCENT = Unit("%", 100.0)
MICROMETRE = Unit("um")
DECIBEL = Unit("dB")
ELECTRONS = Unit("e-")
PER_MILLIMETRE = Unit("/mm")
