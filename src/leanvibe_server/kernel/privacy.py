"""What the kernel itself keeps of people: events, mail, answers for repeats."""

from leanvibe_server.kernel.personal_data import Retention, TableData

AUDIT = "Security log: to find out who did what (GDPR Art. 32)"
LEGITIMATE = "legitimate interest in security, Art. 6(1)(f)"
TABLES = (
    TableData(
        "event_personal",
        AUDIT,
        ("e-mail address", "network address", "browser", "changes to the account"),
        person="person_id = {person}",
        withheld=frozenset({"salt"}),
        erasure="delete",
        basis=LEGITIMATE,
        retention=Retention("occurred_at", days=400, shortest=90, longest=3650),
    ),
    TableData(
        "events",
        AUDIT,
        ("pseudonymous id", "time and kind of an act"),
        person="(actor_id = {person} OR payload ->> 'user_id' = {person}::text)",
        kept_because="an append-only log by pseudonym, Art. 17(3)(b) and (e)",
        basis=LEGITIMATE,
    ),
    TableData("event_streams", "Numbers of live updates", exported=False),
    TableData("handled_events", "Which listener heard which event", exported=False),
    TableData(
        "outgoing_mail",
        "Sending mail to people",
        ("e-mail address", "contents of mail"),
        person="(lower(recipient) = lower({email})"
        " OR position(lower({email}) IN lower(subject || body)) > 0)",
        # A mail may hold a link that still works.
        withheld=frozenset({"body"}),
        erasure="delete",
        retention=Retention("created_at", days=90, shortest=7, longest=365),
    ),
    TableData(
        "idempotency_keys",
        "Answering a repeated request as the first time",
        ("answers of the API",),
        person="(owner LIKE '%' || {person}::text || '%' OR position(convert_to(lower({email}),"
        " 'UTF8') IN convert_to(lower(encode(coalesce(body, ''), 'escape')), 'UTF8')) > 0)",
        erasure="delete",
        exported=False,
        retention=Retention("created_at", days=1, shortest=1, longest=1),
    ),
    TableData("data_keys", "Keys that seal secrets", withheld=frozenset({"wrapped"})),
    TableData("unsealed_events", AUDIT, exported=False),
    TableData("sealed_events", AUDIT, withheld=frozenset({"row_hash", "chain_hash"})),
    TableData("audit_seals", AUDIT, withheld=frozenset({"hash", "previous_hash"})),
)
