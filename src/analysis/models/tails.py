"""Tails and quantiles of the distributions in use, straight from scipy.special.

`scipy.stats` gives the same numbers and first checks and broadcasts its arguments, which takes a hundred times as long for
one number; a study asks for hundreds. Importing it takes half a second and 40 MB, in every process that makes a report.
"""

from __future__ import annotations

from typing import Any

from scipy import special


def t_upper(t: Any, df: Any) -> Any:
    """P(T > t) for t and degrees of freedom df of any shape, broadcast; NaN where df is not positive."""
    return special.stdtr(df, -t)


def t_two_sided(t: Any, df: Any) -> Any:
    """P(|T| > |t|); see `t_upper`."""
    return 2 * special.stdtr(df, -abs(t))


def f_upper(f: Any, df_of_test: Any, df_of_error: Any) -> Any:
    """P(F > f)."""
    return special.fdtrc(df_of_test, df_of_error, f)


def chi2_upper(x: Any, df: Any) -> Any:
    """P(chi-squared > x)."""
    return special.chdtrc(df, x)


def normal_two_sided(z: Any) -> Any:
    """P(|Z| > |z|)."""
    return 2 * special.ndtr(-abs(z))


def t_quantile(share: float, df: Any) -> Any:
    """The value below which T falls with chance `share`, in the shape of df; NaN where df is not positive."""
    return special.stdtrit(df, share)
