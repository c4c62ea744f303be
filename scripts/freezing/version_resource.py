"""What Windows shows of an executable: its "Details", and its name in the task manager."""

from __future__ import annotations

from pathlib import Path

from sidecar import __version__

_LANGUAGE = 0x0409
_UNICODE = 0x04B0

_TEMPLATE = """\
VSVersionInfo(
  ffi=FixedFileInfo(filevers={numbers}, prodvers={numbers}),
  kids=[
    StringFileInfo([StringTable("{language:04x}{charset:04x}", [
      {strings}
    ])]),
    VarFileInfo([VarStruct("Translation", [{language}, {charset}])]),
  ],
)
"""


def write_version_resource(path: Path) -> str:
    """Writes the version resource for PyInstaller, and returns where."""
    path.write_text(version_resource(__version__), encoding="utf-8")
    return str(path)


def version_resource(version: str) -> str:
    """Makes the expression that PyInstaller reads.

    Args:
        version: Such as ``1.2.3``; what follows the numbers is shown but not compared.
    """
    strings = {
        "CompanyName": "the classroom SFU authors",
        "FileDescription": "Classroom SFU: forwards the teacher's picture and sound",
        "FileVersion": version,
        "InternalName": "classroom-sfu",
        "LegalCopyright": "MIT licence",
        "OriginalFilename": "classroom-sfu.exe",
        "ProductName": "Classroom SFU",
        "ProductVersion": version,
    }
    return _TEMPLATE.format(
        numbers=_four_numbers(version),
        language=_LANGUAGE,
        charset=_UNICODE,
        strings=",\n      ".join(f"StringStruct({k!r}, {v!r})" for k, v in strings.items()),
    )


def _four_numbers(version: str) -> tuple[int, int, int, int]:
    numbers = [int(part) for part in version.split(".") if part.isdigit()]
    major, minor, patch, build = (*numbers, 0, 0, 0, 0)[:4]
    return major, minor, patch, build
