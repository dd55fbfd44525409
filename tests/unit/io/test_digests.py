from foci3d.io.digests import digest


def test_digest_depends_on_values_and_not_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": [2.5, "c"]}) == digest({"b": [2.5, "c"], "a": 1})
    assert len({digest(value) for value in ({"a": 1}, {"a": 1.5}, {"a": "1"}, ["a", 1], "a1")}) == 5
    assert digest({}) == "44136fa355b3678a"  # the start of `printf '{}' | sha256sum`
