"""The tests of a resource, each as a sentence and its body over a `client`."""

from __future__ import annotations

from dataclasses import dataclass, field

from crud_names import article
from crud_routes import auth_source
from crud_target import Spec, Target


@dataclass
class Case:
    """One test: its name, which is a sentence, and its body over `client`."""

    name: str
    body: list[str] = field(default_factory=list)


def list_cases(spec: Spec, target: Target) -> list[Case]:
    """Every test of the resource, in the order of its routes."""
    cases = [*_reading(spec), *_creating(spec), *_changing(spec), *_deleting(spec)]
    cases += _guarding(spec, target)
    if spec.database == "sqlalchemy" and target.session is None:
        cases.append(_starting(spec))
    return cases


def list_routes(spec: Spec) -> list[tuple[str, str]]:
    """Each route as its method and the source of its path."""
    routes = []
    for method in spec.methods:
        if method in {"GET", "POST"}:
            routes.append((method, "PATH"))
        if method != "POST":
            routes.append((method, 'f"{PATH}/1"'))
    return routes


def _reading(spec: Spec) -> list[Case]:
    if not spec.has("GET"):
        return []
    one, upper = spec.singular, spec.singular.upper()
    return [
        Case(
            f"no_{spec.plural}_at_first",
            [
                "page = client.get(PATH).json()",
                'assert page == {"items": [], "total": 0, "limit": 20, "offset": 0}',
            ],
        ),
        Case(
            f"{spec.plural}_are_listed_by_page",
            [
                f"first = given_{one}(client)",
                f"second = given_{one}(client, **OTHER_{upper})",
                'ids = [row["id"] for row in client.get(PATH).json()["items"]]',
                "assert ids == [first, second]",
                'page = client.get(PATH, params={"limit": 1, "offset": 1}).json()',
                'assert [row["id"] for row in page["items"]] == [second]',
                'assert page["total"] == 2',
            ],
        ),
        Case(
            "a_page_out_of_bounds_is_refused",
            [
                'for bad in ({"limit": 0}, {"limit": 101}, {"offset": -1}, {"limit": "all"}):',
                "    assert client.get(PATH, params=bad).status_code == 422",
            ],
        ),
        Case(
            f"{_a(spec)}_is_shown",
            [
                f"{one}_id = given_{one}(client)",
                f'answer = client.get(f"{{PATH}}/{{{one}_id}}")',
                "assert answer.status_code == 200",
                f'assert answer.json() == {{**{upper}, "id": {one}_id}}',
            ],
        ),
        Case(
            f"an_unknown_{one}_is_not_found",
            ['assert client.get(f"{PATH}/999999").status_code == 404'],
        ),
        Case(
            f"{_a(spec)}_is_asked_for_by_a_sound_id",
            [
                'for bad in ("none", "0", str(2**31)):',
                '    assert client.get(f"{PATH}/{bad}").status_code == 422',
            ],
        ),
    ]


def _creating(spec: Spec) -> list[Case]:
    if not spec.has("POST"):
        return []
    one, upper = spec.singular, spec.singular.upper()
    cases = [
        Case(
            f"{_a(spec)}_is_created",
            [
                f"answer = client.post(PATH, json={upper})",
                "assert answer.status_code == 201",
                f'assert answer.json() == {{**{upper}, "id": answer.json()["id"]}}',
            ],
        ),
        Case(
            f"{_a(spec)}_with_a_wrong_value_is_refused",
            [
                "for field, wrong in WRONG_VALUES.items():",
                f"    answer = client.post(PATH, json={{**{upper}, field: wrong}})",
                "    assert answer.status_code == 422",
            ],
        ),
    ]
    required = [field.name for field in spec.fields if not field.optional]
    if required:
        names = ", ".join(f'"{name}"' for name in required)
        cases.append(
            Case(
                f"{_a(spec)}_without_a_required_field_is_refused",
                [
                    f"for missing in [{names}]:",
                    f"    body = dict({upper})",
                    "    del body[missing]",
                    "    assert client.post(PATH, json=body).status_code == 422",
                ],
            )
        )
    for field_ in spec.unique:
        clash = f'{{**OTHER_{upper}, "{field_.name}": {upper}["{field_.name}"]}}'
        cases.append(
            Case(
                f"two_{spec.plural}_with_the_same_{field_.name}_conflict",
                [
                    f"given_{one}(client)",
                    f"answer = client.post(PATH, json={clash})",
                    "assert answer.status_code == 409",
                ],
            )
        )
    return cases


def _changing(spec: Spec) -> list[Case]:
    cases = []
    one, upper = spec.singular, spec.singular.upper()
    if spec.has("PUT"):
        cases += [
            Case(
                f"{_a(spec)}_is_replaced",
                [
                    f"{one}_id = given_{one}(client)",
                    f'answer = client.put(f"{{PATH}}/{{{one}_id}}", json=OTHER_{upper})',
                    "assert answer.status_code == 200",
                    f'assert answer.json() == {{**OTHER_{upper}, "id": {one}_id}}',
                ],
            ),
            Case(
                f"{_a(spec)}_is_not_replaced_by_a_wrong_value",
                [
                    f"{one}_id = given_{one}(client)",
                    "for field, wrong in WRONG_VALUES.items():",
                    f"    body = {{**{upper}, field: wrong}}",
                    f'    answer = client.put(f"{{PATH}}/{{{one}_id}}", json=body)',
                    "    assert answer.status_code == 422",
                ],
            ),
            Case(
                f"an_unknown_{one}_is_not_replaced",
                [f'assert client.put(f"{{PATH}}/999999", json={upper}).status_code == 404'],
            ),
        ]
    if spec.has("PATCH"):
        cases += _updating(spec)
    for method in ("PUT", "PATCH"):
        if spec.has(method) and spec.unique:
            first = spec.unique[0].name
            cases.append(
                Case(
                    f"{_a(spec)}_never_takes_another_{first}_by_{method.lower()}",
                    [
                        f"given_{one}(client)",
                        f"second = given_{one}(client, **OTHER_{upper})",
                        f'body = {{**OTHER_{upper}, "{first}": {upper}["{first}"]}}',
                        f'answer = client.{method.lower()}(f"{{PATH}}/{{second}}", json=body)',
                        "assert answer.status_code == 409",
                        f"same = client.{method.lower()}("
                        f'f"{{PATH}}/{{second}}", json=OTHER_{upper})',
                        "assert same.status_code == 200",
                    ],
                )
            )
    return cases


def _updating(spec: Spec) -> list[Case]:
    one, upper = spec.singular, spec.singular.upper()
    first = spec.fields[0].name
    cases = [
        Case(
            "only_the_given_fields_change",
            [
                f"{one}_id = given_{one}(client)",
                f'change = {{"{first}": OTHER_{upper}["{first}"]}}',
                f'answer = client.patch(f"{{PATH}}/{{{one}_id}}", json=change)',
                "assert answer.status_code == 200",
                f'assert answer.json() == {{**{upper}, **change, "id": {one}_id}}',
            ],
        ),
        Case(
            f"{_a(spec)}_is_not_changed_to_a_wrong_value",
            [
                f"{one}_id = given_{one}(client)",
                "for field, wrong in WRONG_VALUES.items():",
                f'    answer = client.patch(f"{{PATH}}/{{{one}_id}}", json={{field: wrong}})',
                "    assert answer.status_code == 422",
            ],
        ),
        Case(
            f"an_unknown_{one}_is_not_changed",
            ['assert client.patch(f"{PATH}/999999", json={}).status_code == 404'],
        ),
    ]
    required = [field.name for field in spec.fields if not field.optional]
    if required:
        cases.append(
            Case(
                "a_required_field_is_not_emptied",
                [
                    f"{one}_id = given_{one}(client)",
                    f'change = {{"{required[0]}": None}}',
                    f'answer = client.patch(f"{{PATH}}/{{{one}_id}}", json=change)',
                    "assert answer.status_code == 422",
                ],
            )
        )
    return cases


def _deleting(spec: Spec) -> list[Case]:
    if not spec.has("DELETE"):
        return []
    one = spec.singular
    return [
        Case(
            f"{_a(spec)}_is_deleted_once",
            [
                f"{one}_id = given_{one}(client)",
                f'assert client.delete(f"{{PATH}}/{{{one}_id}}").status_code == 204',
                f'assert client.delete(f"{{PATH}}/{{{one}_id}}").status_code == 404',
            ],
        )
    ]


def _guarding(spec: Spec, target: Target) -> list[Case]:
    if spec.authentication != "jwt":
        return []
    loop = "for method, path in ROUTES:"
    if target.auth is not None:
        guard = auth_source(target)[1]
        app = "client.app" if target.app_factory else target.app_variable
        body = [
            "def refuse() -> None:",
            '    raise HTTPException(401, "No token.")',
            "",
            f"{app}.dependency_overrides[{guard}] = refuse",
            loop,
            "    assert client.request(method, path).status_code == 401",
        ]
        return [Case("every_route_asks_who_calls", body)]
    bad = [
        'make_token(secret="another-secret-of-sufficient-length-123456")',
        "make_token(exp=time.time() - 1)",
        "make_token(exp=None)",
        "make_token(nbf=time.time() + 60)",
        'make_token() + "A"',
        '"not-a-token"',
        '"a.b.c"',
        '"W10.W10.W10"',
    ]
    if target.auth_library is None:
        bad.insert(0, 'make_token(algorithm="none")')
    return [
        Case(
            "every_route_needs_a_token",
            [
                'del client.headers["Authorization"]',
                loop,
                "    answer = client.request(method, path)",
                "    assert answer.status_code == 401",
                '    assert answer.headers["WWW-Authenticate"] == "Bearer"',
            ],
        ),
        Case(
            "a_token_that_can_not_be_trusted_is_refused",
            [
                f"for token in [{', '.join(bad)}]:",
                '    headers = {"Authorization": f"Bearer {token}"}',
                "    method, path = ROUTES[0]",
                "    assert client.request(method, path, headers=headers).status_code == 401",
            ],
        ),
        Case(
            "without_a_secret_nobody_gets_in",
            [
                'with patch.dict(os.environ, {"JWT_SECRET": ""}):',
                "    method, path = ROUTES[0]",
                "    assert client.request(method, path).status_code == 503",
            ],
        ),
    ]


def _starting(spec: Spec) -> Case:
    method, path = list_routes(spec)[0]
    expected = {"GET": 200, "POST": 201, "DELETE": 404}.get(method, 404)
    body = f", json={spec.singular.upper()}" if method in {"POST", "PUT", "PATCH"} else ""
    return Case(
        "the_table_is_there_once_the_service_has_started",
        [
            "fresh = FastAPI()",
            "fresh.include_router(router)",
            "with tempfile.TemporaryDirectory() as directory:",
            '    url = f"sqlite:///{directory}/fresh.db"',
            '    with patch.dict(os.environ, {"DATABASE_URL": url}):',
            "        get_engine.cache_clear()",
            "        with TestClient(fresh, headers=client.headers) as started:",
            f'            answer = started.request("{method}", {path}{body})',
            "        get_engine().dispose()",
            "        get_engine.cache_clear()",
            f"assert answer.status_code == {expected}",
        ],
    )


def _a(spec: Spec) -> str:
    return article(spec.singular).replace(" ", "_")
