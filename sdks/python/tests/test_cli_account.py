"""The command line's login: kept safe, renewed once, sent nowhere else."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from loopback import REQUEST_ID, LoopbackApi, Reply, refusal

from conftest import PROGRAM, Run


@pytest.fixture
def logged_in(api: LoopbackApi, leanvibe: Run) -> Run:
    """The program without an API key, after a login."""
    api.answer("POST", "/v1/auth/login", Reply(200, api.login_shape()))

    def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return leanvibe(*arguments, stdin=stdin, LEANVIBE_API_KEY="")

    done = run("login", "--email", "dev@acme.test", "--password-stdin", stdin="right\n")
    assert done.returncode == 0, done.stderr
    assert "as dev@acme.test (developer)" in done.stdout
    return run


def test_a_login_is_kept_in_a_file_only_its_owner_reads(
    api: LoopbackApi, logged_in: Run, environment: dict[str, str]
) -> None:
    api.answer("GET", "/v1/auth/me", Reply(200, {"id": "u1", "email": "dev@acme.test"}))
    config = Path(environment["LEANVIBE_CONFIG"])

    done = logged_in("whoami")

    assert "dev@acme.test" in done.stdout
    assert api.seen[0].body["password"] == "right"
    assert api.seen[-1].headers["authorization"] == "Bearer access-0"
    assert config.stat().st_mode & 0o777 == 0o600
    assert config.parent.stat().st_mode & 0o777 == 0o700
    assert set(json.loads(config.read_text())) == {
        "base_url",
        "email",
        "access_token",
        "refresh_token",
    }


def test_a_renewed_session_is_kept_for_the_next_command(api: LoopbackApi, logged_in: Run) -> None:
    api.answer("GET", "/v1/auth/me", Reply(200, {"id": "u1", "email": "dev@acme.test"}))
    api.check_tokens = True
    api.access_token = "access-of-someone-later"

    assert logged_in("whoami").returncode == 0
    assert logged_in("whoami").returncode == 0

    assert api.renewals == 1


def test_two_commands_at_once_do_not_spend_one_refresh_token_twice(
    api: LoopbackApi, logged_in: Run, environment: dict[str, str]
) -> None:
    api.answer("GET", "/v1/auth/me", Reply(200, {"id": "u1", "email": "dev@acme.test"}))
    api.check_tokens = True
    api.access_token = "access-of-someone-later"
    api.renewal_takes_s = 0.5
    alone = {name: value for name, value in environment.items() if name != "LEANVIBE_API_KEY"}

    both = [
        subprocess.Popen(
            [*PROGRAM, "whoami"], env=alone, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    codes = [(command.communicate(timeout=30), command.returncode)[1] for command in both]

    assert codes == [0, 0]
    assert api.renewals == 1


def test_a_login_never_travels_to_another_address(api: LoopbackApi, logged_in: Run) -> None:
    before = len(api.seen)

    done = logged_in("--base-url", api.base_url.replace("127.0.0.1", "localhost"), "whoami")

    assert done.returncode == 1
    assert "Not logged in to http://localhost" in done.stderr
    assert len(api.seen) == before


def test_a_logout_revokes_and_forgets(
    api: LoopbackApi, logged_in: Run, environment: dict[str, str]
) -> None:
    api.answer("POST", "/v1/auth/logout", Reply(204))

    assert logged_in("logout").returncode == 0

    assert api.paths()[-1] == "POST /v1/auth/logout"
    assert "access_token" not in Path(environment["LEANVIBE_CONFIG"]).read_text()
    assert "leanvibe login" in logged_in("whoami").stderr


def test_a_broken_login_file_is_named(leanvibe: Run, environment: dict[str, str]) -> None:
    config = Path(environment["LEANVIBE_CONFIG"])
    config.parent.mkdir()
    config.write_text("{half")

    done = leanvibe("whoami", LEANVIBE_API_KEY="")

    assert done.returncode == 1
    assert str(config) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_login_that_fits_several_tenants_names_them(api: LoopbackApi, leanvibe: Run) -> None:
    tenants = [{"id": "t1", "slug": "acme"}, {"id": "t2", "slug": "globex"}]
    api.answer(
        "POST",
        "/v1/auth/login",
        refusal(400, "invalid_request", "Several tenants.", details={"tenants": tenants}),
    )

    done = leanvibe("login", "--email", "dev@acme.test", "--password-stdin", stdin="right\n")

    assert done.returncode == 1
    assert "--tenant-id with the slug or id of one: acme (t1), globex (t2)" in done.stderr


def test_a_wrong_password_is_not_answered_with_advice_to_log_in(
    api: LoopbackApi, leanvibe: Run
) -> None:
    api.answer("POST", "/v1/auth/login", refusal(401, "unauthorized", "It is wrong."))

    done = leanvibe("login", "--email", "dev@acme.test", "--password-stdin", stdin="wrong\n")

    assert done.stderr == f"Error: It is wrong. [{REQUEST_ID}]\n"
