"""Elements of a page without script or network: text of any origin is escaped, pictures are part of the file.

A child that is `Html` is an element; whatever else is text. So nothing that comes from data can become an element.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from .pictures import drawn

if TYPE_CHECKING:
    from matplotlib.figure import Figure

VOID = ("meta", "img", "br")
PIXELS, DENSITY = 102, 110
"""Of an inch of a figure: on the page, and in the file."""
WIDER = 1.25
"""What is so much wider than high is moved sideways on narrow paper, and not made smaller."""
LIGHT = "--paper:#fff;--page:#f6f7f9;--ink:#1d2026;--soft:#5b616b;--rule:#d9dce2;--accent:#005a8f;--photo:#fff"
DARK = "--paper:#1c1f24;--page:#121417;--ink:#e8eaee;--soft:#a4abb6;--rule:#3a3f48;--accent:#6cb8ea;--photo:#e4e6ea"
STYLE = f"""
:root{{color-scheme:light dark;{LIGHT}}}
@media (prefers-color-scheme:dark){{:root{{{DARK}}}figure.line img{{filter:invert(.9) hue-rotate(180deg)}}}}
*{{box-sizing:border-box}}
body{{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif}}
main{{max-width:1000px;margin:0 auto;padding:1.5rem 1rem 3rem}}
h1{{font-size:1.7rem;line-height:1.2;margin:0 0 .3rem;overflow-wrap:anywhere}}
h2{{font-size:1.2rem;margin:0 0 .6rem}}
p,li{{overflow-wrap:anywhere}}
p{{margin:.4rem 0}}
ul{{padding-left:1.2rem;margin:.4rem 0}}
a{{color:var(--accent)}}
.soft{{color:var(--soft)}}
.small{{font-size:.86rem}}
nav{{display:flex;flex-wrap:wrap;gap:.3rem 1rem;margin:1rem 0;font-size:.92rem}}
section{{background:var(--paper);border:1px solid var(--rule);border-radius:8px;padding:1rem;margin:1rem 0}}
.key{{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:.8rem;margin:1rem 0}}
.key div{{background:var(--paper);border:1px solid var(--rule);border-radius:8px;padding:.7rem .9rem}}
.key b{{display:block;font-size:1.35rem;font-variant-numeric:tabular-nums}}
.wide{{overflow-x:auto}}
table{{border-collapse:collapse;width:100%;font-size:.88rem;font-variant-numeric:tabular-nums}}
th,td{{text-align:left;padding:.35rem .7rem .35rem 0;border-bottom:1px solid var(--rule);vertical-align:top}}
th{{color:var(--soft);font-weight:600}}
td.n,th.n{{text-align:right;white-space:nowrap}}
td.name{{overflow-wrap:anywhere;min-width:6.5rem}}
td.say{{min-width:14rem}}
figure{{margin:.8rem 0 0}}
figure img{{max-width:100%;height:auto;display:block;border-radius:4px}}
figure.photo img{{background:var(--photo)}}
dl{{display:grid;grid-template-columns:minmax(7rem,auto) 1fr;gap:.25rem 1rem;margin:.4rem 0}}
dt{{color:var(--soft)}}
dd{{margin:0;overflow-wrap:anywhere}}
.verdict{{font-weight:600;white-space:nowrap}}
.fine{{color:#00734f}}.look{{color:#8a5a00}}.fault{{color:#b84a00}}.unknown{{color:var(--soft)}}
@media (prefers-color-scheme:dark){{.fine{{color:#3fc79b}}.look{{color:#f0b43c}}.fault{{color:#ff8a3d}}}}
code{{font:.92em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;background:var(--page);padding:.1em .3em;
border-radius:4px;overflow-wrap:anywhere}}
@media screen and (max-width:600px){{section{{padding:.8rem}}
dl{{grid-template-columns:1fr;gap:0}}dd{{margin-bottom:.5rem}}.key{{grid-template-columns:1fr 1fr}}
figure.wider{{overflow-x:auto}}figure.wider img{{max-width:none;width:660px}}
figure.wider::before{{content:"Swipe sideways for the rest \\2192";display:block;width:max-content;position:sticky;
left:0;color:var(--soft);font-size:.8rem}}
thead{{display:none}}table,tbody,tr,td.say{{display:block;width:auto}}
tr{{border-bottom:1px solid var(--rule);padding:.4rem 0}}
td,td.n{{display:inline-block;border:0;padding:0 .9rem 0 0;text-align:left;min-width:0;white-space:normal}}
td::before{{content:attr(data-of) " ";color:var(--soft)}}td[data-of=""],td:first-child{{font-weight:600}}}}
@page{{margin:14mm}}
@media print{{:root{{color-scheme:light;{LIGHT}}}body{{background:#fff;font-size:10.5pt}}nav{{display:none}}
main{{max-width:none;padding:0}}section{{border:0;padding:0;margin:1.2rem 0}}figure,tr,li,.key{{break-inside:avoid}}
h2{{break-after:avoid}}figure.line img{{filter:none!important}}.wide{{overflow:visible}}table{{font-size:8.5pt}}
.fine{{color:#00734f!important}}.look{{color:#8a5a00!important}}.fault{{color:#b84a00!important}}
td.say{{min-width:0}}td.name{{min-width:4.8rem}}td.n{{white-space:normal}}}}
"""


class Html(str):
    """An element; nothing else is put into a page as it is."""


def plain_text(text: object) -> str:
    """Text without letters that steer a terminal or turn the direction of writing."""
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\u{ord(c):04x}" for c in str(text))


def escaped(child: object) -> str:
    """A child as it stands in the page."""
    return child if isinstance(child, Html) else html.escape(plain_text(child))


def tag(name: str, *children: object, **attributes: str) -> Html:
    """An element. ``class_`` is the attribute class, ``data_of`` data-of.

    Args:
        name: of the element.
        children: elements and text.
        attributes: their values are escaped.
    """
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(plain_text(value))}"' for key, value in attributes.items()
    )
    inside = "".join(map(escaped, children))
    return Html(f"<{name}{said}>" if name in VOID else f"<{name}{said}>{inside}</{name}>")


def paragraph(*children: object, class_: str = "") -> Html:
    return tag("p", *children, **({"class_": class_} if class_ else {}))


def bullets(items: Iterable[object]) -> Html:
    return tag("ul", *(tag("li", item) for item in items))


def definitions(pairs: Iterable[tuple[str, object]]) -> Html:
    return tag("dl", *(part for name, value in pairs for part in (tag("dt", name), tag("dd", value))))


def table(head: Sequence[str], body: Iterable[Sequence[object]], classes: Sequence[str] = ()) -> Html:
    """Rows and columns; on narrow paper a row is a list of its cells, each with the head of its column.

    Args:
        head: of every column.
        body: cells of every row.
        classes: of the first columns: n for numbers, name for names, say for sentences.
    """
    classes = [*classes, *[""] * (len(head) - len(classes))]

    def row(cell: str, cells: Sequence[object]) -> Html:
        about = ({"class_": k} if k else {} for k in classes)
        of = ({"data_of": name} if cell == "td" else {} for name in head)
        return tag("tr", *(tag(cell, c, **k, **name) for c, k, name in zip(cells, about, of, strict=True)))

    rows = tag("table", tag("thead", row("th", head)), tag("tbody", *(row("td", cells) for cells in body)))
    return tag("div", rows, class_="wide")


def picture(fig: Figure, alt: str, photo: bool = False) -> Html:
    """A figure, in the file itself. Lines are light on dark where the page is; images stay.

    Args:
        fig: it.
        alt: what it shows, in words.
        photo: whether its colours are those of data.
    """
    inches = fig.get_size_inches()
    kinds = ["photo" if photo else "line", *(["wider"] if inches[0] > WIDER * inches[1] else [])]
    data = base64.b64encode(drawn(fig, DENSITY, transparent=True)).decode()
    width, height = (f"{round(PIXELS * side)}" for side in inches)
    return tag("figure", tag("img", src=f"data:image/png;base64,{data}", alt=alt, width=width, height=height),
               class_=" ".join(kinds))  # fmt: skip


def page(title: str, *body: object) -> str:
    """A whole file."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name_="viewport", content="width=device-width,initial-scale=1"),
        tag("title", title),
        tag("style", Html(STYLE)),
    )
    return "<!doctype html>\n" + tag("html", head, tag("body", tag("main", *body)), lang="en") + "\n"
