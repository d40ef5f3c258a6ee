"""The words the grammar of tasks knows."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words that ask for nothing by themselves.
SOFT_WORDS = _words("""
    a an the this that these those it its our my your we i you they them their us is are be been was
    were to of in on at by for from with and or as so into over under within across using via than
    then also please kindly can could should would will may must need needs want wants like have has
    having do does all any each every some no not new existing current whole entire full complete
    simple basic small clean proper good nice working correct consistent standard usual more better
    well quickly soon now today app application service project repository repo codebase code base
    source file files module modules package packages python task issue ticket work job user-facing
    automatically safely safe there which who when where what how up out only just make sure keep
    keeps kept still green passing pass passes high medium low priority urgent use uses used based
""")

# Soft only where the recipe really does it.
RECIPE_WORDS = {
    "crud_endpoint": _words("""
        crud rest restful http json api apis endpoint endpoints route routes resource resources
        fastapi router pydantic validation validate validated validates input inputs test tests
        tested unit integration documentation docs documented document pagination paginated page
        pages error errors handling field fields type types typed model models schema schemas entry
        entries record records add adds create creates build implement generate write expose provide
        manage managing management operations collection public open method methods openapi storage
        store stored
"""),
    "lint_autofix": _words("""
        fix fixes fixed clean cleanup lint linter linting ruff findings finding issues issue errors
        error warnings warning violations violation problems problem complaints run apply autofix
        auto-fix resolve remove tidy correct address repair fixable automatic style tests test suite
        check checks tool tools rules rule report reported reports reporting flagged found happy
"""),
    "characterisation_tests": _words("""
        add write generate create provide build test tests tested testing unit characterisation
        characterization regression pytest coverage branch line cover covers covering covered raise
        raises increase improve untested least missing lacks lacking functions function class
        classes suite cases case behaviour behavior pin pins logic edge
"""),
}

# A sentence that holds one of these asks for something.
DEMAND_WORDS = _words("""
    must should shall need needs require requires required ensure support supports include includes
    including integrate integrates integration handle handles provide provides allow allows enable
    enables use uses using
""")

# A clause that begins with one of these is an order. Within a sentence they may tell a story.
ORDERS = _words("""
    add create implement build write generate make fix remove change rename refactor migrate
    deploy upgrade optimise optimize delete update replace convert move extract configure send
    connect secure protect encrypt validate document expose test keep run set show store
    return log track limit cache
""")

# Technologies and duties that are asked for by name. None is honoured unless the recipe says so.
TECHNOLOGIES = _words("""
    stripe paypal adyen pci pci-dss pci_dss gdpr hipaa sox soc2 oauth oauth2 saml sso openid oidc
    scim graphql grpc websocket websockets redis kafka rabbitmq celery elasticsearch mongodb mysql
    postgres postgresql docker kubernetes helm terraform aws s3 azure gcp react angular vue svelte
    typescript javascript node nodejs java spring kotlin golang rust flask django tensorflow pytorch
    openai llm bcrypt argon2 mfa 2fa totp webauthn encryption encrypted rate-limiting rate_limiting
    ratelimit throttling caching cache webhook webhooks sms fraud dashboard frontend mobile android
    ios prometheus grafana selenium playwright cypress multi-tenant microservice microservices jwt
    sqlalchemy alembic bearer login payment payments
""")

# What these name is a process with rules of its own, not a resource with rows.
PROCESS_WORDS = _words("""
    registration login logout signup sign-up signin sign-in authentication authorization
    authorisation auth processing checkout search upload uploads download downloads export exports
    import imports reset verification onboarding notification-sending sending recommendation
    recommendations analytics reporting streaming chat billing scheduling prediction inference
    integration migration deployment monitoring health healthcheck metrics webhook webhooks
    dashboard flow workflow workflows engine pipeline
""")
