"""Tails and quantiles of Student's t, straight from scipy.special.

`scipy.stats` gives the same bits and first checks and broadcasts its arguments, which takes a hundred times as long for one
number; a study asks for hundreds of single numbers.
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


def t_quantile(share: float, df: Any) -> Any:
    """The value below which T falls with chance `share`, in the shape of df; NaN where df is not positive."""
    return special.stdtrit(df, share)
