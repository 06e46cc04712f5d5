"""The figures of a report that matter most, in plain words, each with how it is computed.

A terminal and a page show the same ones, so they cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass

from workhand.lab.report.account import Report
from workhand.lab.report.markup import counted, share, size, tokens


@dataclass(frozen=True, slots=True)
class Headline:
    figure: str
    label: str
    note: str
    how: str  # it is computed
    loud: bool = False  # something is wrong


def headlines(report: Report) -> tuple[Headline, ...]:
    """Give the figures, the most important first."""
    if not report.calls:
        return ()
    return (*_money(report), *_context(report), *_work(report))


def _money(report: Report) -> tuple[Headline, ...]:
    totals, prices = report.totals, report.prices
    dollars = totals.cost_usd or 0.0  # a price that is unknown is not shown, and neither is none
    over = totals.append_only_over
    beyond = f"; {counted(over, 'call')} of it would not have fitted into the window" if over else ""
    found = [
        Headline(
            _dollars(dollars) if dollars else tokens(totals.cost),
            "cost" if dollars else "cost, in tokens of uncached input",
            f"as much as {tokens(totals.cost)} tokens of uncached input" if dollars else _unpriced(report),
            f"Every call's tokens times their price relative to uncached input: {prices.read:g} read from the cache, "
            f"{prices.write:g} written to it, 1 neither, {prices.output:g} output. Summaries are included. Dollars are "
            "the sum of what each call cost, shown only where the price of every call is known.",
        ),
        Headline(
            f"≈ {share(totals.cost, totals.append_only_cost)}",
            "of the cost of append-only",
            f"≈ {tokens(totals.append_only_cost)} if nothing had been reduced{beyond}",
            "Append-only is this session's own events without reductions and with every result as large as its "
            "original. Calls that read again what was not shown are left out, as they would not have been needed. "
            "Its cache is as this one's: what is unchanged is served, nothing after too long a pause. Sizes of "
            "originals are exact; their length in JSON and in tokens is estimated.",
        ),
        Headline(
            share(totals.cost, totals.uncached_cost),
            "of the cost without a cache",
            f"{tokens(totals.uncached_cost)} for the very same requests",
            "The same requests with every token of input at full price.",
        ),
    ]
    if totals.optimum_cost is not None:
        found.append(
            Headline(
                f"≈ {totals.cost / (totals.optimum_cost or 1):.2f} times",
                "the hindsight optimum",
                f"≈ {tokens(totals.optimum_cost)} for the cheapest compactions, had one known what came",
                "The cheapest schedule of compactions for the same steps, found with all of them known.",
            )
        )
    return tuple(found)


def _dollars(sum: float) -> str:
    return f"${sum:.4f}" if sum < 1 else f"${sum:,.2f}"


def _unpriced(report: Report) -> str:
    unpriced = sum(call.cost_usd is None for call in report.calls)
    if unpriced:
        return f"the price of {counted(unpriced, 'call')} in dollars is unknown"
    return "the model has no price in dollars"


def _context(report: Report) -> tuple[Headline, ...]:
    totals, window = report.totals, report.window
    missed = f"; ≈ {tokens(totals.missed_tokens)} more were planned" if totals.missed_tokens else ""
    compactions = sum(each.what == "compaction" for each in report.reductions)
    refused = sum(not asked.accepted for asked in report.summaries)
    by = (counted(compactions, "compaction"), counted(len(report.reductions) - compactions, "summary", "summaries"))
    kinds = " and ".join(each for each in by if not each.startswith("0 "))
    more = f"; {counted(refused, 'summary', 'summaries')} refused" if refused else ""
    hidden = f"of {size(totals.hidden_bytes)} that the last request did not show in full"
    return (
        Headline(
            share(totals.cached_tokens, totals.input_tokens),
            "of the input came from the cache",
            f"{tokens(totals.cached_tokens)} of {tokens(totals.input_tokens)} tokens{missed}",
            "Cached over all input tokens, as the provider counted them. Planned is what a request shares with the one "
            "before it, estimated; a shortfall counts from 256 tokens and 2 % on.",
        ),
        Headline(
            tokens(totals.peak_tokens),
            "tokens in context at most",
            f"at call {totals.peak_call:,}; {tokens(totals.mean_tokens)} on average; trigger {tokens(window.trigger)}, "
            f"{counted(totals.over_pre_rot, 'call')} past pre-rot {tokens(window.pre_rot)}",
            "The input of a call as the provider counted it; four bytes a token where it counts nothing. Pre-rot is "
            "the length past which quality falls, the trigger that at which a reduction is forced.",
        ),
        Headline(
            f"≈ {tokens(totals.removed_tokens)}" if kinds else "0",
            "tokens removed",
            f"by {kinds}; ≈ {tokens(totals.rewritten_tokens)} had to be sent anew{more}"
            if kinds
            else f"none yet{more}",
            "By how much the prompt became shorter at each reduction, and how much of what had been cached stood "
            "behind the cut and had to be sent again; in tokens by the ratio of the call before.",
        ),
        Headline(
            share(totals.restorable_bytes, totals.hidden_bytes) if totals.hidden_bytes else "100 %",
            "can be given back",
            hidden if totals.hidden_bytes else "nothing was left out of the last request",
            "Originals that entered as a preview or a pointer, were compacted or stand behind a summary, and whose "
            "untouched bytes are in the store: workhand restore gives them.",
            loud=totals.restorable_bytes < totals.hidden_bytes,
        ),
    )


def _work(report: Report) -> tuple[Headline, ...]:
    previews = sum(each.shown for each in report.previews)
    opened = sum(each.opened for each in report.previews)
    mended = [failure.steps for failure in report.failures if failure.steps is not None]
    after = (
        f"after {sum(mended) / len(mended):.1f} calls on average" if mended else "the same tool has not succeeded since"
    )
    breaks = len(report.breaks)
    more = f"; {counted(report.refused_calls, 'call')} refused without running" if report.refused_calls else ""
    return (
        Headline(
            f"{breaks:,}",
            "unplanned break" if breaks == 1 else "unplanned breaks",
            "the prompt changed where no reduction says so" if breaks else "every request began as planned",
            "Before each request its body is compared, byte by byte, with the one before it.",
            loud=breaks > 0,
        ),
        Headline(
            f"{len(report.rereads):,}",
            "re-read" if len(report.rereads) == 1 else "re-reads",
            f"{opened:,} of {counted(previews, 'preview')} opened",
            "Calls whose arguments name a file below .workhand/, where originals and transcripts are kept.",
        ),
        Headline(
            f"{len(mended):,} of {len(report.failures):,}",
            "failures mended",
            (after if report.failures else "nothing failed") + more,
            "A failure is mended when the same tool succeeds later; steps are the calls until then. A call is refused "
            "when the mask does not allow it, there is no such tool, or it would repeat one that has just failed.",
        ),
    )
