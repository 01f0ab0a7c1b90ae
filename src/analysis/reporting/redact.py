"""Takes secrets out of error texts before anybody sees them: in the manifest, the index, the log and on the terminal."""

from __future__ import annotations

import os
import re

from analysis.reporting.parameters import SECRET

LONGEST = 500
URL_USER = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)[^/\s]*@", re.IGNORECASE)
ASSIGNED = re.compile(
    r"(?i)(?P<name>[\w-]*(?:password|passwd|pwd|secret|token|api_?key|access_?key|private_?key)[\w-]*['\"]?\s*[=:]\s*)"
    r"(?P<value>\"[^\"]*\"|'[^']*'|[^\s,;&]+)"
)
HIDDEN = "[hidden]"


class Redactor:
    """Hides the values of secret-looking environment variables, users in URLs and `password=...`; cuts long texts."""

    def __init__(self, environment: dict[str, str] | None = None) -> None:
        variables = os.environ if environment is None else environment
        values = {value for name, value in variables.items() if SECRET.search(name) and len(value) >= 4}
        self._values = sorted(values, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text as one line that may be shown."""
        for value in self._values:
            text = text.replace(value, HIDDEN)
        text = URL_USER.sub(rf"\g<scheme>{HIDDEN}@", text)
        text = ASSIGNED.sub(rf"\g<name>{HIDDEN}", text)
        line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
        return line if len(line) <= LONGEST else line[: LONGEST - 3] + "..."
