"""One section of the texts in one language, bound once, so that a notebook's sentences name neither again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.words import names, numbers
from analysis.words.catalogue import DEFAULT_LOCALE, plural, text


@dataclass(frozen=True, slots=True)
class Voice:
    """section: the part of texts/*.toml that `text` and `plural` read; locale: BCP 47."""

    section: str
    locale: str = DEFAULT_LOCALE

    def text(self, key: str, values: Mapping[str, object] | None = None) -> str:
        """A text of the section, its {names} filled."""
        return text(f"{self.section}.{key}", values, locale=self.locale)

    def plural(self, key: str, count: float, values: Mapping[str, object] | None = None) -> str:
        """The form of a text of the section that fits `count`, which it may name as {n}."""
        shown = {"n": self.number(count, decimals=0), **(values or {})}
        return plural(f"{self.section}.{key}", count, shown, locale=self.locale)

    def number(self, value: float | None, *, decimals: int | None = None) -> str:
        """A number with the language's separators."""
        return numbers.number(value, decimals=decimals, locale=self.locale)

    def share(self, value: float | None, *, decimals: int | None = None) -> str:
        """A share as per cent."""
        return numbers.share(value, decimals=decimals, locale=self.locale)

    def money(self, value: float | None, currency: str | None) -> str:
        """An amount, two significant digits."""
        return numbers.money(value, currency, locale=self.locale)

    def count(self, n: float | None, noun: str) -> str:
        """A counted noun: ``3 reps``."""
        return numbers.count(n, noun, locale=self.locale)

    def date(self, value: object) -> str:
        """A calendar date."""
        return numbers.date(value, locale=self.locale)

    def listed(self, parts: Sequence[str]) -> str:
        """``a, b and c``."""
        return numbers.listed(parts, locale=self.locale)

    def kinds(self, activity: str) -> str:
        """The plural of a kind of activity: ``demos``."""
        return names.kinds_name(activity, locale=self.locale)

    def label(self, activity: str) -> str:
        """A kind of activity as a label: ``E-mails``."""
        return names.capital(self.kinds(activity))

    def together(self, activities: Sequence[str]) -> str:
        """Several kinds in a sentence: ``demos, meetings and visits``."""
        return self.listed([self.kinds(activity) for activity in activities])

    def code(self, value: str) -> str:
        """What a value that management writes into a frame is called: ``open and quiet``, ``rising``."""
        return text(f"codes.{value.replace(' ', '_')}", locale=self.locale)

    def between(self, low: str, high: str) -> str:
        """``low to high`` of two finished numbers."""
        return text("number.range", {"low": low, "high": high}, locale=self.locale)

    def ranged(self, value: str, low: str, high: str) -> str:
        """``value (low to high)`` of three finished numbers."""
        return text("number.ranged", {"value": value, "low": low, "high": high}, locale=self.locale)

    @property
    def none(self) -> str:
        """What stands where nothing is known."""
        return text("number.none", locale=self.locale)
