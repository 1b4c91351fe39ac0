"""What every place of papers promises: kaeru's newest revision is there once, and nobody else's words are lost."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from bot.ports.errors import AuthFailed, Conflict, Gone, OutcomeUnknown, Refused, Unavailable
from bot.ports.trackers import Papers
from integrations.papers.settings import ConfluenceSettings, GitRepositorySettings
from integrations.papers.storage import storage
from tests.contract.api_servers import serving
from tests.contract.papers_worlds import NAME, TOKEN, ConfluenceWorld, GitWorld, git, paper
from tests.contract.test_trackers_contract import assert_no_secret
from tests.hosts import sshd as hosts

AnyWorld = GitWorld | ConfluenceWorld


@pytest.fixture(scope="module")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[hosts.Sshd, Path, Path]]:
    """A server, a key that it lets in, and the file with its own key."""
    folder = tmp_path_factory.mktemp("sshd")
    key = hosts.new_key(folder / "key")
    authorized = folder / "authorized"
    authorized.write_text(f"{hosts.public(key)}\n", encoding="ascii")
    known = folder / "known_hosts"
    with hosts.serving(hosts.Sshd(folder / "host", authorized)) as server:
        known.write_text(server.known, encoding="ascii")
        yield server, key, known


@pytest.fixture(params=["git", "confluence cloud", "confluence data center"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyWorld]:
    if request.param == "git":
        yield GitWorld(tmp_path)
        return
    made = ConfluenceWorld(cloud=request.param == "confluence cloud")
    with serving(made.server):
        yield made
    assert made.server.problems == []


@pytest.fixture
async def papers(world: AnyWorld) -> AsyncIterator[Papers]:
    made = world.papers()
    yield made
    await made.aclose()


async def test_it_is_there_once_however_often_it_is_published(world: AnyWorld, papers: Papers) -> None:
    first = await papers.publish(paper())
    again = [await papers.publish(paper(known=known)) for known in ("", first.reference)]
    assert not first.already
    assert first.url.startswith("https://")
    assert [(f.reference, f.url, f.already) for f in again] == [(first.reference, first.url, True)] * 2
    assert world.revisions() == 1
    assert "Revision 1 of it" in world.text()


async def test_a_newer_revision_takes_the_place_and_an_older_one_does_not(
    world: AnyWorld, papers: Papers
) -> None:
    first = await papers.publish(paper(1))
    for revision in (2, 3):
        assert (await papers.publish(paper(revision))).reference == first.reference
    assert (await papers.publish(paper(2))).already
    assert world.revisions() == 3
    assert "Revision 3 of it" in world.text()


@pytest.mark.parametrize("revisions", [1, 2])
async def test_what_people_have_written_is_left_alone(
    world: AnyWorld, papers: Papers, revisions: int
) -> None:
    for revision in range(1, revisions + 1):
        filed = await papers.publish(paper(revision))
    world.edit()
    before = world.text()
    for known in ("", filed.reference):
        with pytest.raises(Conflict, match="Somebody has changed"):
            await papers.publish(paper(revisions + 1, known=known))
    assert world.text() == before


async def test_a_lost_answer_is_unknown_and_the_repeat_finds_it(world: AnyWorld, papers: Papers) -> None:
    world.lose()
    with pytest.raises(OutcomeUnknown):
        await papers.publish(paper())
    world.come_back()
    assert (await papers.publish(paper())).already
    assert world.revisions() == 1


async def test_what_never_arrived_is_put_there_by_the_repeat(world: AnyWorld, papers: Papers) -> None:
    world.cut()
    with pytest.raises(OutcomeUnknown):
        await papers.publish(paper())
    assert not (await papers.publish(paper())).already
    assert world.revisions() == 1


async def test_odd_text_arrives(world: AnyWorld, papers: Papers) -> None:
    odd = "# T\n\n<script>x</script> & ]]> `a]]>b` \x00\x0b\n\n```py\nx = '<a>' ]]> &amp;\n```\n\n| a | b |\n|--|--:|\n| 1 | ~~2~~ |\n\n![p](http://e.example.com/x?a=1&b=\"2)\n- [ ] ü 帰る 🐸\n"  # fmt: skip
    await papers.publish(paper(1, odd))
    assert "帰る" in world.text()
    assert (await papers.publish(paper(1, odd))).already


async def test_a_check_looks_and_writes_nothing(world: AnyWorld, papers: Papers) -> None:
    assert "can be" in await papers.check()
    if isinstance(world, GitWorld):
        assert world.revisions() == 0
        missing = world.papers(branch="release")
    else:
        assert world.server.pages == []
        missing = world.papers(space="GONE")
    with pytest.raises(Refused):
        await missing.check()
    await missing.aclose()


# git.


async def test_other_files_and_other_peoples_commits_stay(tmp_path: Path) -> None:
    world = GitWorld(tmp_path)
    await world.papers().publish(paper(1))
    world.commit("README.md", "Changed meanwhile.\n")
    await world.papers().publish(paper(2))
    world.commit("notes.txt", "More.\n")
    names = _git(world, "ls-tree", "-r", "--name-only", "main").split()
    assert sorted(names) == ["README.md", "notes.txt", world.path]
    assert _git(world, "show", "main:README.md") == "Changed meanwhile.\n"
    assert _git(world, "log", "--format=%an", "main").split() == [
        "Somebody",
        "kaeru",
        "Somebody",
        "kaeru",
        "Somebody",
    ]


async def test_a_push_that_somebody_else_was_quicker_with_is_made_again(tmp_path: Path) -> None:
    world = GitWorld(tmp_path)
    # Between kaeru's look and kaeru's push somebody pushes: a hook of the remote does it for them.
    made = "tree=$(git rev-parse main^{tree}); c=$(git -c user.name=S -c user.email=s@example.com commit-tree $tree -p main -m quick)"
    world.hook("pre-receive", f"unset GIT_QUARANTINE_PATH; {made}; git update-ref refs/heads/main $c; exit 0")
    await world.papers().publish(paper())
    assert _git(world, "log", "--format=%s", "main").splitlines()[1] == "quick"
    assert world.revisions() == 1


async def test_a_hook_that_declines_is_said_with_its_words(tmp_path: Path) -> None:
    world = GitWorld(tmp_path)
    world.hook("pre-receive", "echo 'main is protected' >&2; exit 1")
    with pytest.raises(Refused, match="main is protected"):
        await world.papers().publish(paper())
    assert world.revisions() == 0


async def test_an_empty_repository_gets_its_first_commit(tmp_path: Path) -> None:
    world = GitWorld(tmp_path / "full")
    empty = tmp_path / "empty.git"
    _git(world, "init", "--quiet", "--bare", str(empty))
    filed = await world.papers(remote=str(empty), folder="").publish(paper())
    assert filed.reference == f"{NAME}.md"
    assert _git(world, f"--git-dir={empty}", "ls-tree", "--name-only", "main").split() == [f"{NAME}.md"]


async def test_a_file_or_folder_of_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    world = GitWorld(tmp_path)
    world.commit(world.path, "Mine.\n")
    with pytest.raises(Conflict):
        await world.papers().publish(paper())
    other = f"postmortems/{NAME}-2.md/x"
    world.commit(other, "Mine.\n")
    with pytest.raises(Conflict, match="not a file"):
        await world.papers().publish(paper().model_copy(update={"name": f"{NAME}-2"}))


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"branch": "release"}, Refused),
        ({"remote": "/nowhere/at/all.git"}, Gone),
        ({"remote": "http://127.0.0.1:1/x.git"}, Unavailable),
        ({"remote": "ssh://nobody@127.0.0.1:1/x.git"}, Unavailable),
    ],
)
async def test_a_remote_that_cannot_be_used_is_said(
    tmp_path: Path, settings: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await GitWorld(tmp_path).papers(**settings).publish(paper())


async def test_over_ssh_it_is_the_same(tmp_path: Path, ssh: tuple[hosts.Sshd, Path, Path]) -> None:
    server, key, known = ssh
    world = GitWorld(tmp_path, over=f"ssh://{server.address}{tmp_path}/remote.git", ssh_key=key, known=known)
    world.lose()
    with pytest.raises(OutcomeUnknown):
        await world.papers().publish(paper())
    world.come_back()
    assert (await world.papers().publish(paper())).already
    world.edit()
    with pytest.raises(Conflict):
        await world.papers().publish(paper(2))


async def test_a_key_that_is_not_let_in_and_a_host_that_is_not_known(
    tmp_path: Path, ssh: tuple[hosts.Sshd, Path, Path]
) -> None:
    server, key, known = ssh
    over = f"ssh://{server.address}{tmp_path}/remote.git"
    other = hosts.new_key(tmp_path / "other")
    world = GitWorld(tmp_path, over=over, ssh_key=other, known=known)
    with pytest.raises(AuthFailed, match="does not let kaeru in"):
        await world.papers().publish(paper())
    nobody = tmp_path / "nobody"
    nobody.write_text("", encoding="ascii")
    with pytest.raises(AuthFailed, match="Host key verification"):
        await world.papers(ssh_key=key, known_hosts=nobody).publish(paper())


async def test_a_token_goes_to_the_server_and_nowhere_else(tmp_path: Path) -> None:
    server = ConfluenceWorld(cloud=False).server  # any server that wants another token
    with serving(server):
        secret = "aNoTher-token"
        papers = GitWorld(tmp_path).papers(remote=f"{server.base}/x.git", token=SecretStr(secret))
        with pytest.raises(AuthFailed) as caught:
            await papers.publish(paper())
    assert_no_secret(caught.value, secret)
    assert secret not in papers.identity


@pytest.mark.parametrize(
    "remote",
    [
        "ext::sh -c true",
        "--upload-pack=x",
        "https://me:pw@git.example.com/x",
        "ssh://-oProxyCommand=x/y",
        "a b",
        "file:///x",
    ],
)
def test_a_remote_that_could_do_something_else_is_none(remote: str) -> None:
    with pytest.raises(ValidationError):
        GitRepositorySettings(remote=remote)


# Confluence.


@pytest.mark.parametrize("cloud", [True, False])
async def test_a_page_is_followed_where_people_have_renamed_it(*, cloud: bool) -> None:
    world = ConfluenceWorld(cloud=cloud)
    with serving(world.server):
        papers = world.papers()
        filed = await papers.publish(paper(1))
        world.server.pages[0]["title"] = "The day of the cart"
        await papers.publish(paper(2, known=filed.reference))
        assert [p["title"] for p in world.server.pages] == ["The day of the cart"]
        world.server.pages[0]["status"] = "trashed"
        again = await papers.publish(paper(3, known=filed.reference))
        assert again.reference != filed.reference
        await papers.aclose()


@pytest.mark.parametrize("cloud", [True, False])
async def test_somebody_who_saves_in_the_same_moment_is_a_conflict(*, cloud: bool) -> None:
    world = ConfluenceWorld(cloud=cloud)
    with serving(world.server):
        papers = world.papers()
        await papers.publish(paper(1))
        world.server.fault = (409, {})
        with pytest.raises(Conflict):
            await papers.publish(paper(2))
        world.server.fault = (429, {"Retry-After": "9"})
        with pytest.raises(Unavailable) as caught:
            await papers.publish(paper(2))
        assert caught.value.retry_after_s == 9
        await papers.aclose()


async def test_a_wrong_token_and_an_unknown_space_are_said() -> None:
    world = ConfluenceWorld(cloud=True)
    with serving(world.server):
        papers = world.papers(token="wRoNg")
        with pytest.raises(AuthFailed) as caught:
            await papers.publish(paper())
        assert_no_secret(caught.value, "wRoNg")
        await papers.aclose()
        papers = world.papers(space="GONE")
        with pytest.raises(Gone):
            await papers.publish(paper())
        await papers.aclose()
    assert TOKEN not in papers.identity


def test_the_api_tokens_of_cloud_need_their_user() -> None:
    with pytest.raises(ValidationError, match="user"):
        ConfluenceSettings(url="https://example.atlassian.net/wiki", space="OPS", token=SecretStr("x"))


def test_storage_has_the_elements_of_confluence() -> None:
    made = storage("**b** <i>\n\n```sh\nls ]]>\n```\n\n![p](https://e.example.com/p.png)\n\n---\n")
    assert "<strong>b</strong> &lt;i&gt;" in made
    assert '<ac:parameter ac:name="language">sh</ac:parameter>' in made
    assert "]]]]><![CDATA[>" in made
    assert '<a href="https://e.example.com/p.png">p</a>' in made
    assert "<hr />" in made


def _git(world: GitWorld, *arguments: str) -> str:
    return git("-C", str(world.bare), *arguments)
