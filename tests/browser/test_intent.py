"""What an act would mean, by what the page calls the thing; and which addresses are opened at all."""

from __future__ import annotations

import pytest

from workhand.browser.downloads import NAME_CHARS_MAX, safe_name
from workhand.browser.session import Refusal, address_of
from workhand.core.browsing import Act, Intent, Node, intent


@pytest.mark.parametrize(
    ("act", "node", "meant"),
    [
        (Act("click"), Node("link", "About us"), "look"),
        (Act("click"), Node("link", "Buy now"), "pay"),
        (Act("click"), Node("link", "Delete account"), "submit"),
        (Act("click"), Node("button", "Place order"), "pay"),
        (Act("click"), Node("button", "Jetzt kaufen"), "pay"),
        (Act("click"), Node("button", "Publish"), "post"),
        (Act("click"), Node("button", "Send message"), "post"),
        (Act("click"), Node("button", "Log in"), "submit"),
        (Act("click"), Node("button", ""), "submit"),
        (Act("click"), Node("clickable", "Whatever"), "submit"),
        (Act("click"), Node("button", "Menu", states=("expanded",)), "look"),
        (Act("click"), Node("button", "Next"), "look"),
        (Act("click"), Node("button", "Show more"), "look"),
        (Act("click"), Node("button", "Close and delete"), "submit"),
        (Act("click"), Node("tab", "Reviews"), "look"),
        (Act("click"), Node("checkbox", "Agree"), "input"),
        (Act("click"), None, "submit"),
        (Act("type", text="x"), Node("textbox", "Card to pay with"), "input"),
        (Act("check"), None, "input"),
        (Act("press", text="Tab"), None, "input"),
        (Act("press", text="Enter"), Node("searchbox", "Search"), "submit"),
        (Act("press", text="Enter"), Node("textbox", "Reply"), "post"),
        (Act("press", text="Enter"), None, "submit"),
        (Act("upload"), Node("button", "File"), "post"),
        (Act("dialog", text="dismiss"), None, "look"),
        (Act("dialog", text="accept"), None, "submit"),
        (Act("reload"), None, "submit"),
        (Act("scroll"), None, "look"),
        (Act("hover"), Node("button", "Pay"), "look"),
        (Act("back"), None, "look"),
    ],
)
def test_what_an_act_would_mean(act: Act, node: Node | None, meant: Intent) -> None:
    assert intent(act, node) == meant


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://a.example/x", "https://a.example/x"),
        (" HTTP://a.example", "HTTP://a.example"),
        ("a.example/x", "https://a.example/x"),
        ("localhost:8000/x", "https://localhost:8000/x"),
        ("about:blank", "about:blank"),
    ],
)
def test_addresses_of_the_web_are_opened(url: str, address: str) -> None:
    assert address_of(url) == address


@pytest.mark.parametrize(
    "url",
    [
        *("file:///home/agent/profile/Default/Cookies", "FILE:/etc/passwd", "chrome://settings", "javascript:alert(1)"),
        *(
            "view-source:https://a.example",
            "data:text/html,x",
            "about:config",
            "devtools://x",
            "blob:https://a.example/1",
        ),
    ],
)
def test_the_browsers_own_files_and_settings_are_not(url: str) -> None:
    assert isinstance(address_of(url), Refusal)


@pytest.mark.parametrize(
    ("suggested", "name"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        (".bashrc", "bashrc"),
        ("a\nb\x00.txt", "a_b_.txt"),
        ("...", "download"),
        ("", "download"),
        ("x" * 500 + ".tar.gz", "x" * (NAME_CHARS_MAX - 3) + ".gz"),
    ],
)
def test_what_a_page_calls_a_file_becomes_the_name_of_one(suggested: str, name: str) -> None:
    assert safe_name(suggested) == name
