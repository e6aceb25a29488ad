"""Which paths may be read: spellings, hostile ways around, and the race to the opening."""

import os
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from openrouter_mcp.errors import Code, OpenRouterError
from openrouter_mcp.files import sandbox
from openrouter_mcp.files.attach import Files
from openrouter_mcp.files.sandbox import Guard, absolute, display, open_file
from openrouter_mcp.settings import Settings

CANARY = "the canary sings"


@pytest.fixture(autouse=True)
def _computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A home, a working directory, a temporary one, and what lies outside of all three."""
    for name in ("home/user", "work", "temporary", "outside"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "outside" / "canary.txt").write_text(CANARY)
    monkeypatch.setenv("HOME", str(tmp_path / "home" / "user"))
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    for name in [name for name in os.environ if name.startswith("OPENROUTER_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home" / "user"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return tmp_path / "work"


def write(path: Path, text: str = CANARY) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def settings(**fields) -> Settings:
    return Settings(state_dir=Path("~/state"), **fields)


async def read(name: str, **fields) -> str:
    attachments = await Files(settings(**fields)).parts([name])
    return "".join(part["text"] for part in attachments.parts)


async def refused(name: str, **fields) -> OpenRouterError:
    with pytest.raises(OpenRouterError) as caught:
        await read(name, **fields)
    assert CANARY not in str(caught.value)
    return caught.value


# Spellings


def test_every_spelling_of_one_path_means_the_same(home: Path, work: Path):
    assert absolute("notes.txt") == work / "notes.txt"
    assert absolute("./a/../notes.txt") == work / "notes.txt"
    assert absolute(f"/{work}//notes.txt") == work / "notes.txt"
    assert absolute(" 'notes.txt'\n") == work / "notes.txt"
    assert absolute('"my notes.txt"') == work / "my notes.txt"
    assert absolute("~/notes.txt") == home / "notes.txt"
    assert absolute("~") == home
    assert absolute("file:///a/my%20notes.txt") == Path("/a/my notes.txt")
    assert absolute("FILE://localhost/a/notes.txt") == Path("/a/notes.txt")
    assert absolute("file:/a/notes.txt") == Path("/a/notes.txt")
    assert absolute("a:b.txt") == work / "a:b.txt"
    assert absolute("notes: 2.txt") == work / "notes: 2.txt"


def test_a_windows_path_is_found_where_wsl_mounts_the_drive(
    tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sandbox, "WINDOWS_DRIVES", tmp_path)
    assert absolute("C:\\me\\notes.txt") == work / "C:\\me\\notes.txt"
    (tmp_path / "c").mkdir()
    assert absolute("C:\\me\\notes.txt") == tmp_path / "c/me/notes.txt"
    assert absolute("c:/me/notes.txt") == tmp_path / "c/me/notes.txt"
    assert absolute("file:///C:/me/my%20notes.txt") == tmp_path / "c/me/my notes.txt"


@pytest.mark.parametrize("name", ["", "  ", "''", "a\0b", "file:///a%00b", "\ud800.txt"], ids=ascii)
async def test_what_no_file_can_be_called_is_refused(name: str):
    assert (await refused(name)).code == Code.INVALID_INPUT


@pytest.mark.parametrize(
    "name", ["s3://b/k", "ftp://example.org/a.txt", f"gopher://{'x' * 10_000}"]
)
async def test_an_address_that_nobody_reads_is_refused(name: str):
    error = await refused(name)
    assert error.code == Code.INVALID_INPUT
    assert "http(s)" in error.message
    assert len(error.message) < 600


async def test_a_file_of_another_computer_is_refused():
    assert (await refused("file://server/share/a.txt")).code == Code.INVALID_INPUT


async def test_names_longer_than_any_file_are_simply_not_found():
    for name in ("x" * 5000, "x/" * 3000 + "y", "{x/" * 2000 + "y", f"{'x' * 300}/*.py"):
        error = await refused(name)
        assert error.code == Code.NOT_FOUND
        assert len(error.message) < 2000


def test_a_displayed_path_is_one_line_of_valid_text():
    shown = display("a\nb\x1b[31m\udcff")
    assert shown.isprintable()
    assert shown.encode()


# Allowed directories


async def test_home_the_working_and_the_temporary_directory_may_be_read(tmp_path: Path):
    for place in ("home/user", "work", "temporary"):
        assert CANARY in await read(str(write(tmp_path / place / "deep" / "a.txt")))


@pytest.mark.parametrize(
    "name",
    [
        "{outside}/canary.txt",
        "../outside/canary.txt",
        "./x/../../outside/canary.txt",
        "~/../../outside/canary.txt",
        "file://{outside}/canary.txt",
        "file://{outside}/%63anary.txt",
        "/{outside}/canary.txt",
        "{outside}",
        "{outside}/*",
        "../outside/*.txt",
        "../**/*.txt",
        "{outside}/[c]anary.txt",
        "/etc/passwd",
        "/etc/*",
        "/",
        "/**",
        "~root/x",
    ],
)
async def test_nothing_outside_is_read(name: str, tmp_path: Path):
    name = name.replace("{outside}", str(tmp_path / "outside"))
    error = await refused(name)
    assert error.code == (Code.NOT_FOUND if name.startswith("~root") else Code.UNSAFE_PATH)


async def test_a_refusal_names_the_variable_and_does_not_tell_what_exists(tmp_path: Path):
    there = await refused(str(tmp_path / "outside" / "canary.txt"))
    not_there = await refused(str(tmp_path / "outside" / "missing.txt"))
    assert there.message.replace("canary", "missing") == not_there.message
    assert there.code == not_there.code == Code.UNSAFE_PATH
    assert "OPENROUTER_INPUT_DIRS" in there.message
    assert there.suggestions == []


async def test_listed_directories_replace_the_default(tmp_path: Path):
    listed = (tmp_path / "outside",)
    assert CANARY in await read(str(tmp_path / "outside" / "canary.txt"), input_dirs=listed)
    write(tmp_path / "work" / "a.txt")
    assert (await refused("a.txt", input_dirs=listed)).code == Code.UNSAFE_PATH


@pytest.mark.parametrize("listed", [(), (Path("~/papers"),)])
async def test_what_was_saved_is_read_again_but_no_secret_among_it(tmp_path: Path, listed):
    output = tmp_path / "output"
    write(output / "deep" / "a.txt")
    write(output / ".env")
    write(tmp_path / "outputs" / "a.txt")
    allowed = {"output_dir": output, "input_dirs": listed}
    assert CANARY in await read(str(output / "deep" / "a.txt"), **allowed)
    for name in (output / ".env", tmp_path / "outputs" / "a.txt"):
        assert (await refused(str(name), **allowed)).code == Code.UNSAFE_PATH


@pytest.mark.parametrize("output", ["/", "/etc", "~/.ssh"])
async def test_no_output_directory_opens_the_system_or_a_hidden_place(home: Path, output: str):
    write(home / ".ssh" / "config")
    allowed = {"output_dir": Path(output), "input_dirs": (Path("~/papers"),)}
    for name in ("/etc/passwd", "~/.ssh/config"):
        assert (await refused(name, **allowed)).code == Code.UNSAFE_PATH


async def test_a_neighbour_whose_name_only_begins_alike_is_outside(tmp_path: Path):
    write(tmp_path / "outsider" / "a.txt")
    error = await refused(str(tmp_path / "outsider/a.txt"), input_dirs=(tmp_path / "outside",))
    assert error.code == Code.UNSAFE_PATH


async def test_the_variable_takes_directories_as_path_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    both = os.pathsep.join([f" {tmp_path / 'outside'}", "", "~/papers"])
    monkeypatch.setenv("OPENROUTER_INPUT_DIRS", both)
    write(tmp_path / "home/user/papers/a.txt")
    assert CANARY in await read(str(tmp_path / "outside" / "canary.txt"))
    assert CANARY in await read("~/papers/a.txt")
    assert (await refused("~/b.txt")).code == Code.UNSAFE_PATH


async def test_the_escape_hatch_opens_all_but_the_system_itself(tmp_path: Path, work: Path):
    write(work / ".env")
    for name in (str(tmp_path / "outside" / "canary.txt"), ".env"):
        assert CANARY in await read(name, allow_unsafe_paths=True)
    error = await refused("/proc/self/environ", allow_unsafe_paths=True)
    assert error.code == Code.UNSAFE_PATH


@pytest.mark.parametrize(
    "place",
    [
        *("/", "/etc/nginx", "/usr/bin", "/home", "/usr", "/var", "/proc/1", "/mnt/c", "/mnt/d"),
        *("/mnt/c/Windows/System32", "/System/Library", "/Applications/Claude.app"),
    ],
)
def test_a_working_directory_that_nobody_chose_is_not_allowed(
    place: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sandbox, "working_directory", lambda: Path(place))
    assert Guard(settings()).refusal(Path(place) / "a.txt")


@pytest.mark.parametrize(
    "place", ["/srv/app", "/usr/src/app", "/mnt/c/code", "/opt/x", "/workspace"]
)
def test_a_working_directory_that_was_chosen_is_allowed(
    place: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sandbox, "working_directory", lambda: Path(place))
    assert Guard(settings()).refusal(Path(place) / "a.txt") == ""


def test_a_working_directory_above_home_is_not_allowed(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(home.parent)
    assert Guard(settings()).refusal(home.parent / "other" / "a.txt")


async def test_a_home_below_the_temporary_directory_closes_nothing_but_its_hidden_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    temporary = tmp_path / "temporary"
    monkeypatch.setenv("HOME", str(temporary / "home"))
    for name in ("a.txt", "home/b.txt", "session/c.txt"):
        assert CANARY in await read(str(write(temporary / name)))
    assert await refused(str(write(temporary / "home" / ".config" / "d.txt")))
    monkeypatch.setattr(tempfile, "tempdir", "/")
    assert Guard(settings()).refusal(Path("/etc/passwd"))


def test_a_home_at_the_root_allows_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HOME", "/")
    assert Guard(settings()).refusal(Path("/etc/passwd"))


def test_a_deleted_working_directory_is_no_failure(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert absolute("a.txt") == home / "a.txt"


def test_a_computer_without_a_temporary_directory_is_no_failure(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    def none_usable():
        raise FileNotFoundError

    monkeypatch.setattr(tempfile, "gettempdir", none_usable)
    assert Guard(settings()).refusal(home / "a.txt") == ""


# Links


async def test_a_link_inside_is_followed(tmp_path: Path, work: Path):
    write(tmp_path / "home/user/notes.txt")
    (work / "link.txt").symlink_to(tmp_path / "home/user/notes.txt")
    (work / "folder").symlink_to(tmp_path / "home/user")
    assert CANARY in await read("link.txt")
    assert CANARY in await read("folder/notes.txt")


async def test_a_link_that_leads_outside_is_refused(tmp_path: Path, work: Path):
    (work / "file.txt").symlink_to(tmp_path / "outside" / "canary.txt")
    (work / "folder").symlink_to(tmp_path / "outside")
    (work / "chain").symlink_to(work / "folder")
    (work / "dangling").symlink_to(tmp_path / "outside" / "missing.txt")
    for name in ("file.txt", "folder/canary.txt", "chain/canary.txt", "chain/*", "dangling"):
        assert (await refused(name)).code == Code.UNSAFE_PATH


async def test_a_link_to_itself_ends(work: Path):
    (work / "loop").symlink_to(work / "loop")
    assert (await refused("loop")).code == Code.NOT_FOUND


async def test_a_link_under_an_innocent_name_does_not_open_a_secret(home: Path, work: Path):
    write(work / ".env")
    write(home / ".ssh" / "config")
    (work / "readme.txt").symlink_to(work / ".env")
    (work / "config.txt").symlink_to(home / ".ssh" / "config")
    (work / "keys").symlink_to(home / ".ssh")
    for name in ("readme.txt", "config.txt", "keys/config", "keys/*"):
        assert (await refused(name)).code == Code.UNSAFE_PATH


async def test_a_secret_name_is_refused_even_if_it_leads_to_an_innocent_file(work: Path):
    write(work / "plain.txt")
    (work / ".env").symlink_to(work / "plain.txt")
    assert (await refused(".env")).code == Code.UNSAFE_PATH


@pytest.mark.parametrize("target", ["/dev/zero", "/dev/stdin", "/proc/self/environ", "/sys/kernel"])
async def test_a_link_to_the_system_is_refused(target: str, work: Path):
    (work / "data.txt").symlink_to(target)
    for everything in ({}, {"input_dirs": (Path("/"),)}):
        error = await refused("data.txt", **everything)
        assert error.code in (Code.UNSAFE_PATH, Code.UNSUPPORTED_FORMAT)


async def test_a_pipe_does_not_hang_and_is_refused(work: Path):
    os.mkfifo(work / "pipe.txt")
    assert (await refused("pipe.txt")).code == Code.UNSUPPORTED_FORMAT


def test_only_regular_files_are_opened(work: Path):
    (work / "folder.txt").mkdir()
    os.mkfifo(work / "pipe.txt")
    for path in (work / "folder.txt", work / "pipe.txt", Path("/dev/zero"), work / "missing"):
        with pytest.raises(OSError, match=r".+"):
            open_file(path)


@pytest.mark.parametrize("swapped", ["inner/canary.txt", "inner", "."])
async def test_a_link_swapped_in_after_the_check_does_not_win(
    swapped: str, tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch
):
    write(work / "inner" / "canary.txt", "innocent")
    write(tmp_path / "outside" / "inner" / "canary.txt")
    resolve = Guard.resolve

    def resolve_then_swap(guard: Guard, path: Path) -> Path:
        real = resolve(guard, path)
        victim = work / swapped
        victim.rename(tmp_path / "moved")
        victim.symlink_to(tmp_path / "outside" / swapped)
        return real

    monkeypatch.setattr(Guard, "resolve", resolve_then_swap)
    assert (await refused(str(work / "inner" / "canary.txt"))).code == Code.NOT_FOUND


def test_a_link_that_keeps_changing_never_wins(tmp_path: Path, work: Path):
    """The other thread swaps file and link as fast as it can; each reading is old or refused."""
    write(work / "a.txt", "innocent")
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            (work / "link").symlink_to(tmp_path / "outside" / "canary.txt")
            (work / "link").rename(work / "a.txt")
            write(work / "file", "innocent")
            (work / "file").rename(work / "a.txt")

    thread = threading.Thread(target=swap)
    thread.start()
    outcomes = set()
    try:
        for _ in range(300):
            try:
                with open_file(Guard(settings()).resolve(work / "a.txt")) as file:
                    outcomes.add(file.read().decode())
            except (OpenRouterError, OSError):
                outcomes.add("refused")
    finally:
        stop.set()
        thread.join()
    assert outcomes == {"innocent", "refused"}


async def test_a_system_without_stepwise_opening_compares_what_it_opened(
    tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(os, "supports_dir_fd", set())
    path = write(work / "a.txt", "innocent")
    with open_file(path) as file:
        assert file.read() == b"innocent"
    (work / "folder").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match="changed"):
        open_file(work / "folder" / "canary.txt")


# Secrets


@pytest.mark.parametrize(
    "name",
    [
        *(
            ".env",
            ".ENV",
            ".Env",
            ".env.",
            ".env ",
            ".env...",
            ".env::$DATA",
            ".env:x",
            "\uff0eenv",
        ),
        *(
            ".\uff45\uff4e\uff56",
            ".\u200benv",
            ".e\u00adnv",
            "file://{work}/%2eenv",
            "./.env",
            "x/../.env",
        ),
        *(
            ".env.local",
            ".env.production",
            ".envrc",
            "server.pem::$DATA",
            "server.pem.",
            ".netrc ",
            "prod.env",
            "ENV~1",
            "env~1.loc",
            "a/ENV~1",
        ),
        *("id_rsa", "id_rsa.pub", "ID_RSA", "id_ed25519", "id_ecdsa_sk", "server.pem", "tls.key"),
        *(
            "cert.p12",
            "cert.PFX",
            "passwords.kdbx",
            "login.keychain-db",
            ".netrc",
            "_netrc",
            ".npmrc",
        ),
        *(
            ".pypirc",
            "credentials",
            "credentials.json",
            ".git-credentials",
            ".htpasswd",
            "wallet.dat",
        ),
        *(".bash_history", ".pgpass", "client_secret_1.json", "CREDEN~1.JSO", ".env*", "*.pem"),
    ],
    ids=ascii,
)
async def test_known_secrets_are_refused_under_every_name(name: str, work: Path):
    name = name.replace("{work}", str(work))
    missing = await refused(name)
    path = absolute(name)
    if "*" not in name:
        write(path)
    there = await refused(name)
    assert there.code == Code.UNSAFE_PATH
    assert there.message == missing.message
    assert "OPENROUTER_ALLOW_UNSAFE_PATHS" in there.message


@pytest.mark.parametrize(
    "name",
    [
        *(".env.example", ".env.sample", ".env.local.template", "example.env", "environment.md"),
        *(".gitignore", ".github/workflows/ci.yml", "credentials.py", "keys.py", "a~b.txt"),
        *("credentials/oauth.py", "~x.txt", "tokens.py", "draft~20200101-120000.txt", "monkey"),
    ],
)
async def test_what_only_looks_like_a_secret_is_read(name: str, work: Path):
    write(work / name)
    assert CANARY in await read(name)


async def test_a_private_key_is_known_by_its_first_line(work: Path):
    write(work / "deploy", f"-----BEGIN OPENSSH PRIVATE KEY-----\n{CANARY}")
    write(work / "notes.md", "# Keys\nbegin with -----BEGIN OPENSSH PRIVATE KEY-----")
    assert (await refused("deploy")).code == Code.UNSAFE_PATH
    assert "begin with" in await read("notes.md")
    attachments = await Files(settings()).parts(["."])
    assert attachments.notes == ["Skipped 1 protected file (deploy)."]


HIDDEN_PLACES = [
    *(
        "~/.ssh/config",
        "~/.SSH/config",
        "~/.ssh/../.ssh/config",
        "~/.ssh./config",
        "~/.ssh /config",
    ),
    *("~/.\uff53\uff53\uff48/config", "~/.ssh::$INDEX_ALLOCATION/config", "~/.s\u200bsh/config"),
    *("~/SSH~1/config", "file://{home}/.ssh/config", "file://{home}/%2essh/config", "~/.ssh/*"),
    *(
        "~/.ssh",
        "~/.aws/config",
        "~/.config/app/settings.json",
        "~/.local/share/x",
        "~/.*",
        "~/.s*/c*",
    ),
    *(
        "~/Library/Mail/x",
        "~/Library./x",
        "~/library/x",
        "~/AppData/Roaming/x",
        "~/work/../.ssh/config",
        "~/.s[s]h/*",
    ),
    *("~/.nosuch", "~/.ssh/**", "~//.ssh/config"),
]


@pytest.mark.parametrize("name", HIDDEN_PLACES, ids=ascii)
async def test_hidden_places_of_home_are_refused_under_every_name(name: str, home: Path):
    name = name.replace("{home}", str(home))
    missing = await refused(name)
    for folder in (".ssh", ".aws", ".config/app", "Library/Mail", "AppData/Roaming"):
        write(home / folder / "config")
    there = await refused(name)
    assert there.code == Code.UNSAFE_PATH
    assert there.message == missing.message


async def test_other_hidden_names_are_read_when_spelled_out(home: Path, work: Path):
    write(home / ".bashrc")
    write(home / "project" / ".github" / "ci.yml")
    write(work / ".config" / "a.toml")
    for name in ("~/.bashrc", "~/project/.github/ci.yml", ".config/a.toml", ".config/*", ".config"):
        assert CANARY in await read(name)


async def test_a_hidden_place_that_the_user_listed_is_read_but_no_secret_in_it(home: Path):
    write(home / ".config" / "app" / "a.toml")
    write(home / ".config" / "app" / ".env")
    write(home / ".config" / "other" / "a.toml")
    listed = (home, Path("~/.config/app"))
    assert CANARY in await read("~/.config/app/a.toml", input_dirs=listed)
    for name in ("~/.config/other/a.toml", "~/.config/app/.env", "~/.config/*/a.toml"):
        assert (await refused(name, input_dirs=listed)).code == Code.UNSAFE_PATH


async def test_listing_home_or_the_root_does_not_open_hidden_places(home: Path):
    write(home / ".ssh" / "config")
    for listed in (home, Path("/")):
        error = await refused("~/.ssh/config", input_dirs=(listed,))
        assert error.code == Code.UNSAFE_PATH


def test_the_hidden_places_of_other_homes_are_refused():
    guard = Guard(settings(input_dirs=(Path("/"),)))
    for home in ("/home/other", "/Users/other", "/mnt/c/Users/other"):
        assert guard.refusal(Path(home, ".aws", "config"))
        assert guard.refusal(Path(home, "notes.txt")) == ""


def test_a_temporary_directory_in_a_hidden_place_is_allowed(
    home: Path, monkeypatch: pytest.MonkeyPatch
):
    temporary = home / "AppData" / "Local" / "Temp"
    write(temporary / "a.txt")
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    guard = Guard(settings())
    assert guard.refusal(temporary / "a.txt") == ""
    assert guard.refusal(home / "AppData" / "Roaming" / "a.txt")


async def test_our_own_state_is_never_read(home: Path):
    write(home / "state" / "cache" / "models.json")
    for name in ("~/state/cache/models.json", "~/state", "~/STATE/cache/models.json", "~/state/**"):
        assert (await refused(name)).code == Code.UNSAFE_PATH
    write(home / "notes.txt", "innocent")
    assert CANARY not in await read("~")


# Whatever the name

SEGMENTS = (
    *("..", ".", "/", "//", "~", "outside", "canary.txt", "work", "link", "home", "user", ".env"),
    *("file://", "%2e%2e", "**", "*", "?", "[c]anary.txt", "\\", " ", "'", ":", "{outside}"),
)
SPELLED = st.lists(st.sampled_from(SEGMENTS), max_size=8).map("/".join) | st.text(max_size=30)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SPELLED)
@example("{outside}/canary.txt")
@example("link/canary.txt")
async def test_no_name_reads_a_file_outside(tmp_path: Path, name: str):
    link = tmp_path / "work" / "link"
    if not link.is_symlink():
        link.symlink_to(tmp_path / "outside")
    name = name.replace("{outside}", str(tmp_path / "outside"))
    try:
        attachments = await Files(settings()).parts([name])
    except OpenRouterError:
        return
    assert CANARY not in str(attachments.parts)
