"""Step down from root to a tenant's uid, then become bubblewrap. A stand-alone program.

Started only by a root worker, as `python -I -S step_down.py <JSON>` with
`{"uid", "parent", "cgroups": [cgroup.procs files], "binds": [host paths], "argv": [...]}`.

A dropped uid can't enter a 0700 home, and process limits don't bind root. So, in a mount namespace
of its own, every needed host path is first bound under /mnt (the nth as /mnt/<n>), where that uid
may go; then the uid is dropped; then bubblewrap runs unprivileged. Nothing is left on the host.
"""

import ctypes
import json
import os
import signal
import sys

STAGE = "/mnt"
_CLONE_NEWNS = 0x00020000
_PR_SET_PDEATHSIG = 1
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 4096, 16384, 1 << 18


def main(request: str) -> None:
    spec = json.loads(request)
    for procs in spec["cgroups"]:
        with open(procs, "w") as file:
            file.write("0")
    libc = ctypes.CDLL(None, use_errno=True)
    _stage(libc, spec["binds"])
    os.setgroups([])
    os.setresgid(spec["uid"], spec["uid"], spec["uid"])
    os.setresuid(spec["uid"], spec["uid"], spec["uid"])
    # Changing the uid clears this, so only now; a worker killed before it must not leave us behind.
    _call(libc.prctl, _PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != spec["parent"]:
        sys.exit(1)
    os.execv(spec["argv"][0], spec["argv"])  # noqa: S606 - becoming bubblewrap is its purpose


def _stage(libc: ctypes.CDLL, sources: list[str]) -> None:
    _call(libc.unshare, _CLONE_NEWNS)
    _mount(libc, "none", "/", None, _MS_REC | _MS_PRIVATE, None)
    # Opened before the stage covers /mnt: a source may itself lie below it.
    opened = [os.open(source, os.O_PATH | os.O_CLOEXEC) for source in sources]
    _mount(libc, "tmpfs", STAGE, "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=0755,size=1m")
    for number, (source, handle) in enumerate(zip(sources, opened, strict=True)):
        target = f"{STAGE}/{number}"
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            os.mkdir(target, 0o755)
        else:
            os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o644))
        try:
            _mount(libc, f"/proc/self/fd/{handle}", target, None, _MS_BIND | _MS_REC, None)
        except OSError as error:
            raise OSError(f"{source}: {error}") from None


def _mount(
    libc: ctypes.CDLL, source: str, target: str, kind: str | None, flags: int, data: str | None
) -> None:
    _call(
        libc.mount,
        source.encode(),
        target.encode(),
        kind.encode() if kind else None,
        ctypes.c_ulong(flags),
        data.encode() if data else None,
    )


def _call(function: "ctypes._NamedFuncPointer", *arguments: object) -> None:
    if function(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except OSError as refusal:
        sys.stderr.write(f"bwrap: cannot step down: {refusal}\n")
        sys.exit(1)
