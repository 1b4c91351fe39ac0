"""The environment: a wrong variable is named, its value is not."""

from pathlib import Path

import pytest

from bot.settings import Settings, SettingsInvalid, load_settings, strangers, variable_of

SECRET = "hunter2"


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for field in Settings.model_fields:
        monkeypatch.delenv(variable_of(field), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)


def sentences(monkeypatch: pytest.MonkeyPatch, **variables: str) -> tuple[str, ...]:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsInvalid) as invalid:
        load_settings()
    assert SECRET not in str(invalid.value)
    assert invalid.value.__suppress_context__  # a traceback would show what was typed
    return invalid.value.sentences


def test_defaults(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.config == Path("kaeru.yml")
    assert settings.data == tmp_path / ".local" / "share" / "kaeru"
    assert settings.database_url is None
    assert settings.slack_api_url == "https://slack.com/api/"
    assert (settings.log_level, settings.log_format) == ("INFO", "text")


def test_data_follows_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert load_settings().data == tmp_path / "xdg" / "kaeru"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")  # the standard says: ignore it
    assert load_settings().data == tmp_path / ".local" / "share" / "kaeru"
    monkeypatch.setenv("KAERU_DATA", "/var/lib/kaeru")
    assert load_settings().data == Path("/var/lib/kaeru")


def test_everything_set(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "KAERU_CONFIG": "/etc/kaeru.yml",
        "KAERU_DATABASE_URL": f"postgresql://kaeru:{SECRET}@db/kaeru",
        "KAERU_ENGINE_DATABASE_URL": f"postgres://kaeru:{SECRET}@db/engine",
        "SLACK_BOT_TOKEN": f"xoxb-{SECRET}",
        "SLACK_APP_TOKEN": f"xapp-{SECRET}",
        "KAERU_SLACK_API_URL": "http://127.0.0.1:8137/api",
        "KAERU_LOG_LEVEL": "debug",
        "KAERU_LOG_FORMAT": "JSON",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.slack_api_url == "http://127.0.0.1:8137/api/"
    assert (settings.log_level, settings.log_format) == ("DEBUG", "json")
    bot, app = settings.slack_tokens()
    assert (bot.get_secret_value(), app.get_secret_value()) == (f"xoxb-{SECRET}", f"xapp-{SECRET}")
    for shown in (repr(settings), str(settings), repr(settings.model_dump()), settings.model_dump_json()):
        assert SECRET not in shown


def test_set_to_nothing_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAERU_DATABASE_URL", "")
    monkeypatch.setenv("SLACK_BOT_TOKEN", "")
    assert load_settings().database_url is None


def test_missing_tokens_say_where_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
    with pytest.raises(SettingsInvalid) as invalid:
        load_settings().slack_tokens()
    assert str(invalid.value) == (
        "SLACK_APP_TOKEN is not set. It is the app-level token (xapp-…) from Slack's app settings, "
        "Basic Information; docs/configuration.md says how to make one. To try kaeru without Slack: kaeru demo."
    )


def test_swapped_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    said = sentences(monkeypatch, SLACK_BOT_TOKEN=f"xapp-{SECRET}", SLACK_APP_TOKEN=SECRET)
    assert said == (
        (
            "SLACK_BOT_TOKEN is not right: expected the bot token, which begins with xoxb-; the bot token and the "
            "app-level token are swapped. It is in Slack's app settings under OAuth & Permissions. "
            "See docs/configuration.md."
        ),
        (
            "SLACK_APP_TOKEN is not right: expected the app-level token, which begins with xapp-. It is in Slack's "
            "app settings under Basic Information, App-Level Tokens. See docs/configuration.md."
        ),
    )


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("KAERU_DATABASE_URL", f"mysql://u:{SECRET}@h/db", "postgresql://user:password@host:5432/kaeru"),
        ("KAERU_DATABASE_URL", f"postgresql://[{SECRET}", "postgresql://user:password@host:5432/kaeru"),
        ("KAERU_ENGINE_DATABASE_URL", SECRET, "postgresql://user:password@host:5432/kaeru"),
        ("KAERU_SLACK_API_URL", f"ftp://{SECRET}", "an address such as https://slack.com/api/"),
        ("KAERU_LOG_LEVEL", SECRET, "DEBUG, INFO, WARNING or ERROR"),
        ("KAERU_LOG_FORMAT", SECRET, "text or json"),
    ],
)
def test_a_wrong_variable(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: str) -> None:
    (sentence,) = sentences(monkeypatch, **{variable: value})
    assert sentence.startswith(f"{variable} is not right: expected ")
    assert expected in sentence
    assert sentence.endswith(". See docs/configuration.md.")


def test_a_token_with_a_line_break(monkeypatch: pytest.MonkeyPatch) -> None:
    (sentence,) = sentences(monkeypatch, SLACK_BOT_TOKEN=f"xoxb-{SECRET}\n")
    assert "without spaces or line breaks" in sentence


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("KAERU_ALERTS_LISTEN", SECRET, "an address to listen at such as 127.0.0.1:9095"),
        ("KAERU_ALERTS_LISTEN", f"{SECRET}:70000", "an address to listen at such as 127.0.0.1:9095"),
        ("KAERU_ALERTS_TOKEN", SECRET, "at least 16 characters"),
        ("KAERU_ALERTS_TOKEN", f"{SECRET} with a space in it", "without spaces"),
    ],
)
def test_alerts_that_cannot_be_taken(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: str
) -> None:
    (sentence,) = sentences(monkeypatch, **{variable: value})
    assert sentence.startswith(f"{variable} is not right: expected ")
    assert expected in sentence


def test_alerts_are_taken_where_address_and_token_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().alerts is None
    monkeypatch.setenv("KAERU_ALERTS_LISTEN", "[::1]:9095")
    with pytest.raises(SettingsInvalid, match="KAERU_ALERTS_TOKEN is not set, but KAERU_ALERTS_LISTEN is"):
        load_settings()
    monkeypatch.setenv("KAERU_ALERTS_TOKEN", "0123456789abcdef")
    host, port, token = load_settings().alerts or ("", 0, None)
    assert (host, port) == ("::1", 9095)
    assert "0123456789abcdef" not in repr(token)
    monkeypatch.delenv("KAERU_ALERTS_LISTEN")
    with pytest.raises(SettingsInvalid, match="KAERU_ALERTS_LISTEN is not set, but KAERU_ALERTS_TOKEN is"):
        load_settings()


def test_mistyped_variables() -> None:
    environ = {"KAERU_LOGLEVEL": "x", "KAERU_DATA": "x", "KAERU_ZZZZZZZZZZ": "x", "HOME": "x"}
    assert strangers(environ) == (
        "KAERU_LOGLEVEL is not a setting. Did you mean KAERU_LOG_LEVEL?",
        "KAERU_ZZZZZZZZZZ is not a setting. docs/configuration.md lists those that are.",
    )
