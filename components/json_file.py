"""Records that lie in an artifact's folder, each as a JSON file of one name."""

from pathlib import Path
from typing import ClassVar, TypeVar

from components.strict_config import StrictConfig
from components.whole_file import whole_file

_Record = TypeVar("_Record", bound="JsonFile")


class JsonFile(StrictConfig):
    """A record that is written into a folder and read from there.

    Attributes:
        FILE: The file's name.
    """

    FILE: ClassVar[str]

    def write(self, folder: Path) -> None:
        """Writes the record."""
        with whole_file(folder / self.FILE) as file:
            file.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls: type[_Record], folder: str | Path) -> _Record:
        """Reads what `write` wrote."""
        return cls.model_validate_json(Path(folder, cls.FILE).read_bytes())
