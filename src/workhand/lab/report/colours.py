"""The colours of a timeline and its page, on light and on dark ground.

Neighbours in a stack differ in lightness as well as in hue, so that they stay apart for the
colour-blind and in grey; names stand beside them.  What the cache served gets darker with
its price.  Red is for what was not planned, and for nothing else.
"""

from __future__ import annotations

from workhand.lab.report.blocks import KINDS

PARTS = ("cached", "written", "new", "own", "instead", "optimum")  # of the input as billed, and of the cost
LIGHT = {
    **{"ground": "#ffffff", "ink": "#1c2128", "faint": "#667080", "grid": "#e6e8ec", "axis": "#9aa3af"},
    **{"bad": "#b3001b", "cut": "#1c2128", "cold": "#2a7fb8", "panel": "#f5f6f8"},
    **{"tools": "#6b7280", "system": "#a3abb8", "summary": "#8c55a8", "user": "#12355b", "notice": "#8fd0f5"},
    **{"assistant": "#1f78b4", "compacted": "#0b9b76", "repeat": "#b5cf4f", "preview": "#f2b632"},
    **{"result": "#d95f0e", "recital": "#d58ab4", "cached": "#c3d0db", "written": "#6f8fb3", "new": "#1d3f66"},
    **{"own": "#1f78b4", "instead": "#d8dde4", "optimum": "#0b9b76"},
}
DARK = {
    **{"ground": "#12161c", "ink": "#e8ebf0", "faint": "#9aa5b4", "grid": "#262d37", "axis": "#566070"},
    **{"bad": "#ff5c6c", "cut": "#e8ebf0", "cold": "#74c0ec", "panel": "#1a2029"},
    **{"tools": "#8a94a3", "system": "#566070", "summary": "#b98ad0", "user": "#5f93c9", "notice": "#a9dcf7"},
    **{"assistant": "#2f86c4", "compacted": "#26b38c", "repeat": "#b9cf62", "preview": "#eab541"},
    **{"result": "#e8742a", "recital": "#dd9bc0", "cached": "#33414f", "written": "#6f8fb3", "new": "#d3e3f5"},
    **{"own": "#3f94d1", "instead": "#333c48", "optimum": "#26b38c"},
}


def variables(selector: str) -> str:
    """Give the style that names all colours below a selector, for either ground."""
    light, dark = ("".join(f"--{name}:{value};" for name, value in each.items()) for each in (LIGHT, DARK))
    return f"{selector}{{{light}}}@media screen and (prefers-color-scheme:dark){{{selector}{{{dark}}}}}"


FILLS = "".join(f".wh-{name}{{fill:var(--{name});background:var(--{name})}}" for name in (*KINDS, *PARTS))
# What ``use`` shows is styled where it was drawn, so these rules name no element around it.

CHART = (
    variables(".wh-timeline")
    + FILLS
    + """
.wh-timeline{color:var(--ink);font-family:system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;
font-variant-numeric:tabular-nums}
.wh-timeline .ground{fill:var(--ground)}.wh-timeline text{fill:var(--ink)}
.wh-timeline .faint,.wh-timeline .caption{fill:var(--faint)}.wh-timeline .caption{font-size:.9em}
.wh-timeline line{shape-rendering:crispEdges}.wh-timeline .heading{font-size:1.25em;font-weight:600}
.wh-timeline .end{text-anchor:end}.wh-timeline .middle{text-anchor:middle}
.wh-timeline .halo{paint-order:stroke;stroke:var(--ground);stroke-width:3px;stroke-linejoin:round}
.wh-timeline .grid{stroke:var(--grid)}.wh-timeline .axis{stroke:var(--axis)}
.wh-timeline .gaps{stroke:var(--ground);fill:none}.wh-timeline .lead{stroke:var(--axis);stroke-width:.8;fill:none}
.wh-timeline .limit{stroke:var(--ink);stroke-width:1.2;stroke-dasharray:7 4}
.wh-timeline .window{stroke-dasharray:none;stroke-width:1.6}.wh-timeline .pre-rot{stroke-dasharray:2 3}
.wh-timeline .limit-name{font-weight:600}.wh-timeline .none{opacity:.35}
.wh-timeline .flag line{stroke:var(--cut);stroke-dasharray:3 2;stroke-opacity:.55}
.wh-timeline .flag.cold line{stroke:var(--cold);stroke-width:1.5}.wh-timeline .flag.cold text{fill:var(--cold)}
.wh-timeline .flag.summary line{stroke:var(--summary);stroke-width:2;stroke-dasharray:none;stroke-opacity:1}
.wh-timeline .flag.summary text{fill:var(--summary);font-weight:600}
.wh-timeline .flag.break line{stroke:var(--bad);stroke-width:3;stroke-dasharray:none;stroke-opacity:1}
.wh-timeline .flag.break text{fill:var(--bad);font-weight:700}
.wh-timeline .reread{fill:var(--preview)}.wh-timeline .mended{fill:var(--axis)}.wh-timeline .lost{fill:var(--bad)}
.wh-timeline line.optimum{stroke:var(--optimum);stroke-width:2}
.wh-timeline .narrow{display:none}
@media (max-width:640px){.wh-timeline .wide{display:none}.wh-timeline .narrow{display:inline}}
"""
)
