"""Markdown as GitHub shows it."""

from html.parser import HTMLParser

from cmarkgfm import github_flavored_markdown_to_html
from cmarkgfm.cmark import Options

#: All that a report is made of.
ELEMENTS = {
    "p", "strong", "code", "table", "thead", "tbody", "tr", "th", "td", "br", "ul", "li",
    "details", "summary", "pre",
}  # fmt: skip
_EMPTY = ("br",)


class Page(HTMLParser):
    """A report as rendered: its elements, its tables' cells and its pieces of code.

    Attributes:
        elements: every element and its attributes, in order.
        tables: every table, as rows of cells' texts.
        codes: the text of every ``code``, but those of blocks.
        blocks: the text of every block of code.
        summaries: the line that opens each fold.
        plain: the pieces of text that stand in no code.
    """

    def __init__(self, markdown):
        super().__init__(convert_charrefs=True)
        self.html = github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE)
        self.elements, self.open = [], []
        self.tables, self.codes, self.blocks, self.summaries, self.plain = [], [], [], [], []
        self.feed(self.html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag in _EMPTY:
            return
        self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        elif tag == "summary":
            self.summaries.append("")
        elif tag == "code":
            (self.blocks if "pre" in self.open else self.codes).append("")

    def handle_endtag(self, tag):
        # Nothing ends what it did not begin.
        assert self.open.pop() == tag, self.html

    def handle_data(self, text):
        if "table" in self.open and self.open[-1] in ("td", "th", "code", "strong"):
            self.tables[-1][-1][-1] += text
        if "summary" in self.open:
            self.summaries[-1] += text
        if "code" in self.open:
            (self.blocks if "pre" in self.open else self.codes)[-1] += text
        else:
            self.plain.append(text.strip())

    def handle_comment(self, text):
        raise AssertionError(f"a comment: {text}")

    handle_decl = handle_pi = unknown_decl = handle_comment

    def check(self):
        """Take it that nothing is there but what a report is made of."""
        for tag, attributes in self.elements:
            assert tag in ELEMENTS, tag
            allowed = {"align"} if tag in ("td", "th") else {"lang"} if tag == "pre" else set()
            assert set(attributes) <= allowed, (tag, attributes)
            assert attributes.get("lang", "sh") == "sh"
            assert attributes.get("align", "right") == "right"
        for table in self.tables:
            assert len(set(map(len, table))) == 1, table
        return self
