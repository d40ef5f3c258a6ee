# Short names for what a developer does every day. `just` lists them.

_list:
    @just --list

# set everything up and start the product
start:
    ./start.sh

# every check and test, as in CI
check:
    ./test.sh

# only these tests, as in: just test tests/kernel -k scope
test *args="tests":
    ./test.sh {{args}}

# let ruff repair style and format
fix:
    .venv/bin/ruff check --fix .
    .venv/bin/ruff format .

# look at this machine with the eyes of the product
doctor:
    .venv/bin/leanvibe-server doctor

# make the lock files anew from what pyproject.toml asks for
lock:
    {{compile}} pyproject.toml sdks/python/pyproject.toml -o requirements.lock
    {{compile}} --group pyproject.toml:dev -c requirements.lock -o requirements-dev.lock
    {{compile}} --group pyproject.toml:build -c requirements.lock -c requirements-dev.lock -o scripts/build.lock
    {{compile}} --group pyproject.toml:installer -o scripts/installer.lock

compile := "uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header"
