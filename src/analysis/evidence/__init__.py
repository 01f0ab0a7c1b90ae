"""From a plan fixed before looking, to findings, checks, grades and words."""

from analysis.evidence.ledger import write_study
from analysis.evidence.study import Study, run_study

__all__ = ["Study", "run_study", "write_study"]
