"""Markdown as Confluence's storage format: XHTML with a few elements of its own."""

import re
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

_LANGUAGE = re.compile(r"^[A-Za-z0-9+#-]{1,20}$")
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _Storage(RendererHTML):
    """Differs from XHTML where Confluence has elements of its own, or takes none."""

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:  # noqa: ARG002 - as the renderer calls it
        return _code(tokens[idx].content, tokens[idx].info.strip().partition(" ")[0])

    def code_block(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:  # noqa: ARG002 - as the renderer calls it
        return _code(tokens[idx].content, "")

    def image(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:  # noqa: ARG002 - as the renderer calls it
        """A link: the page of Confluence would have to be able to load the picture, with whose rights is unclear."""
        text = escape(tokens[idx].content) or "picture"
        return f"<a href={quoteattr(str(tokens[idx].attrGet('src') or ''))}>{text}</a>"


def storage(markdown: str) -> str:
    """Well-formed for any text; what looks like HTML is shown as it was written."""
    made = MarkdownIt("commonmark", {"html": False, "xhtmlOut": True}, renderer_cls=_Storage)
    made.enable(["table", "strikethrough"])
    rendered: Any = made.render(_NOT_XML.sub("�", markdown))
    return str(rendered).replace("<s>", "<del>").replace("</s>", "</del>")


def _code(content: str, language: str) -> str:
    named = f'<ac:parameter ac:name="language">{language}</ac:parameter>' if _LANGUAGE.match(language) else ""
    inside = content.rstrip("\n").replace("]]>", "]]]]><![CDATA[>")
    return (
        f'<ac:structured-macro ac:name="code" ac:schema-version="1">{named}'
        f"<ac:plain-text-body><![CDATA[{inside}]]></ac:plain-text-body></ac:structured-macro>\n"
    )
