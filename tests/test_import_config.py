"""The configuration: strict to the letter, merged key by key, and clear about what it refuses."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from import_worlds import CONFIG, Importer, salesforce, task, user, write_csv

from analysis.crm.importers.config import load_config
from analysis.crm.importers.sections import File
from analysis.crm.importers.strict import line_of, parse_document
from analysis.errors import ConfigError

BASE = CONFIG.format(crm="salesforce")


def refusal(tmp_path, text):
    path = tmp_path / "crm.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(path, "salesforce")
    return str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            'timezone = "Europe/Berlin"',
            'tiemzone = "Europe/Berlin"',
            ["crm.toml:8", "'tiemzone'", "[team]", "Did you mean 'timezone'"],
        ),
        ('as = "proposal"', 'as = "propposal"', ["crm.toml:12", "Did you mean 'proposal'"]),
        ('kind = "call"', 'kind = "Call me"', ["activity[2]", "lower-case"]),
        ('includes_archived = "yes"', "includes_archived = true", ["crm.toml:5", "includes_archived"]),
        ("order = 2,", 'order = "2",', ["a whole number"]),
        ('"Europe/Berlin"', '"Europe/Berlinn"', ["no IANA time zone"]),
        ('"EUR"', '"euro"', ["ISO 4217"]),
        ("gt = 120", 'gt = 120, eq = "x"', ["exactly one operator, found 2"]),
        ("gt = 120", 'about = "x"', ["unknown key 'about'"]),
        ('automated = "tracking"', 'automated = "traking"', ["Did you mean 'tracking'"]),
        ("[stages.default]", "[stage.default]", ["unknown key 'stage'", "Did you mean 'stages'"]),
        ('id = "email"', 'id = "call"', ["the rule id 'call' is used twice"]),
        ("schema = 1", "schema = 2", ["reads schema 1"]),
        ("schema = 1", "", ["needs the key 'schema'"]),
        ('crm = "salesforce"', 'crm = "hubspot"', ["the file is for hubspot, the command says salesforce"]),
        ("(?P<m>", "(?<=x)(?P<m>", ["no look-around"]),
        (
            'kind = "meeting"',
            'kind = "meeting"\n[leads]\nfirst_touch = ["meting"]',
            ["'meting'", "Did you mean 'meeting'"],
        ),
        ('kind = "meeting"', 'kind = "meeting"\n[privacy]\nmin_group = 1', ["min_group is at least 5"]),
        ("schema = 1", "schema = ", ["not valid TOML"]),
    ],
)
def test_what_is_unknown_is_refused_with_the_nearest_valid_name(tmp_path, old, new, words):
    assert old in BASE
    message = refusal(tmp_path, BASE.replace(old, new, 1))
    for word in words:
        assert word in message, message


def test_the_sane_configuration_loads(tmp_path):
    path = tmp_path / "crm.toml"
    path.write_text(BASE)
    config = load_config(path, "salesforce")
    assert [rule.id for rule in config.base.activity] == ["tracking", "call", "email", "meeting"] and len(
        config.sha256
    ) == 64


def test_the_published_example_loads(shared):
    config = load_config(shared / "landings" / "crm_config_example.toml", "salesforce")
    assert config.base.fiscal.start_month == 2 and config.base.leads.handoff.from_prefix == "00G"


def test_the_configuration_of_the_handbook_loads(tmp_path, root):
    """docs/import.md shows every section once, with values that are accepted."""
    text = (root / "docs" / "import.md").read_text(encoding="utf-8")
    shown = text.split("```toml\n")[1].split("```")[0]
    (tmp_path / "crm.toml").write_text(shown, encoding="utf-8")
    team_file(tmp_path, 'schema = 1\n[team]\nid = "south"\n')
    base = load_config(tmp_path / "crm.toml", "salesforce").base
    assert (
        len(base.activity) == 3 and base.fiscal.start_month == 2 and base.stages["default"]["Closed Won"].as_ == "won"
    )
    sections = {field.name for field in dataclasses.fields(File)} - {"schema", "activity"}
    assert not {name for name in sections if f"[{name}" not in shown and f"\n{name} =" not in shown}


def team_file(tmp_path, text):
    (tmp_path / "teams").mkdir(exist_ok=True)
    (tmp_path / "teams" / "south.toml").write_text(text)
    return 'team_files = ["teams/*.toml"]\n'


def with_teams(tmp_path, text):
    path = tmp_path / "crm.toml"
    path.write_text(BASE.replace("schema = 1\n", "schema = 1\n" + team_file(tmp_path, text), 1))
    return load_config(path, "salesforce")


def test_a_team_overrides_key_by_key(tmp_path):
    config = with_teams(
        tmp_path,
        'schema = 1\n[team]\nid = "south"\ntimezone = "Asia/Tokyo"\n[stages.default]\n"Verbal" = { as = "contract" }\n'
        '[[activity]]\nid = "call"\nmeaningful = { any = [{ field = "CallDurationInSeconds", gt = 600 }] }\n'
        '[[activity]]\nid = "roi"\nwhen = [{ field = "Subject", prefix = "ROI" }]\nkind = "roi_presentation"\n',
    )
    south = config.of("south")
    assert south.team.timezone == "Asia/Tokyo" and south.team.reporting_currency == "EUR"
    assert set(south.stages["default"]) == {"Prospecting", "Proposal", "Closed Won", "Closed Lost", "Verbal"}
    assert [rule.id for rule in south.activity] == ["roi", "tracking", "call", "email", "meeting"]
    call = next(rule for rule in south.activity if rule.id == "call")
    assert call.meaningful.any[0].gt == 600 and call.kind == "call" and len(call.when) == 2
    assert config.of("north") is config.base
    one = config.sha256
    assert one != with_teams(tmp_path, 'schema = 1\n[team]\nid = "south"\n').sha256


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('schema = 1\n[team]\nid = "south"\n[source]\ncrm = "hubspot"\n', "'source' belongs in the base file"),
        ('schema = 1\n[team]\nid = "south"\n[money]\ncredit = "owner_now"\n', "a team may override only money.field"),
        ("schema = 1\n[team]\n", "needs a [team] id of its own"),
        ('schema = 1\n[team]\nid = "south"\nregin = "x"\n', "south.toml:4: unknown key 'regin' in [team]"),
    ],
)
def test_what_a_team_may_not_say(tmp_path, text, words):
    with pytest.raises(ConfigError, match=words.replace("[", r"\[").replace("]", r"\]")):
        with_teams(tmp_path, text)


def test_a_team_without_a_file_and_one_with_count_by_their_own_rules(tmp_path):
    run = Importer(tmp_path)
    source = salesforce(tmp_path / "src", User=[user(n, UserRoleId=f"00E{1 + n % 2}") for n in range(4)])
    write_csv(source / "UserRole.csv", [{"Id": "00E1", "Name": "North"}, {"Id": "00E2", "Name": "South"}])
    line = team_file(
        tmp_path, 'schema = 1\n[team]\nid = "south"\nsource = ["South"]\n[[activity]]\nid = "call"\nkind = "dial"\n'
    )
    run(
        source,
        swap={"schema = 1\n": "schema = 1\n" + line, 'id = "north"': 'id = "north"\nsource = ["00E1"]'},
        extra="[people]\nteams_known_since = 2026-01-01\n",
    )
    kinds = run.table("activities").merge(run.table("reps"), on="rep_id").groupby("team_id")["kind"].unique()
    assert {team: list(k) for team, k in kinds.items()} == {"north": ["call"], "south": ["dial"]}


@pytest.mark.parametrize(
    ("swap", "words"),
    [
        ({'field = "Subject"': 'field = "Subjekt"'}, "Did you mean 'Subject'"),
        ({'when_object = "Event"': 'when_object = "Evnt"'}, "Did you mean 'Event'"),
    ],
)
def test_a_rule_that_names_what_the_export_lacks(tmp_path, swap, words):
    with pytest.raises(ConfigError, match=words):
        Importer(tmp_path)(salesforce(tmp_path / "src", Task=[task(1)]), swap=swap)


def test_lines_are_found():
    text = 'schema = 1\n[a]\nx = 1\n[[b]]\nk = 1\n[[b]]\nk = 2\n[c.d]\n"q r" = { z = 1 }\n'
    assert [
        line_of(text, p) for p in (("a", "x"), ("b", 0, "k"), ("b", 1, "k"), ("c", "d", "q r"), ("c", "d", "q r", "z"))
    ] == [3, 5, 7, 9, 9]


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300))
def test_no_text_makes_the_reader_stumble(text):
    try:
        parse_document("x.toml", text)
    except ConfigError as error:
        assert str(error).startswith("x.toml: not valid TOML") or "nested" in str(error)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=4),
    lambda c: st.lists(c, max_size=3) | st.dictionaries(st.text(max_size=4), c, max_size=3),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["source", "team", "stages", "activity", "money", "people", "leads", "team_files", "outcomes"]),
    values,
)
def test_no_value_makes_the_loader_stumble(tmp_path_factory, section, value):
    from analysis.crm.importers.sections import File
    from analysis.crm.importers.strict import Document, build

    try:
        build(File, {"schema": 1, section: value}, Document("x.toml", "", {}))
    except ConfigError as error:
        assert "x.toml" in str(error)


def test_deep_nesting_is_refused():
    with pytest.raises(ConfigError):
        parse_document("x.toml", "a = " + "[" * 3000 + "]" * 3000)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    [
        "schema = 1\n" + ".".join("a" * 300_000) + " = 1\n",
        "schema = 1\n[" + " . ".join(['"a b"'] * 50_000) + "]\n",
        'schema = 1\nteam_files = """\n[' + " " * 30_000 + '\n"""\n',  # the place of the fault is searched line by line
        "schema = 1\n" + "k" * 500_000 + " = 1\n",
    ],
    ids=["key", "table", "blanks", "long"],
)
def test_no_text_keeps_the_reader_busy(tmp_path, text):
    assert len(refusal(tmp_path, text)) < 400


@pytest.mark.parametrize(
    ("section", "line", "words"),
    [
        ("activity_defaults", "backdated_days = 36501", "backdated_days must be 0 to 36,500"),
        ("activity_defaults", "done_late_days = -1", "done_late_days must be 0 to 36,500"),
        ("activity_defaults", "unclassified_max_share = 5", "unclassified_max_share must be 0 to 1"),
        ("activity_defaults", "max_call_hours = inf", "max_call_hours = inf; give a number of 9e"),
        ("people", "unknown_rep_max_share = 1.5", "unknown_rep_max_share must be 0 to 1"),
        ("people", "ramp_days = 99999", "ramp_days must be 0 to 3,650"),
        ("money", "outlier_times_median = 0.5", "outlier_times_median must be 1 to 1,000,000,000"),
        ("money", "rates = { USD = nan }", "rates.USD = nan; give a number"),
        ("stages.more", '"Won" = { order = 12345678, as = "won" }', "order must be -1,000,000 to 1,000,000"),
        ("stages.more", '"W\\u0000n" = { order = 1, as = "won" }', "holds a NUL character"),
    ],
)
def test_a_number_beyond_its_range_is_refused(tmp_path, section, line, words):
    assert words in refusal(tmp_path, f"{BASE}[{section}]\n{line}\n")


@pytest.mark.parametrize("pattern", ["a++", "a{2000}", "x\\\\Z"])
def test_a_pattern_that_the_engine_does_not_take_is_refused_when_the_file_is_read(tmp_path, pattern):
    text = BASE.replace("gt = 120", f'matches = "{pattern}"', 1)
    assert "does not compile in RE2" in refusal(tmp_path, text)


@pytest.mark.parametrize("pattern", ["", "a**b"])
def test_what_is_no_pattern_of_files_is_refused(tmp_path, pattern):
    assert "is no pattern of file names" in refusal(tmp_path, f'team_files = ["{pattern}"]\n{BASE}')
