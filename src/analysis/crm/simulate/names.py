"""Made-up names for teams and people, in the alphabets their regions write."""

import numpy as np
from numpy.typing import NDArray

from analysis.crm.simulate.season import REGIONS

_CITIES = {
    "Germany": ("München", "Hamburg", "Köln", "Leipzig", "Nürnberg", "Düsseldorf", "Bremen", "Kassel"),
    "United Kingdom": ("Leeds", "Bristol", "Glasgow", "Norwich", "Cardiff", "York", "Belfast", "Hull"),
    "United States": ("Denver", "Boston", "Austin", "Portland", "Omaha", "Tampa", "Fresno", "Albany"),
    "France": ("Île-de-France", "Lyon", "Besançon", "Nîmes", "Orléans", "Évreux", "Lille", "Angoulême"),
    "Japan": ("東京", "大阪", "名古屋", "札幌", "福岡", "仙台", "広島", "京都"),
    "Brazil": ("São Paulo", "Belém", "Goiânia", "Florianópolis", "Maceió", "Niterói", "Cuiabá", "Recife"),
}
_GIVEN = {
    "Germany": ("Jürgen", "Anke", "Lukas", "Zoë", "Björn", "Ayşe", "Marlene", "Søren", "Katrin", "Emre"),
    "United Kingdom": ("Siân", "Oliver", "Priya", "Callum", "Niamh", "Kwame", "Harriet", "Zara", "Ewan", "Ada"),
    "United States": ("José", "Madison", "Tyrone", "Nguyệt", "Brooke", "Darnell", "Renée", "Wyatt", "Chloe", "Omar"),
    "France": ("Élodie", "François", "Maëlys", "Gaël", "Inès", "Rémi", "Noémie", "Loïc", "Aïcha", "Benoît"),
    "Japan": ("陽子", "健太", "美咲", "大輔", "さくら", "翔", "真由美", "誠", "結衣", "拓也"),
    "Brazil": ("João", "Conceição", "Luís", "Flávia", "Antônio", "Thaís", "Caio", "Débora", "Vitória", "Murilo"),
}
_FAMILY = {
    "Germany": ("Groß", "Müller-Lüdenscheidt", "Özdemir", "Weiß", "Kowalczyk", "Jäger", "Schön", "Brandt"),
    "United Kingdom": ("O'Connor", "Llewellyn", "Patel", "Ashworth", "MacLeod", "Okafor", "Finch", "Hargreaves"),
    "United States": ("Garcia", "Washington", "Trần", "Kowalski", "Begay", "Johnson-Lee", "Nuñez", "Abernathy"),
    "France": ("Lefèvre", "d'Aubigné", "N'Diaye", "Besson", "Château", "Lemaître", "Garçon", "Hébert"),
    "Japan": ("佐藤", "鈴木", "高橋", "渡辺", "小林", "中村", "山口", "松本"),
    "Brazil": ("Araújo", "Gonçalves", "Magalhães", "da Conceição", "Simões", "Nóbrega", "Peçanha", "Brandão"),
}


def team_names(count: int) -> list[str]:
    """One name a team, every one different; the region of team i is REGIONS[i modulo their number]."""
    names = []
    for team in range(count):
        cities = _CITIES[REGIONS[team % len(REGIONS)]]
        turn, round_number = team // len(REGIONS) % len(cities), team // len(REGIONS) // len(cities)
        names.append(cities[turn] if round_number == 0 else f"{cities[turn]} {round_number + 1}")
    return names


def rep_names(regions: NDArray[np.int64], rng: np.random.Generator) -> list[str]:
    """A name for each person, in the way of the person's region number; no two the same."""
    names = [""] * regions.size
    for region, place in enumerate(REGIONS):
        people = np.flatnonzero(regions == region).tolist()
        pairs = [(given, family) for given in _GIVEN[place] for family in _FAMILY[place]]
        order = rng.permutation(len(pairs)).tolist()
        for turn, person in enumerate(people):
            given, family = pairs[order[turn % len(pairs)]]
            again = turn // len(pairs)
            initials = "" if again == 0 else f" {_roman(again + 1)}"
            names[person] = (f"{family} {given}" if place == "Japan" else f"{given} {family}") + initials
    return names


def _roman(number: int) -> str:
    """Roman numerals, as families use them for namesakes."""
    signs = ((100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))
    text = ""
    for value, sign in signs:
        text += sign * (number // value)
        number %= value
    return text
