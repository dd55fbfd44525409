"""Runs a rule's script as Snakemake would, without Snakemake."""

import runpy
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

WORKFLOW = Path(__file__).parents[2] / "workflow"
SCRIPTS = {path.stem: path for pattern in ("scripts/*.py", "studies/*/*.py") for path in WORKFLOW.glob(pattern)}


class NamedValues(SimpleNamespace):
    """Stand-in for Snakemake's Namedlist: values by name and by number."""

    def __getitem__(self, index: int) -> Any:
        return list(vars(self).values())[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(vars(self).values())

    def get(self, name: str, default: Any = None) -> Any:
        return vars(self).get(name, default)

    def items(self) -> Any:
        return vars(self).items()


@pytest.fixture
def run_script(tmp_path: Path) -> Callable[..., str]:
    """Run the script of a rule with a stub of the `snakemake` object; returns its log."""

    def run(
        rule: str,
        *,
        input: Mapping[str, Any] = {},
        output: Mapping[str, Any] = {},
        params: Mapping[str, Any] = {},
        wildcards: Mapping[str, str] = {},
        threads: int = 1,
        config: Mapping[str, Any] = {},
    ) -> str:
        log = tmp_path / f"{rule}.log"
        for paths in output.values():
            for path in [paths] if isinstance(paths, str | Path) else paths:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
        stub = SimpleNamespace(
            rule=rule,
            input=NamedValues(**input),
            output=NamedValues(**output),
            params=NamedValues(**{"note": "A note.", **params}),
            wildcards=NamedValues(**wildcards),
            log=NamedValues(log=str(log)),
            threads=threads,
            config=dict(config),
        )
        runpy.run_path(str(SCRIPTS[rule]), init_globals={"snakemake": stub}, run_name="__main__")
        return log.read_text()

    return run
