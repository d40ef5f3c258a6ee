"""The OpenAPI text tells an integrator what each route may answer."""

from collections.abc import Iterator
from typing import Any

from leanvibe_server.web.reference import read_reference
from leanvibe_server.wiring import Doors

FRESH = "a proof of identity of the last ten minutes"


def operations(doors: Doors) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in doors.api.openapi()["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_each_route_tells_what_its_way_in_refuses(doors: Doors) -> None:
    for name, operation in operations(doors):
        answers = operation["responses"]
        if operation.get("x-permission", "public") != "public":
            assert {"401", "403", "429"} <= set(answers), name
        stale = "step_up_required" in answers.get("403", {}).get("description", "")
        assert stale or FRESH not in operation.get("description", ""), name
    told = dict(operations(doors))
    assert FRESH in told["DELETE /v1/users/{user_id}"]["description"]
    assert "tenant_suspended" in told["POST /v1/api-keys"]["responses"]["403"]["description"]
    assert "tenant_suspended" not in told["GET /v1/api-keys"]["responses"]["403"]["description"]


def test_bad_input_is_told_where_there_is_input_and_as_it_is_answered(doors: Doors) -> None:
    told = dict(operations(doors))
    assert [name for name, operation in told.items() if "422" in operation["responses"]] == []
    assert "400" in told["POST /v1/auth/login"]["responses"]
    assert "400" not in told["GET /v1/users/{user_id}"]["responses"]
    assert "200" not in told["GET /v1/oauth/authorize"]["responses"]
    token = told["POST /v1/oauth/token"]["responses"]["400"]["description"]
    assert "`invalid_request`" in token
    assert "`invalid_scope`" in token


def test_each_operation_has_a_name_of_its_own_and_a_known_subject(doors: Doors) -> None:
    told = [operation for _, operation in operations(doors)]
    names = [operation["operationId"] for operation in told]
    assert len(names) == len(set(names))
    assert {"create_api_key", "switch_tenant", "get_saml_metadata"} <= set(names)
    titles = {operation["operationId"]: operation["summary"] for operation in told}
    assert titles["create_api_key"] == "Create API key"
    known = {tag["name"] for tag in doors.api.openapi()["tags"]}
    assert {tag for operation in told for tag in operation["tags"]} <= known


def test_the_examples_of_the_reference_say_enough_to_be_answered(doors: Doors) -> None:
    shown = {
        f"{operation.method} {operation.path}": operation.example
        for section in read_reference(doors.api.openapi(), "https://leanvibe.example.com")
        for operation in section.operations
    }
    assert '"password"' in shown["post /v1/auth/login"]
    assert '"client_id"' in shown["post /v1/auth/sso/providers"]
    assert '"billing_email"' not in shown["post /v1/tenants"], "deprecated"
    assert [name for name, example in shown.items() if ": []" in example] == []
