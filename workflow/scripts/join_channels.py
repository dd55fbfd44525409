"""Join the results of the channels of an acquisition.

Reads foci and quality (CSV) of each channel; writes one table each of all, with the column channel.
"""

from pathlib import Path

from foci3d.reconstruction.result_folder import join_channels
from foci3d.workflow.job import run_job


def main(channel_foci: list[Path], foci: Path) -> None:
    join_channels([path.parent for path in channel_foci], foci.parent)


if __name__ == "__main__":
    run_job(main)
