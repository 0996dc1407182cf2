"""The container image: what its file says, and that its commands do it, here, without a container."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.releasing.bare_machine import possible, view
from tests.releasing.checkout import ROOT, clone
from tests.releasing.dockerfile import Instruction, stages, variables

BUILD, FINAL = stages(ROOT / "Dockerfile")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICE: dict[str, Any] = COMPOSE["services"]["whatsapp"]
PYTHON = Path(sys.executable).resolve()


def all_of(stage: list[Instruction], word: str) -> list[Instruction]:
    return [one for one in stage if one.word == word]


def last(word: str) -> Instruction:
    return all_of(FINAL, word)[-1]


def test_the_image_runs_as_a_user_without_rights_who_owns_the_volume_alone() -> None:
    assert last("USER").rest == "10001:10001"
    assert last("VOLUME").rest == '["/data"]'
    made = " ".join(one.rest for one in all_of(FINAL, "RUN"))
    assert "install -d -m 0700 -o 10001 -g 10001 /data" in made
    assert [one.rest for one in all_of(FINAL, "COPY")] == ["--from=build /opt/whatsapp-mcp /opt/whatsapp-mcp"]


def test_every_package_is_installed_by_its_hash() -> None:
    commands = [part for one in all_of(BUILD, "RUN") for part in one.rest.split("&&")]
    installs = [command for command in commands if re.search(r"\bpip\b.* install", command)]
    assert len(installs) == 3
    assert [one for one in installs if "--require-hashes" not in one and "--no-index" not in one] == []


def test_every_file_that_is_copied_is_there_and_in_the_build_context() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[0] == "*"
    for copied in all_of(BUILD, "COPY"):
        for source in copied.rest.split()[:-1]:
            assert (ROOT / source).exists()
            assert f"!{source.split('/')[0]}" in ignored


def test_what_is_checked_is_the_port_that_is_served() -> None:
    port = re.search(r"--port (\d+)", shlex.join(last("CMD").command))
    assert port is not None
    assert last("EXPOSE").rest == port.group(1)
    assert f":{port.group(1)}/healthz" in last("HEALTHCHECK").rest


def test_compose_gives_the_container_as_little_as_it_needs() -> None:
    assert SERVICE["read_only"] is True
    assert SERVICE["cap_drop"] == ["ALL"]
    assert SERVICE["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in SERVICE
    assert SERVICE["volumes"] == ["data:/data"]
    assert COMPOSE["volumes"].keys() == {"data"}


def test_compose_publishes_the_port_on_loopback_alone() -> None:
    [port] = SERVICE["ports"]
    assert port == f"127.0.0.1:{last('EXPOSE').rest}:{last('EXPOSE').rest}"


CHECKED = """
{serve} &
server=$!
for turn in $(seq 300); do
  {check} 2>/tmp/error && break
  kill -0 $server || exit 4
  sleep 0.2
done
{check}
kill $server
wait $server || true
! {check} 2>/tmp/error
"""
"""Serves, waits until the health check is content, and sees that it is not when the server has gone."""


def checked() -> str:
    return CHECKED.format(
        serve=shlex.join(last("CMD").command), check=shlex.join(last("HEALTHCHECK").command)
    )


@pytest.mark.skipif(not possible(), reason="needs overlays in namespaces")
def test_the_command_serves_and_the_check_notices(tmp_path: Path) -> None:
    """With the packages of these tests, in a network of its own, where the port is free."""
    settings = SERVICE["environment"] | {"WHATSAPP_MCP_HOME": str(tmp_path), "HOME": str(tmp_path)}
    exported = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in settings.items())
    path = f"export PATH={Path(sys.executable).parent}:/usr/bin:/bin\n"
    done = subprocess.run(
        view(exported + path + checked()),
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def _built(context: Path) -> str:
    """A script that does what the image's build does, with this Python as the image's."""
    opened = "".join(f"chmod a+x {folder}\n" for folder in PYTHON.parents if folder != Path("/"))
    lines = [opened, f"{PYTHON} -m venv /base", "export PATH=/base/bin:/usr/bin:/bin:/usr/sbin:/sbin"]
    for one in [*BUILD, *FINAL]:
        if one.word == "ARG":
            lines.append(f"export {one.rest}")
        elif one.word == "WORKDIR":
            lines.append(f"mkdir -p {one.rest} && cd {one.rest}")
        elif one.word == "COPY" and not one.rest.startswith("--from"):
            *sources, target = one.rest.split()
            lines.append(f"mkdir -p {target}" if target.endswith("/") else ":")
            lines += [f"cp -r {context}/{source} {target}" for source in sources]
        elif one.word == "RUN":
            lines.append(one.rest)
    return "\n".join(lines)


@pytest.mark.install
@pytest.mark.skipif(not possible() or os.geteuid() != 0, reason="needs overlays and other users' numbers")
def test_the_image_builds_and_serves_as_nobody_on_a_read_only_root(tmp_path: Path) -> None:
    context = clone(tmp_path / "checkout")
    settings = {**variables(FINAL), **SERVICE["environment"]}
    settings["PATH"] = settings["PATH"].replace("$PATH", "/usr/bin:/bin")
    user, group = last("USER").rest.split(":")
    environment = [f"{name}={value}" for name, value in settings.items()]
    running = ["env", "-i", *environment, "bash", "-ec", "! touch /here && touch /data/here\n" + checked()]
    become = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs"]
    command = view(_built(context), after=shlex.join([*become, *running]), network=True)
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
