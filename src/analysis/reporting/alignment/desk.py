"""The desk of the alignment report: what marketing and sales ask of the same leads, each question answered once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import pandas as pd

from analysis.errors import AnalysisError
from analysis.management.book import NotRecorded
from analysis.reporting.company import open_company
from analysis.reporting.company_desk import CompanyDesk

ABSENT = NotRecorded | AnalysisError
EVERYBODY = "everybody"
SIDES = ("marketing", "first_touch", "feedback")


@dataclass(frozen=True)
class Desk(CompanyDesk):
    """The company's pack with the answers of management.leads, handoff and response."""

    texts: ClassVar[str] = "alignment"

    @cached_property
    def volume(self) -> Any:
        """Leads created and qualified by source and quarter."""
        from analysis.management.leads import lead_volume

        return self.ask(lambda book: lead_volume(book, "quarter", 5))

    @cached_property
    def conversion(self) -> Any:
        """Qualified leads that became an opportunity, all and by source."""
        from analysis.management.leads import lead_conversion

        return self.ask(lead_conversion)

    @cached_property
    def campaigns(self) -> Any:
        """Cost and outcome of every campaign."""
        from analysis.management.leads import campaigns

        return self.ask(campaigns)

    @cached_property
    def inbound(self) -> Any:
        """Business from inbound leads by quarter."""
        from analysis.management.leads import inbound

        found = self.ask(inbound)
        return shares_of_a_whole(found) if isinstance(found, pd.DataFrame) else found

    @cached_property
    def handoff(self) -> Any:
        """Both sides of the hand-off: everybody, teams, partners."""
        from analysis.management.handoff import hand_off

        return self.ask(hand_off)

    @cached_property
    def partners(self) -> Any:
        """Leads of each partner without feedback."""
        from analysis.management.handoff import no_feedback_by_partner

        return self.ask(no_feedback_by_partner)

    @cached_property
    def waiting(self) -> Any:
        """Leads without feedback beyond the agreed hours."""
        from analysis.management.handoff import no_feedback

        return self.ask(no_feedback)

    @cached_property
    def response(self) -> Any:
        """Response time against conversion."""
        from analysis.management.response import response_effect

        return self.ask(response_effect)

    @cached_property
    def converted(self) -> dict[str, Any] | None:
        """All sources together: n, conversion, conf_low, conf_high, horizon_days, definition; None without."""
        if isinstance(self.conversion, ABSENT):
            return None
        return {str(name): value for name, value in self.conversion.iloc[0].items()}

    @cached_property
    def sides(self) -> dict[str, dict[str, Any]]:
        """The recorded sides of the hand-off, everybody together: within, conf_low, conf_high, limit_h, n."""
        if isinstance(self.handoff, ABSENT):
            return {}
        rows = self.handoff[self.handoff["missing"].eq("") & self.handoff["group_kind"].eq(EVERYBODY)]
        rows = rows.dropna(subset=["within"])
        return {str(row["side"]): {str(k): v for k, v in row.items()} for row in rows.to_dict("records")}

    @cached_property
    def qualified(self) -> pd.Series:
        """Qualified leads of all sources by complete quarter, oldest first; empty where it is not recorded."""
        if isinstance(self.volume, ABSENT):
            return pd.Series(dtype="float64")
        rows = self.volume[self.volume["complete"]]
        return rows.groupby("period_start")["qualified"].sum().sort_index()


def open_desk(pack: str = "", data: str = "", locale: str = "en") -> Desk:
    """The desk of a company pack's folder; without one, made now from a data folder."""
    return Desk(open_company(pack, data)[0], None, locale)


def shares_of_a_whole(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with ranges of its shares cut at none and all: few deals leave them wider than a share can be."""
    return frame.assign(conf_low=frame["conf_low"].clip(lower=0.0), conf_high=frame["conf_high"].clip(upper=1.0))
