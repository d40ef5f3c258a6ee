"""What the compliance room itself keeps of people."""

from leanvibe_server.kernel.personal_data import Retention, TableData

PROOF = "Proof of what was done with personal data (GDPR Art. 5(2))"
TABLES = (
    TableData(
        "consents",
        PROOF,
        ("consents by pseudonym",),
        person="user_id = {person}",
        kept_because="proof of consent by pseudonym, Art. 7(1)",
        basis="legal obligation, Art. 6(1)(c)",
    ),
    TableData(
        "privacy_exports",
        PROOF,
        ("which exports were made",),
        person="user_id = {person}",
        withheld=frozenset({"file_key_sealed"}),
        kept_because="proof by pseudonym; the files themselves were removed",
        retention=Retention("requested_at", days=365, shortest=30, longest=3650),
        basis="legal obligation, Art. 6(1)(c)",
    ),
    TableData(
        "erasures",
        PROOF,
        ("proof of erasure by pseudonym",),
        person="user_id = {person}",
        withheld=frozenset({"signature"}),
        kept_because="proof of erasure by pseudonym, Art. 5(2)",
        basis="legal obligation, Art. 6(1)(c)",
    ),
    TableData(
        "legal_holds",
        "Legal claims: what must not be erased (GDPR Art. 17(3)(e))",
        ("reasons for keeping a person's data",),
        person="user_id = {person}",
        erasure="delete",
        basis="legal claims, Art. 17(3)(e)",
    ),
    TableData("retention_periods", PROOF),
    TableData("retention_marks", PROOF),
)
