"""The plan of the house on one page: every router, handler, job and backend, by hand."""

from dataclasses import dataclass
from functools import cache

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

import leanvibe_server
from leanvibe_server.audit import api as audit_api
from leanvibe_server.audit import jobs as audit_jobs
from leanvibe_server.compliance import api as compliance_api
from leanvibe_server.compliance import exports as privacy_exports
from leanvibe_server.compliance import privacy as compliance_privacy
from leanvibe_server.compliance import repeating as privacy_repeating
from leanvibe_server.compliance import retention
from leanvibe_server.engine import api as engine_api
from leanvibe_server.engine import jobs as engine_jobs
from leanvibe_server.engine import privacy as engine_privacy
from leanvibe_server.engine import service as engine
from leanvibe_server.health import api as health_api
from leanvibe_server.health import street as health_street
from leanvibe_server.identity import api as identity_api
from leanvibe_server.identity import housekeeping as identity_housekeeping
from leanvibe_server.identity import jobs as identity_jobs
from leanvibe_server.identity import keys, reconciling
from leanvibe_server.identity import privacy as identity_privacy
from leanvibe_server.identity import service as identity
from leanvibe_server.identity.account import api as account_api
from leanvibe_server.identity.administration import api as administration_api
from leanvibe_server.identity.domains import api as domains_api
from leanvibe_server.identity.domains import service as domains
from leanvibe_server.identity.domains.resolver import NameServers
from leanvibe_server.identity.federation import api as federation_api
from leanvibe_server.identity.federation.protocols import Protocols
from leanvibe_server.identity.gate import HouseGate
from leanvibe_server.identity.groups import api as groups_api
from leanvibe_server.identity.mfa import api as mfa_api
from leanvibe_server.identity.oauth import api as oauth_api
from leanvibe_server.identity.oauth import refusals as oauth_refusals
from leanvibe_server.identity.oidc import api as oidc_api
from leanvibe_server.identity.oidc import reminders as oidc_reminders
from leanvibe_server.identity.oidc.discovery import KnownProviders
from leanvibe_server.identity.oidc.jwks import KnownKeys
from leanvibe_server.identity.oidc.protocol import OidcProtocol
from leanvibe_server.identity.people import api as people_api
from leanvibe_server.identity.people import endings
from leanvibe_server.identity.roles import api as roles_api
from leanvibe_server.identity.saml import api as saml_api
from leanvibe_server.identity.saml import housekeeping as saml_housekeeping
from leanvibe_server.identity.saml import refreshing as saml_refreshing
from leanvibe_server.identity.saml import reminders as saml_reminders
from leanvibe_server.identity.saml.protocol import SamlProtocol
from leanvibe_server.identity.scim import api as scim_api
from leanvibe_server.identity.scim import errors as scim_errors
from leanvibe_server.identity.security import api as security_api
from leanvibe_server.identity.service_accounts import api as service_accounts_api
from leanvibe_server.kernel import privacy as kernel_privacy
from leanvibe_server.kernel.config import ConfigError, Settings
from leanvibe_server.kernel.crypto import load_vault
from leanvibe_server.kernel.db import Database
from leanvibe_server.kernel.directory import Directory
from leanvibe_server.kernel.house import House
from leanvibe_server.kernel.http import add_error_handlers
from leanvibe_server.kernel.idempotency import sweep_idempotency_keys
from leanvibe_server.kernel.jobs import HANDLE_EVENT, Jobs, handle_event
from leanvibe_server.kernel.log import logger
from leanvibe_server.kernel.middleware import Doorman
from leanvibe_server.kernel.outbound import OutboundClient
from leanvibe_server.kernel.personal_data import DataMap
from leanvibe_server.kernel.refusals import Refusals
from leanvibe_server.kernel.sealing import SealedColumn
from leanvibe_server.metering import api as metering_api
from leanvibe_server.metering.calls import CallMeter
from leanvibe_server.notifications import jobs as notification_jobs
from leanvibe_server.openapi import describe
from leanvibe_server.projects import api as projects_api
from leanvibe_server.projects import jobs as projects_jobs
from leanvibe_server.projects import privacy as projects_privacy
from leanvibe_server.projects import service as projects
from leanvibe_server.realtime import api as realtime_api
from leanvibe_server.realtime.hub import Hub
from leanvibe_server.tenancy import api as tenancy_api
from leanvibe_server.tenancy import directory as tenant_directory
from leanvibe_server.tenancy import privacy as tenancy_privacy
from leanvibe_server.tenancy import purge
from leanvibe_server.tenancy.keys import api as keys_api
from leanvibe_server.tenancy.keys import service as tenant_keys
from leanvibe_server.tenancy.tree import api as tree_api
from leanvibe_server.web import pages as web_pages

API_ROUTERS = (
    identity_api.router,
    account_api.router,
    mfa_api.router,
    security_api.router,
    saml_api.router,
    domains_api.router,
    oidc_api.router,
    federation_api.router,
    roles_api.router,
    service_accounts_api.router,
    oauth_api.router,
    people_api.router,
    groups_api.router,
    scim_api.router,
    metering_api.router,
    administration_api.router,
    tree_api.router,
    tenancy_api.router,
    keys_api.router,
    projects_api.router,
    engine_api.router,
    realtime_api.router,
    audit_api.router,
    compliance_api.router,
    health_api.router,
)
STREET_ROUTERS = (health_street.router, identity_api.well_known_router, oauth_api.well_known_router)
PREFIXES = ("/v1", "/api/v1")
SWEEPS = (
    identity_housekeeping.sweep,
    endings.sweep,
    saml_housekeeping.sweep,
    saml_refreshing.sweep,
    saml_reminders.sweep,
    oidc_reminders.sweep,
    domains.sweep,
    sweep_idempotency_keys,
    tenant_directory.sweep,
    reconciling.sweep,
    privacy_exports.sweep,
    retention.sweep,
    purge.sweep,
)
# What a worker does beside its queue, for as long as it runs.
CLOCKS = (audit_jobs.keep_sealing, privacy_repeating.repeat_at_start)

# Every column of sealed values: without a line here `seal` refuses, for no rotation would find it.
SEALED_COLUMNS = (
    SealedColumn("projects", "credentials_sealed", place="credentials"),
    SealedColumn("sso_providers", "client_secret_sealed"),
    SealedColumn("mfa_factors", "secret_sealed"),
    SealedColumn("outgoing_sms", "recipient_sealed"),
    SealedColumn("outgoing_sms", "body_sealed"),
    SealedColumn("saml_keys", "private_key_sealed"),
    SealedColumn("oidc_client_keys", "private_key_sealed"),
    SealedColumn("oidc_id_tokens", "id_token_sealed"),
    SealedColumn("privacy_exports", "file_key_sealed"),
)

# What each room keeps of people. What refers to other rows comes before those.
DATA_MAP = DataMap(
    tables=(
        *engine_privacy.TABLES,
        *projects_privacy.TABLES,
        *compliance_privacy.TABLES,
        *kernel_privacy.TABLES,
        *identity_privacy.TABLES,
        *tenancy_privacy.TABLES,
    ),
    more=(identity_privacy.forget, tenancy_privacy.forget),
)


async def open_house(settings: Settings) -> House:
    """The shared parts of a process, with every listener and gauge in place."""
    if not settings.database_url:
        raise ConfigError("DATABASE_URL is empty: use `leanvibe-server start`, or set it.")
    vault = load_vault(settings)
    house = House(settings, await Database.open(settings, vault), vault)
    house.place(OutboundClient(allow_private=not settings.production))
    if settings.keeps_mail:
        logger("mail").warning(
            "mail is not delivered",
            backend=settings.mail_backend,
            advice="Set MAIL_BACKEND=smtp and SMTP_HOST: invitations and resets reach nobody.",
        )
    house.place(Protocols({"oidc": OidcProtocol(), "saml": SamlProtocol()}))
    for part in (KnownProviders(), KnownKeys(), NameServers()):
        house.place(part)
    house.place(DATA_MAP)
    house.sealed_columns = {column.key: column for column in SEALED_COLUMNS}
    house.gauges |= {
        "users": identity.count_users,
        "concurrent_sessions": identity.count_sessions,
        "projects": projects.count_projects,
        "concurrent_tasks": engine.count_tasks_at_once,
        "storage": engine.measure_storage_mb,
    }
    house.tallies |= {
        "users": identity.tally_users,
        "concurrent_sessions": identity.tally_sessions,
        "projects": projects.tally_projects,
        "storage": engine.tally_storage_mb,
    }
    house.dialects["/scim/"] = scim_errors.tell
    for start in ("/v1/oauth/", "/api/v1/oauth/", "/oauth/"):
        house.dialects[start] = oauth_refusals.tell
    house.guards |= {"task": engine.require_task}
    return house


def jobs() -> Jobs:
    """Every job a worker can do."""
    every = Jobs()
    every.add(HANDLE_EVENT, handle_event)
    identity_jobs.register(every)
    projects_jobs.register(every)
    engine_jobs.register(every)
    notification_jobs.register(every)
    tenant_keys.register(every)
    privacy_exports.register(every)
    privacy_repeating.register(every)
    return every


@dataclass
class Doors:
    """What a process that serves has in its hands."""

    app: Doorman
    api: FastAPI
    calls: CallMeter
    refusals: Refusals
    live: Hub


@cache
def _routes() -> list[BaseRoute]:
    """Every route, API and pages. The applications of one process share them: to work out what
    each asks for takes longer than all else there is to build."""
    # What generated clients call their methods.
    every = APIRouter(generate_unique_id_function=lambda route: route.name)
    for router in API_ROUTERS:
        for prefix in PREFIXES:
            every.include_router(router, prefix=prefix, include_in_schema=prefix == PREFIXES[0])
    for router in STREET_ROUTERS:
        every.include_router(router)
    every.include_router(oauth_api.router, include_in_schema=False)
    every.include_router(scim_api.street_router)
    for pages in web_pages.ROUTERS:
        every.include_router(pages)
    return every.routes


async def build_app(house: House) -> Doors:
    """The application with every router, behind the doorman."""
    api = FastAPI(
        title="LeanVibe Enterprise",
        version=leanvibe_server.__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        # A redirect would be built on the Host header, which is the caller's word.
        redirect_slashes=False,
        separate_input_output_schemas=False,
        routes=_routes(),
    )
    add_error_handlers(api)
    web_pages.register(api)
    calls, refusals, hub = CallMeter(house), Refusals(house), Hub(house)
    for part in (refusals, hub):
        house.place(part)
    api.state.gate = HouseGate(await keys.load(house), calls)
    api.openapi = lambda: describe(api)  # type: ignore[method-assign]  # FastAPI's own extension point
    return Doors(Doorman(Directory(api), house), api, calls, refusals, hub)
