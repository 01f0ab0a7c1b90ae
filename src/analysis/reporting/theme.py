"""The few colours everything is drawn with, in light and in dark: ink, greys, one accent, three tones.

Every pair used for text has a contrast of at least 4.5 to 1 on its background, every mark at least 3 to 1; a test
computes both. `matplotlib_style` gives an analyst's own seaborn and matplotlib figures the same look.
"""

from collections.abc import Mapping

LIGHT: Mapping[str, str] = {
    "paper": "#ffffff",
    "panel": "#f5f6f8",
    "ink": "#1b2430",
    "mute": "#586273",
    "grey": "#7d8797",
    "faint": "#d5dae1",
    "accent": "#1a5e9a",
    "band": "#c9dcee",
    "good": "#1d6b42",
    "warn": "#8a5200",
    "bad": "#a8261c",
}
DARK: Mapping[str, str] = {
    "paper": "#12161c",
    "panel": "#1c222b",
    "ink": "#e8ecf1",
    "mute": "#a9b3c1",
    "grey": "#8590a1",
    "faint": "#3a4350",
    "accent": "#6fb1ea",
    "band": "#274664",
    "good": "#6cc795",
    "warn": "#e3ab55",
    "bad": "#f28b80",
}
TEXT_ROLES = ("ink", "mute", "accent", "good", "warn", "bad")
MARK_ROLES = ("grey", "accent", "good", "warn", "bad", "ink")


def variables(palette: Mapping[str, str]) -> str:
    """The palette as CSS custom properties."""
    return ";".join(f"--{role}:{colour}" for role, colour in palette.items())


def svg_rules() -> str:
    """The light palette as plain CSS rules, for an SVG that stands alone (PDF, a file)."""
    return "".join(f".f-{role}{{fill:{colour}}}.s-{role}{{stroke:{colour}}}" for role, colour in LIGHT.items())


def svg_classes() -> str:
    """The same classes by custom property, for an SVG inside a page that changes with the reader's setting."""
    return "".join(f".wb .f-{role}{{fill:var(--{role})}}.wb .s-{role}{{stroke:var(--{role})}}" for role in LIGHT)


def contrast(first: str, second: str) -> float:
    """WCAG 2 contrast ratio of two #rrggbb colours, 1 to 21."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def matplotlib_style() -> dict[str, object]:
    """rcParams for figures of one's own: ``with matplotlib.rc_context(matplotlib_style()): ...``.

    Text stays text, names are never read as mathematics, the same data give the same bytes (save SVG with
    ``metadata={"Date": None}``), and the background is clear so that dark pages show no white box.
    """
    from cycler import cycler

    return {
        "svg.fonttype": "none",
        "svg.hashsalt": "workbench",
        "text.parse_math": False,
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "savefig.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": LIGHT["grey"],
        "axes.labelcolor": LIGHT["mute"],
        "xtick.color": LIGHT["mute"],
        "ytick.color": LIGHT["mute"],
        "axes.titlelocation": "left",
        "axes.titleweight": "bold",
        "axes.prop_cycle": cycler(color=[LIGHT["accent"], LIGHT["grey"], LIGHT["ink"], LIGHT["faint"]]),
    }
