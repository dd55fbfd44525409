from changed import affected_tests

ALWAYS = {"tests/unit/config", "tests/unit/test_structure.py"}


def test_tests_affected_by_changed_files() -> None:
    changes = {
        "workflow/src/foci3d/optics/psf.py": {"tests/unit/optics"},
        "workflow/src/foci3d/learning/networks/unet.py": {"tests/unit/learning"},
        "workflow/src/foci3d/errors.py": set(),
        "workflow/scripts/train.py": {"tests/rules"},
        "tests/unit/io/test_atomic.py": {"tests/unit/io"},
        "tests/rules/test_workflow.py": {"tests/rules/test_workflow.py"},
        "tests/conftest.py": set(),
        "README.md": set(),
    }
    for file, tests in changes.items():
        assert set(affected_tests([file])) == tests | ALWAYS, file
