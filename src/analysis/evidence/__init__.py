"""From a plan fixed before looking, to findings, checks, grades and words."""
