"""A model that is imported and was not generated is a plain dict."""

from __future__ import annotations

from pathlib import Path

from workhand.apis import checking, standins


def test_a_model_that_is_lacking_is_stood_for(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "api" / "bolts").mkdir(parents=True)
    (tmp_path / "models" / "nut.py").write_text("def f():\n    from ..models.bolt import Bolt, Head\n")
    (tmp_path / "api" / "bolts" / "get.py").write_text(
        "from ...models.bolt import Bolt\nfrom ...models.nut import Nut\n"
    )
    standins.add(tmp_path)
    checking.check(tmp_path)
    made: dict[str, type] = {}
    exec((tmp_path / "models" / "bolt.py").read_text(), made)  # noqa: S102 - what was just made
    assert made["Bolt"].from_dict({"id": 7}).to_dict() == {"id": 7}  # type: ignore[attr-defined]
    assert "Head" in made and sorted(each.name for each in (tmp_path / "models").iterdir()) == ["bolt.py", "nut.py"]
