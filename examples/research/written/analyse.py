"""Compute what a tonne costs, from the measurements and the account; write figures.json and results.csv."""

import csv
import json
import math
from collections import defaultdict

AREA_HA, LIFE_YEARS = 96, 30
WORKS_EUR = 214_700 + 88_300 + 73_900 + 41_250 + 38_450 + 29_700
UPKEEP_EUR = 3_600 + 2_300 + 2_000 + 1_500
ERROR = 0.12  # of the figure of a month, one standard deviation, as the page on monitoring states it

loss, depth = {}, {}
with open("measurements.csv", newline="") as file:
    for row in csv.DictReader(file):
        key = row["plot"], row["month"]
        loss[key] = float(row["co2_kg_per_ha"]) / 1000
        depth[key] = float(row["water_table_cm"])

tonnes, water = defaultdict(float), defaultdict(float)
for (plot, month), value in loss.items():
    tonnes[plot, month[:4]] += value
    water[plot, month[:4]] += depth[plot, month] / 12

naive = tonnes["rewetted", "2022"] - tonnes["rewetted", "2024"]
effect = naive - (tonnes["control", "2022"] - tonnes["control", "2024"])
compared = [value for (_, month), value in loss.items() if not month.startswith("2023")]
half = 1.96 * math.sqrt(sum((ERROR * value) ** 2 for value in compared))  # 95 %, if the errors are independent
cost = WORKS_EUR + LIFE_YEARS * UPKEEP_EUR


def per_tonne(euros, avoided):
    return euros / (avoided * AREA_HA * LIFE_YEARS)


figures = {
    "works": WORKS_EUR,
    "upkeep": UPKEEP_EUR,
    "upkeep_life": LIFE_YEARS * UPKEEP_EUR,
    "cost": cost,
    "naive": naive,
    "weather": naive - effect,
    "effect": effect,
    "low": effect - half,
    "high": effect + half,
    "weather_share": 100 * (naive - effect) / naive,
    "avoided_year": effect * AREA_HA,
    "avoided_life": effect * AREA_HA * LIFE_YEARS,
    "claimed": per_tonne(WORKS_EUR, naive),
    "weather_fixed": per_tonne(WORKS_EUR, effect),
    "euro": per_tonne(cost, effect),
    "euro_low": per_tonne(cost, effect + half),
    "euro_high": per_tonne(cost, effect - half),
}
for plot in ("control", "rewetted"):
    for year in ("2022", "2023", "2024"):
        figures[f"t_{plot}_{year}"] = tonnes[plot, year]
        figures[f"w_{plot}_{year}"] = water[plot, year]

with open("figures.json", "w") as file:
    json.dump({name: round(value, 4) for name, value in figures.items()}, file, indent=1)
with open("results.csv", "w", newline="") as file:
    table = csv.writer(file)
    table.writerow(["plot", "year", "water_table_cm", "co2_t_per_ha"])
    for plot, year in sorted(tonnes):
        table.writerow([plot, year, f"{water[plot, year]:.1f}", f"{tonnes[plot, year]:.2f}"])
for name, value in figures.items():
    print(f"{name:18} {value:12,.2f}")
