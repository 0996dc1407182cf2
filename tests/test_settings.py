"""Settings: the file, the environment over it, and what prevents startup."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tables import for_each
from whatsapp_mcp import settings, system
from whatsapp_mcp.errors import InvalidArgument
from whatsapp_mcp.system import paths


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in list(os.environ):
        if variable.startswith("WHATSAPP_MCP_"):
            monkeypatch.delenv(variable)


def load_text(home: Path, text: str) -> settings.Settings:
    (home / "config.toml").write_text(text, encoding="utf-8")
    return settings.load(home)


def test_everything_has_a_default(tmp_path: Path) -> None:
    loaded = settings.load(tmp_path)
    assert loaded.home == tmp_path
    assert (loaded.policy.mode, loaded.server.port, loaded.account.history) == ("standard", 8808, "recent")


@pytest.mark.parametrize(
    "url", ["socks5://127.0.0.1:1080", "http://proxy.example.org", "https://me:p%40ss@[::1]:3128/"]
)
def test_a_proxy_is_taken_from_the_file_or_the_environment(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_text(tmp_path, f'[network]\nproxy = "{url}"\n').network.proxy_url == url
    monkeypatch.setenv("WHATSAPP_MCP_NETWORK__PROXY", "http://other:1")
    assert settings.load(tmp_path).network.proxy_url == "http://other:1"


@for_each(
    "url",
    [
        "me:hunter2@proxy:1080",
        "socks4://me:hunter2@proxy:1080",
        "http://me:hunter2@proxy:99999",
        "http://me:hunter2@proxy:0",
        "http://me:hunter2@",
        "http://me:hunter2@proxy/path",
        "http://me:hunter2@proxy:3128?a=b",
        "http://me:hunter2@pro xy:3128",
        "http://me:hunter2@[::1",
        "http://me:hunter2@prüfer:3128",
        "",
    ],
)
def test_what_is_no_proxy_stops_the_start_without_its_password_being_told(url: str, tmp_path: Path) -> None:
    with pytest.raises(
        InvalidArgument, match=r"network\.proxy: it is not .*config\.toml, line 3\)"
    ) as caught:
        load_text(tmp_path, f"log_level = 'info'\n[network]\nproxy = '{url}'\n")
    assert "hunter2" not in f"{caught.value.message} {caught.value.action}"


def test_the_home_is_named_by_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHATSAPP_MCP_HOME", str(tmp_path))
    assert settings.load().home == tmp_path


def test_the_file_is_read_and_the_environment_laid_over_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHATSAPP_MCP_SERVER__PORT", "9001")
    monkeypatch.setenv("WHATSAPP_MCP_LOG_LEVEL", "debug")
    monkeypatch.setenv("WHATSAPP_MCP_MEDIA__ROOTS", os.pathsep.join(["/one", "/two"]))
    loaded = load_text(tmp_path, '[server]\nport = 9000\nhost = "::1"\n[policy]\nmode = "open"\n')
    assert (loaded.server.port, loaded.server.host, loaded.policy.mode) == (9001, "::1", "open")
    assert loaded.log_level == "debug"
    assert loaded.media.roots == (Path("/one"), Path("/two"))


def test_a_tilde_is_the_users_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "home").mkdir()
    loaded = load_text(tmp_path / "home", '[media]\nroots = ["~/Documents"]\n')
    assert loaded.media.roots == (tmp_path / "Documents",)


@for_each(
    ("root", "said"),
    [
        ("", "contains the home folder"),
        ("home", "contains the home folder"),
        ("link", "contains the home folder"),
        ("home/accounts", "lies in the home folder"),
        ("home/accounts/default", "lies in the home folder"),
        ("home/elsewhere/media", "lies in the home folder"),
        ("link to accounts", "lies in the home folder"),
    ],
)
def test_a_root_that_meets_the_home_folder_stops_the_start(tmp_path: Path, root: str, said: str) -> None:
    home = tmp_path / "home"
    (home / "accounts").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "link to accounts").symlink_to(home / "accounts")
    with pytest.raises(InvalidArgument, match=said) as caught:
        load_text(home, f"log_level = 'info'\n[media]\nroots = ['/one', '{tmp_path / root}']\n")
    assert caught.value.message.startswith(f"media.roots: {tmp_path / root}".rstrip("/"))
    assert caught.value.message.endswith("config.toml, line 3).")


@pytest.mark.parametrize("root", ["home/accounts/a/media", "home/accounts/b/media/outgoing", "beside"])
def test_a_root_beside_the_home_folder_or_of_files_to_send_is_taken(tmp_path: Path, root: str) -> None:
    (tmp_path / "home").mkdir()
    loaded = load_text(tmp_path / "home", f"[media]\nroots = ['{tmp_path / root}']\n")
    assert loaded.media.roots == (tmp_path / root,)


@for_each(
    ("text", "said"),
    [
        ("[server]\nhost = 'a'\nprot = 1\n", "server.prot: unknown setting (*, line 3)"),
        (
            "[media]\nmax_megabytes = 1\n[server]\nport = 'x'\n",
            "server.port: *whole number (*, line 4)",
        ),
        ("[media]\nport = 1\n[server]\nport = 1\n", "media.port: unknown setting (*, line 2)"),
        ("[server]\n\nport = 99999\n", "server.port: * (*, line 3)"),
        ("[surver]\nport = 1\n", "surver: unknown setting (*, line 1)"),
        ("[media]\nroots = [1]\n", "media.roots: it is not a path (*, line 2)"),
        ("[server]\nstructured = 'maybe'\n", "server.structured: it must be true or false (*, line 2)"),
        ("[server]\nstructured = []\n", "server.structured: it must be true or false (*, line 2)"),
        ('timezone = "Mars/Base"\n', "timezone: *no IANA time zone (*, line 1)"),
        ("server = 3\n", "server: it is a section, not a value (*, line 1)"),
        ("[account]\ndevice_name = ''\n", "account.device_name: * (*, line 2)"),
        ("[server\n", "*not valid TOML*line 1*"),
        ("home = '/x'\n", "*'home' cannot be set here*"),
    ],
)
def test_what_is_wrong_in_the_file_is_told_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        load_text(tmp_path, text)
    message, rest = caught.value.message, said
    for part in rest.split("*"):
        assert part in message
    assert str(tmp_path) in message


def test_a_file_that_is_not_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidArgument, match="not UTF-8"):
        settings.load(tmp_path)


def test_a_byte_order_mark_as_some_editors_write_it_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b"\xef\xbb\xbflog_level = 'debug'\n")
    assert settings.load(tmp_path).log_level == "debug"


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(InvalidArgument, match="cannot be read"):
        settings.load(tmp_path)


@pytest.mark.parametrize(
    "variable", ["WHATSAPP_MCP_POLICY__MODE", "WHATSAPP_MCP_ACCOUNT__HISTORY", "WHATSAPP_MCP_POLICY"]
)
def test_what_concerns_an_account_cannot_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "open")
    with pytest.raises(InvalidArgument, match=variable):
        settings.load(tmp_path)


@pytest.mark.parametrize(
    "variable", ["WHATSAPP_MCP_PROT", "WHATSAPP_MCP_SERVER", "WHATSAPP_MCP_SERVER__PROT"]
)
def test_an_unknown_variable_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(InvalidArgument, match=rf"environment variable {variable}\b"):
        settings.load(tmp_path)


def test_a_variable_for_a_section_that_the_file_made_a_value_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHATSAPP_MCP_SERVER__PORT", "1")
    with pytest.raises(InvalidArgument, match="section"):
        load_text(tmp_path, "server = 3\n")


def test_an_accounts_folder_is_private(tmp_path: Path) -> None:
    folder = settings.load(tmp_path / "home").account_folder("work")
    previous = os.umask(0)
    try:
        folder.create()
        folder.create()
    finally:
        os.umask(previous)
    made = [folder.path.parent.parent, folder.path.parent, folder.path, folder.media]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o700}


@pytest.mark.parametrize("where", ["file", "file/home"])
def test_a_home_that_cannot_be_made_is_told_with_the_cure(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidArgument, match=str(tmp_path / where)) as caught:
        settings.load(tmp_path / where).account_folder().create()
    assert "WHATSAPP_MCP_HOME" in caught.value.action


def test_a_home_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_path: Path, mode: int) -> bool:
        return not mode & os.W_OK

    monkeypatch.setattr(os, "access", refused)
    with pytest.raises(InvalidArgument, match="this user lacks the permission"):
        settings.load(tmp_path).account_folder().create()


@for_each("name", ["", ".", "..", "a/b", "../x", "-x", "a b", "x" * 65, "a\n"])
def test_a_name_that_is_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidArgument):
        settings.load(tmp_path).account_folder(name)


@for_each("name", ["Work", "a.b", "all", "x" * 33])
def test_a_name_that_former_versions_took_is_for_accounts_that_are_there_alone(
    tmp_path: Path, name: str
) -> None:
    folder = settings.load(tmp_path).account_folder(name)
    with pytest.raises(InvalidArgument, match="cannot be the name of a new account"):
        folder.create()
    assert not folder.path.exists()
    folder.path.mkdir(parents=True)
    folder.create()


def test_allowed_hosts_are_names_whose_port_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        '[server]\nallowed_hosts = ["NAS.local:8808", "*.example.org", "[FD00::1]"]\n'
    )
    assert settings.load(tmp_path).server.allowed_hosts == ("nas.local", "*.example.org", "fd00::1")


def test_a_variable_lists_allowed_hosts_with_commas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHATSAPP_MCP_SERVER__ALLOWED_HOSTS", "nas.local, host.docker.internal,")
    assert settings.load(tmp_path).server.allowed_hosts == ("nas.local", "host.docker.internal")


@for_each("name", ["*", "*.", "*.*.org", "a*.org", "https://nas.local", "nas.local/x", ""])
def test_what_is_no_host_name_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "config.toml").write_text(f'[server]\nallowed_hosts = ["{name}"]\n')
    with pytest.raises(InvalidArgument, match=r"allowed_hosts: .*is not a host name .*line 2"):
        settings.load(tmp_path)


def test_sockets_of_two_homes_differ_and_are_short_enough(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    sockets = {settings.load(home).account_folder("default").socket for home in (tmp_path, deep)}
    assert len(sockets) == 2
    assert all(len(os.fsencode(socket)) < 104 for socket in sockets)


def test_every_process_of_a_user_looks_for_the_socket_at_the_same_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = settings.load(tmp_path).account_folder().socket
    for name in ("XDG_RUNTIME_DIR", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path))
    assert settings.load(tmp_path).account_folder().socket == socket


def test_a_runtime_folder_that_others_can_enter_is_made_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "_RUNTIME_BASES", (str(tmp_path / "missing"), str(tmp_path)))
    folder = system.runtime_folder()
    assert folder is not None
    folder.chmod(0o777)
    assert system.runtime_folder() == folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


Squat = Callable[[Path, pytest.MonkeyPatch], None]


def by_folder(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user makes a folder there."""
    place.mkdir()
    monkeypatch.setattr(os, "getuid", lambda: os.stat(place).st_uid + 1)


def by_file(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file lies there."""
    place.touch()


def by_link(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link to a folder of the user's own lies there."""
    own = place.with_name("own")
    own.mkdir()
    place.symlink_to(own)


@pytest.mark.parametrize("squat", [by_folder, by_file, by_link])
def test_a_squatted_runtime_folder_moves_the_socket_into_the_account(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, squat: Squat
) -> None:
    base = tmp_path_factory.mktemp("s")  # a short path
    user = os.getuid() + (squat is by_folder)
    monkeypatch.setattr(paths, "_RUNTIME_BASES", (str(base),))
    squat(base / f"whatsapp-mcp-{user}", monkeypatch)
    home = base / "h"
    account = settings.load(home).account_folder()
    assert account.socket == home / "accounts" / "default" / "leader.sock"
    assert settings.load(home).account_folder().socket == account.socket


def test_a_home_whose_path_is_too_long_for_a_socket_is_named_when_the_runtime_folder_is_squatted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paths, "_RUNTIME_BASES", (str(tmp_path / "missing"),))
    with pytest.raises(InvalidArgument, match="too long a path"):
        _ = settings.load(tmp_path / ("d" * 100)).account_folder().socket


def test_one_word_keeps_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep = load_text(tmp_path, '[media]\nkeep = "off"\n').media.keep
    assert (keep.voice, keep.image, keep.document, keep.audio, keep.video, keep.gif, keep.sticker) == (0,) * 7
    monkeypatch.setenv("WHATSAPP_MCP_MEDIA__KEEP", "off")
    assert load_text(tmp_path, "").media.keep == keep


@pytest.mark.parametrize(
    "text", ['[media]\nkeep = "on"\n', "[media.keep]\nvoices = 1\n", "[media.keep]\nvoice = 5000\n"]
)
def test_an_invalid_value_of_what_is_kept_stops_the_start(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidArgument, match=r"media\.keep.*config\.toml, line \d\)"):
        load_text(tmp_path, text)
