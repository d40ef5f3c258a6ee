"""The SDK programs printed in the API reference and the integration guide, run as printed."""

import asyncio
import sys
from pathlib import Path

import leanvibe
from leanvibe import LeanVibeClient
from tests.given import Organisation

PROGRAMS = Path(leanvibe.__file__).parents[2] / "tests" / "programs"


async def run(program: str) -> str:
    """What the program printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "error", "-c", program),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, problems = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, problems.decode()
    return said.decode()


async def test_the_program_of_the_api_reference(address: str, acme: Organisation) -> None:
    owner = acme.people["owner"]
    async with LeanVibeClient(base_url=address) as client:
        await client.auth.login(email=owner.email, password=owner.password)
        key = await client.api_keys.create(name="Program")
        project = await client.projects.create(name="Shop")
        program = (PROGRAMS / "api_reference.py.txt").read_text()
        for printed, real in (
            # The package's blocking client has a name of its own; the guide prints the async one.
            ("LeanVibeClient", "LeanVibeClientSync"),
            ("your_api_key", str(key.key)),
            ("https://api.leanvibe.ai/v1", address),
            ("project-uuid", project.id),
        ):
            assert printed in program
            program = program.replace(printed, real)

        said = await run(program)
        task = (await client.tasks.list())[0]

    assert said == f"Task created: {task.id}\n"
    assert task.title == "Implement payment processing"
    assert task.project_id == project.id
    assert task.requirements["security"] == ["PCI_DSS", "encryption"]
