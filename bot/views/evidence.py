"""What was measured, endpoint by endpoint."""

from collections.abc import Sequence

from bot.domain.evidence import Finding, Outcome
from bot.views.blocks import Block, sections
from bot.views.mrkdwn import code, counted, ms, percent

_SHOWN = 12
_EMOJI = {
    Outcome.SUCCEEDED: ":white_check_mark:",
    Outcome.FAILED: ":x:",
    Outcome.UNKNOWN: ":grey_question:",
}
_WORST_FIRST = (Outcome.FAILED, Outcome.UNKNOWN, Outcome.SUCCEEDED)


def evidence(findings: Sequence[Finding], title: str = "Seen from outside") -> list[Block]:
    """One line per endpoint, the ill ones first; nothing where nothing was measured."""
    if not findings:
        return []
    ranked = sorted(findings, key=lambda finding: _WORST_FIRST.index(finding.verdict))
    lines = [_line(finding) for finding in ranked[:_SHOWN]]
    if len(ranked) > _SHOWN:
        lines.append(f"and {len(ranked) - _SHOWN} more endpoints")
    probes = sum(finding.stats.count for finding in findings)
    return sections([f"*{title}*, {counted(probes, 'probe')}", *lines])


def _line(finding: Finding) -> str:
    stats = finding.stats
    errors = f"{percent(stats.error_rate)} errors (limit {percent(finding.limit_error_rate)})"
    latency = f"p95 {ms(stats.p95_ms)} (limit {ms(finding.limit_p95_ms)})"
    blip = " · too few bad answers to call it ill" if finding.lets_few_pass else ""
    return f"{_EMOJI[finding.verdict]} {code(finding.endpoint)}  {errors} · {latency}{blip}"
