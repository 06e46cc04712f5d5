"""Put the figures and the charts into the report; a figure called effect_1 is effect with one decimal."""

import json
import re

with open("figures.json") as file:
    figures = json.load(file)
figures["rise_control"] = figures["w_control_2022"] - figures["w_control_2024"]


def value(match):
    name = match[1]
    if name.endswith("_svg"):
        with open(name[:-4] + ".svg") as file:
            return file.read()
    stem, _, decimals = name.rpartition("_")
    return f"{figures[stem]:,.{int(decimals)}f}"


with open("report.template.html") as file:
    report = re.sub(r"\$([a-z]\w*)", value, file.read())
with open("report.html", "w") as file:
    file.write(report)
print(len(report), "characters, figures left out:", report.count("$"))
