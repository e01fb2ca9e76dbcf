"""Compiles the message catalogues when the package is built, so that none is committed; puts the guide into a wheel."""

from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def compile_catalogues(root: Path) -> list[Path]:
    """Write a .mo beside every .po below `root`/admin/translations; return the files written."""
    written = []
    for source in sorted((root / "admin" / "translations").glob("*/LC_MESSAGES/*.po")):
        with source.open("rb") as stream:
            catalogue = read_po(stream)
        target = source.with_suffix(".mo")
        with NamedTemporaryFile(dir=target.parent, delete=False) as fresh:
            write_mo(fresh, catalogue)
        # At once: another process may be reading it.
        Path(fresh.name).chmod(0o644)
        Path(fresh.name).replace(target)
        written.append(target)
    return written


class CatalogueHook(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        for path in compile_catalogues(root):
            build_data["artifacts"].append(str(path.relative_to(root)))
        # The pages show the guide; a checkout, and an editable installation of it, read it from docs/.
        if version == "standard" and self.target_name == "wheel":
            docs = root / "docs"
            for file in (*docs.glob("guide-head.*.md"), *docs.glob("img/guide/*.png")):
                build_data["force_include"][str(file)] = f"admin/guide/{file.relative_to(docs)}"


if __name__ == "__main__":
    compile_catalogues(Path(__file__).parent)
