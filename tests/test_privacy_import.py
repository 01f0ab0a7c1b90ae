"""Privacy of the importer: no text, name, address or number leaves it; reps become keyed pseudonyms; the key stays away."""

import re
import stat
import subprocess

import pyarrow.parquet as pq
import pytest
from import_worlds import D, Importer, U, deal, event, history, salesforce, task, user, write_csv

from analysis.crm.importers.privacy import load_key, pseudonym, scrub
from analysis.errors import ConfigError

CANARIES = {
    "name": "Wilhelmina Canary", "email": "canary@leak.example", "phone": "+49 30 5550199", "street": "Canarygasse 7",
    "text": "canary told us the password", "url": "https://canary.example/x",
}  # fmt: skip
MARKS = re.compile(rb"canary|5550199|secret person|corp\.example", re.IGNORECASE)


def spoiled(row, n):
    """A row with a canary in every free field, in fields the mapping knows and in fields nobody asked for."""
    return row | {
        "Subject": f"Call {CANARIES['name']} {CANARIES['phone']}", "Description": CANARIES["text"], "Location": CANARIES["street"],
        "Phone": CANARIES["phone"], "Email__c": CANARIES["email"], "Link": CANARIES["url"], "Canary_Field__c": CANARIES["name"],
    }  # fmt: skip


def export(folder):
    salesforce(
        folder,
        Task=[spoiled(task(n, CallDisposition="Connected" if n % 9 else "asked for Canary", Type="Call" if n else "Canary Kind"), n) for n in range(40)],
        Event=[spoiled(event(n, WhoId=CANARIES["email"] if n == 3 else f"003{n:012d}AAA"), n) for n in range(6)],
        Opportunity=[deal(n, Name=f"{CANARIES['name']} deal", LeadSource=CANARIES["name"], NextStep=CANARIES["text"], AccountId=CANARIES["name"]) for n in range(3)]
        + [deal(3, Id=CANARIES["email"], AccountId=CANARIES["phone"])],
        OpportunityHistory=[history(0, "Closed Won", "2026-04-02T08:00:00Z", Description=CANARIES["text"])],
        Lead=[{"Id": f"00Q{n:012d}AAA", "CreatedDate": "2026-01-01T00:00:00Z", "OwnerId": U[0], "LeadSource": CANARIES["text"], "Status": CANARIES["name"],
               "Name": CANARIES["name"], "Email": CANARIES["email"], "Phone": CANARIES["phone"]} for n in range(3)],
        Contact=[{"Id": "003000000000001AAA", "Title": f"VP {CANARIES['name']}", "Email": CANARIES["email"], "MailingStreet": CANARIES["street"]}],
        Campaign=[{"Id": "701000000000001AAA", "Name": f"Fair, ask {CANARIES['email']} or {CANARIES['phone']}", "Type": "Fair"}],
        User=[user(n, Title=CANARIES["name"], Phone=CANARIES["phone"], UserRoleId="00E1") for n in range(4)],
        UserRole=[{"Id": "00E1", "Name": f"North {CANARIES['email']}"}],
    )  # fmt: skip
    write_csv(
        folder / "coaching.csv",
        [
            {
                "coaching_id": "1",
                "manager_id": U[0],
                "rep_id": U[1],
                "kind": "one_to_one",
                "occurred_on": "2026-02-02",
                "focus": CANARIES["text"],
            }
        ],
    )
    write_csv(folder / "Notes_of_Canary.csv", [{"Body": CANARIES["text"]}])
    return folder


def everything(folder):
    """Every byte of a folder, compressed pages opened, and every name in it."""
    for path in sorted(folder.rglob("*")):
        yield path.name, path.relative_to(folder).as_posix().encode()
        if path.suffix == ".parquet":
            file = pq.ParquetFile(path)
            yield (
                path.name,
                repr(file.metadata).encode()
                + repr(file.schema_arrow.metadata).encode()
                + str(file.metadata.to_dict()).encode(),
            )
            yield path.name, repr(file.read().to_pylist()).encode()
        if path.is_file():
            yield path.name, path.read_bytes()


CONTACTS = '[contacts]\nvp_or_above = ["VP%"]\n[coaching]\nfocus = ["discovery"]\n'


def test_no_canary_reaches_any_output(tmp_path):
    run = Importer(tmp_path)
    report = run(export(tmp_path / "src"), extra=CONTACTS)
    assert (
        len(run.table("activities")) > 30
        and "campaigns" in report.tables
        and "leads" in report.tables
        and "coaching" in report.tables
    )
    found = {(name, match.group()) for name, content in everything(run.out) for match in MARKS.finditer(content)}
    found -= {("import_report.json", b"Canary")}  # the unread file's own name; see below
    assert not found
    assert not MARKS.search(report.summary().replace(str(tmp_path), "").encode())
    assert not any(p.name.startswith(".data") for p in tmp_path.iterdir()), (
        "nothing of the export is left beside the data"
    )


def test_a_deal_whose_id_is_an_address_is_not_named_in_the_report(tmp_path):
    """D36 names the deal whose splits do not sum to one; an id that is no opaque id is keyed there too."""
    run = Importer(tmp_path)
    loose = CANARIES["email"]
    split = {"OpportunityId": loose, "SplitPercentage": "60"}
    splits = [{"Id": f"s{n}", "SplitOwnerId": U[n]} | split for n in range(2)]
    deals = [deal(n) for n in range(3)] + [deal(3, Id=loose)]
    report = run(salesforce(tmp_path / "src", Opportunity=deals, OpportunitySplit=splits))
    said = next(d["text"] for d in report.defects if (d["code"], d["action"]) == ("D36", "warned"))
    assert re.fullmatch(r"deal k_[a-z2-7]{16}: revenue splits sum to 1\.20", said)
    assert not {(name, match.group()) for name, content in everything(run.out) for match in MARKS.finditer(content)}


def test_a_leak_would_be_seen(tmp_path):
    run = Importer(tmp_path)
    run(export(tmp_path / "src"), extra=CONTACTS + "[privacy]\nrep_names = true\n")
    assert any(MARKS.search(content) for _, content in everything(run.out))


def test_user_ids_and_other_loose_ids_do_not_leave(tmp_path):
    run = Importer(tmp_path)
    run(export(tmp_path / "src"), extra=CONTACTS)
    ids = re.compile("|".join(U).encode())
    assert not [name for name, content in everything(run.out) if ids.search(content)]
    won = run.table("opportunities")
    assert (
        won["opportunity_id"].str.fullmatch(r"k_[a-z2-7]{16}").sum() == 1
        and won["account_id"].str.startswith("k_").all()
    )
    assert set(won["opportunity_id"]) >= {D[1], D[2]}


def test_the_same_key_gives_the_same_pseudonyms_and_another_does_not(tmp_path):
    run = Importer(tmp_path)
    source = salesforce(tmp_path / "src")
    run(source)
    first = set(run.table("reps")["rep_id"])
    run(source)
    assert set(run.table("reps")["rep_id"]) == first and all(re.fullmatch(r"r_[a-z2-7]{16}", r) for r in first)
    run.key = tmp_path / "other" / "pseudonym.key"
    run(source)
    assert not first & set(run.table("reps")["rep_id"])


def test_without_the_key_a_pseudonym_cannot_be_recomputed():
    import hashlib

    key = bytes(range(32))
    name = pseudonym(key, U[0])
    assert name != pseudonym(bytes(32), U[0]) and name != pseudonym(key, U[1])
    assert hashlib.sha256(U[0].encode()).hexdigest()[:16] not in name


def test_the_key_is_made_private_and_kept_away_from_data_and_repository(tmp_path):
    path = tmp_path / "config" / "pseudonym.key"
    key = load_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and len(key) == 32 and load_key(path) == key
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="can be read by others"):
        load_key(path)
    with pytest.raises(ConfigError, match="must lie outside"):
        load_key(tmp_path / "data" / "k", (tmp_path / "data",))
    subprocess.run(["git", "init", "-q", str(tmp_path / "repo")], check=True)
    with pytest.raises(ConfigError, match="must not lie in a repository"):
        load_key(tmp_path / "repo" / "sub" / "k")
    path.chmod(0o600)
    path.write_text("not a key")
    with pytest.raises(ConfigError, match="not a pseudonym key"):
        load_key(path)


def test_the_key_is_in_no_output(tmp_path):
    run = Importer(tmp_path)
    run(salesforce(tmp_path / "src"))
    secret = run.key.read_text().strip().encode()
    assert not [
        name for name, content in everything(run.out) if secret in content or bytes.fromhex(secret.decode()) in content
    ]


def test_private_events_are_not_taken(tmp_path):
    run = Importer(tmp_path)
    report = run(
        salesforce(tmp_path / "src", Event=[event(n, IsPrivate="true" if n < 2 else "false") for n in range(6)])
    )
    assert report.rows("private", "dropped") == 2 and (run.table("activities")["kind"] == "meeting").sum() == 4


def test_policy_is_recorded(tmp_path):
    run = Importer(tmp_path)
    run(salesforce(tmp_path / "src"), extra="[privacy]\nmin_group = 7\n")
    assert run.report()["policy"]["privacy"] == {
        "min_group": 7,
        "leader_sees": "own_team",
        "peers": "pseudonym_per_report",
    }


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Fair 2026, write to a.b@c.example", "Fair 2026, write to [removed]"),
        ("call +49 (30) 555-0199 now", "call [removed] now"),
        ("Webinar 2026-11 EMEA", "Webinar 2026-11 EMEA"),
        ("Q1 2026 push", "Q1 2026 push"),
    ],
)
def test_organisations_own_labels_are_scrubbed(text, clean):
    assert scrub(text) == clean
