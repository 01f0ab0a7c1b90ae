"""The sales activity workbench: which activities predict revenue, after how long, and how sure are we?

`import analysis as an` gives notebooks the same functions that the command line uses; each is imported when first used.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

# One thread a process: threads of the linear algebra would spin against each other in a batch, break fork, and move the
# last digits of results. Whoever wants more sets it before.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

_PUBLIC = {
    "AnalysisError": "analysis.errors",
    "Panel": "analysis.panel",
    "Study": "analysis.evidence",
    "blocks": "analysis.reporting.blocks",
    "build_panel": "analysis.panel:build",
    "check_frame": "analysis.evidence.frames",
    "evidence": "analysis.evidence",
    "figures": "analysis.reporting.figures",
    "kernel_frame": "analysis.evidence.frames",
    "load_pack": "analysis.reporting.pack",
    "load_panel": "analysis.panel:load",
    "management": "analysis.management",
    "models": "analysis.models",
    "read": "analysis.crm",
    "run_study": "analysis.evidence",
    "simulate": "analysis.crm.simulate",
    "team_pack": "analysis.reporting.sources",
    "team_page": "analysis.reporting.team_page",
    "words": "analysis.words",
    "write_study": "analysis.evidence",
}

__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"analysis has no {name!r}; it has {', '.join(__all__)}")
    module, _, attribute = _PUBLIC[name].partition(":")
    loaded = import_module(module)
    return loaded if module.endswith(f".{name}") and not attribute else getattr(loaded, attribute or name)


def __dir__() -> list[str]:
    return list(__all__)
