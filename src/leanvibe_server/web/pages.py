"""Every page of the dashboard, by hand."""

from fastapi import FastAPI

from leanvibe_server.web import (
    account_pages,
    assets,
    audit_pages,
    auth_pages,
    brand,
    docs_pages,
    group_pages,
    machine_pages,
    mfa_pages,
    organisation_pages,
    overview_pages,
    ownership_pages,
    password_pages,
    people_pages,
    person_pages,
    platform_pages,
    privacy_pages,
    projects_pages,
    provisioning_pages,
    roles_pages,
    saml_pages,
    second_factor_pages,
    security_pages,
    settings_pages,
    sso_key_pages,
    sso_pages,
    sso_settings_pages,
    step_up_pages,
    tasks_pages,
)
from leanvibe_server.web.memberships import Memberships
from leanvibe_server.web.routes import add_error_pages

ROUTERS = (
    assets.router,
    brand.router,
    auth_pages.router,
    second_factor_pages.router,
    mfa_pages.router,
    password_pages.router,
    step_up_pages.router,
    account_pages.router,
    overview_pages.router,
    projects_pages.router,
    organisation_pages.router,
    roles_pages.router,
    tasks_pages.router,
    sso_pages.router,
    sso_settings_pages.router,
    sso_key_pages.router,
    settings_pages.router,
    security_pages.router,
    saml_pages.router,
    people_pages.router,
    person_pages.router,
    ownership_pages.router,
    group_pages.router,
    machine_pages.router,
    provisioning_pages.router,
    platform_pages.router,
    audit_pages.router,
    privacy_pages.router,
    docs_pages.router,
)


def register(app: FastAPI) -> None:
    """Add what the pages need to an application whose error handlers are in place."""
    app.state.memberships = Memberships()
    add_error_pages(app)
