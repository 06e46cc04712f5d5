"""Draw the charts: water.svg, the water table by month, and carbon.svg, the loss of carbon by year."""

import csv
import json

INK, SOFT, GRID = "#22302b", "#66736c", "#dfe3da"
COLOURS = {"control": "#b4632a", "rewetted": "#1f6f8b"}
NAMES = {"control": "drained (control)", "rewetted": "rewetted"}
STYLE = 'font-family="Source Sans 3, Noto Sans, DejaVu Sans, sans-serif" font-size="13"'


def text(x, y, words, anchor="start", colour=INK, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" {more}>{words}</text>'


def line(x1, y1, x2, y2, colour=GRID, more=""):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" {more}/>'


def picture(path, width, height, title, parts):
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" {STYLE}>'
    with open(path, "w") as file:
        file.write("\n".join([head, f"<title>{title}</title>", *parts, "</svg>"]) + "\n")


def water():
    with open("measurements.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    left, right, top, bottom, deepest = 30, 716, 34, 228, 80
    months = sorted({row["month"] for row in rows})
    xs = {month: left + (right - left) * (i + 0.5) / len(months) for i, month in enumerate(months)}

    def y(depth):
        return top + (bottom - top) * depth / deepest

    closed = (xs["2023-03"] + xs["2023-04"]) / 2
    parts = [f'<rect x="{closed:.1f}" y="{top}" width="{right - closed:.1f}" height="{bottom - top}" fill="#eef4f1"/>']
    for depth in range(0, deepest + 1, 20):
        parts += [line(left, y(depth), right, y(depth)), text(left - 8, y(depth) + 4.5, depth, "end", SOFT)]
    for year in ("2022", "2023", "2024"):
        begin = left + (right - left) * (int(year) - 2022) / 3
        parts += [
            line(begin, bottom, begin, bottom + 6, SOFT),
            text(begin + (right - left) / 6, bottom + 20, year, "middle", SOFT),
        ]
    parts += [line(left, bottom, right, bottom, SOFT), line(right, bottom, right, bottom + 6, SOFT)]
    parts += [
        line(closed, top, closed, bottom, INK, 'stroke-dasharray="4 4"'),
        text(closed + 8, bottom - 10, "dams closed, 3 April 2023"),
    ]
    for plot, colour in COLOURS.items():
        points = [(xs[row["month"]], y(float(row["water_table_cm"]))) for row in rows if row["plot"] == plot]
        path = " ".join(f"{x:.1f},{at:.1f}" for x, at in points)
        parts += [
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.4" stroke-linejoin="round"/>'
        ]
        parts += [f'<circle cx="{x:.1f}" cy="{at:.1f}" r="2.6" fill="{colour}"/>' for x, at in points]
    parts += [text(2, 18, "Water table, cm below the surface (0 is the surface)", colour=SOFT), *legend(right, 18)]
    picture("water.svg", 720, 254, "Water table by month", parts)


def carbon():
    with open("figures.json") as file:
        figures = json.load(file)
    left, right, top, bottom, most = 30, 716, 34, 206, 30
    parts = []
    for tonnes in range(0, most + 1, 10):
        at = bottom - (bottom - top) * tonnes / most
        parts += [line(left, at, right, at), text(left - 8, at + 4.5, tonnes, "end", SOFT)]
    for i, year in enumerate(("2022", "2023", "2024")):
        middle = left + (right - left) * (i + 0.5) / 3
        for plot, start in (("control", middle - 64), ("rewetted", middle + 4)):
            value = figures[f"t_{plot}_{year}"]
            height = (bottom - top) * value / most
            parts.append(
                f'<rect x="{start:.1f}" y="{bottom - height:.1f}" width="60" height="{height:.1f}" rx="2" '
                f'fill="{COLOURS[plot]}" data-plot="{plot}" data-year="{year}" data-value="{value:.2f}"/>'
            )
            parts.append(text(start + 30, bottom - height - 7, f"{value:.1f}", "middle", more='font-weight="bold"'))
        note = {"2022": "before", "2023": "dams closed in April", "2024": "after; a wet year"}[year]
        parts += [text(middle, bottom + 20, year, "middle"), text(middle, bottom + 37, note, "middle", SOFT)]
    parts += [line(left, bottom, right, bottom, SOFT)]
    parts += [text(2, 18, "Carbon dioxide lost, tonnes per hectare and year", colour=SOFT), *legend(right, 18)]
    picture("carbon.svg", 720, 250, "Loss of carbon dioxide by year", parts)


def legend(right, y):
    parts = []
    for plot, x in (("control", right - 226), ("rewetted", right - 76)):
        parts.append(f'<rect x="{x}" y="{y - 10}" width="12" height="12" rx="2" fill="{COLOURS[plot]}"/>')
        parts.append(text(x + 18, y, NAMES[plot]))
    return parts


water()
carbon()
print("water.svg carbon.svg")
