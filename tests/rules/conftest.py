"""Runs a rule's script as Snakemake would, without Snakemake."""

import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"


class Named(SimpleNamespace):
    """Values with names, which also count from 0 and unpack as Snakemake's do."""

    def __getitem__(self, index: int) -> Any:
        return list(vars(self).values())[index]

    def __iter__(self) -> Any:
        return iter(vars(self).values())

    def get(self, name: str, default: Any = None) -> Any:
        return vars(self).get(name, default)


@pytest.fixture
def run_script(tmp_path: Path) -> Callable[..., str]:
    """Run a script with a stub of the `snakemake` object; returns its log."""

    def run(
        rule: str,
        *,
        input: Mapping[str, Any] = {},
        output: Mapping[str, Any] = {},
        params: Mapping[str, Any] = {},
        wildcards: Mapping[str, str] = {},
        threads: int = 1,
    ) -> str:
        log = tmp_path / f"{rule}.log"
        for path in output.values():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        stub = SimpleNamespace(
            rule=rule,
            input=Named(**input),
            output=Named(**output),
            params=Named(**params),
            wildcards=Named(**wildcards),
            log=Named(log=str(log)),
            threads=threads,
        )
        try:
            runpy.run_path(str(SCRIPTS / f"{rule}.py"), init_globals={"snakemake": stub}, run_name="__main__")
        finally:
            text = log.read_text() if log.exists() else ""
        return text

    return run
