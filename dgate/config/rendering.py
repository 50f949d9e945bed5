"""dicom.ini from dicom.ini.j2 and converters.txt: what the original wrapper's start script does, without its losses.

Two placeholders, spelt exactly `{{ AETITLE }}` and `{{ PORT }}`, are filled in, then each line of converters.txt
becomes an `ImportConverter<k>` key. The wrapper's shell loop eats backslashes and a last line without newline; here
they survive.
"""

from __future__ import annotations

import re

from dgate.config.inifile import IniFile, as_text

_PLACEHOLDER = re.compile(rb"\{\{[ \t]*([A-Za-z_][A-Za-z0-9_]*)[ \t]*\}\}")
_KNOWN = (b"{{ AETITLE }}", b"{{ PORT }}")
_BLANKS = b" \t\r"


class RenderError(ValueError):
    """The template holds a placeholder that nobody fills in."""

    def __init__(self, file: str, line: int, message: str) -> None:
        super().__init__(f"{file}:{line}: {message}")
        self.file = file
        self.line = line


def render_dicom_ini(
    template: bytes, converters: bytes, ae_title: str, port: int, *, template_name: str = "dicom.ini.j2"
) -> bytes:
    """The bytes of dicom.ini. Raises `RenderError` for a placeholder other than the two known ones."""
    _refuse_unknown(template, template_name)
    filled = template.replace(_KNOWN[0], ae_title.encode()).replace(_KNOWN[1], str(port).encode())
    if not filled.endswith(b"\n"):
        filled += b"\n"
    lines = converter_lines(converters)
    if not lines:
        return filled
    return b"".join([filled, _section_again(filled), *lines])


def converter_lines(converters: bytes) -> list[bytes]:
    """One line of dicom.ini per line of converters.txt, numbered from 0 as the wrapper does.

    An empty line uses up its number, and is a converter that does nothing. One that begins with `#` does so too, but
    the language knows no comments: it is an error in the log at each image, as with the original.
    """
    rows = converters.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if not rows[-1]:
        rows.pop()
    return [b"ImportConverter%d = %s\n" % (number, row.strip(_BLANKS)) for number, row in enumerate(rows)]


def _section_again(filled: bytes) -> bytes:
    """The server's section header once more where the template ends in another one (`[lua]`, say).

    Appended keys would belong to that one and be lost; a section may be split in parts, so repeating it is safe.
    """
    ini = IniFile.parse(filled)
    if ini.last_section == ini.selected:
        return b""
    return b"[" + ini.selected.encode("utf-8", "surrogateescape") + b"]\n"


def _refuse_unknown(template: bytes, file: str) -> None:
    for match in _PLACEHOLDER.finditer(template):
        if match[0] not in _KNOWN:
            line = template.count(b"\n", 0, match.start()) + 1
            raise RenderError(
                file,
                line,
                f"unknown placeholder {as_text(match[0])}; only {{{{ AETITLE }}}} and {{{{ PORT }}}} are filled in, "
                "and only spelt exactly so",
            )
