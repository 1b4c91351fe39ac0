"""What a step prints, for the thread below its checklist."""

from bot.domain import events as e
from bot.domain.run import Run
from bot.views.blocks import Card, card, context, section
from bot.views.limits import SECTION_TEXT, clip
from bot.views.mrkdwn import counted, escape, line

_LINE = 500
_FENCE = "```"


def printed_card(run: Run, event: e.StepPrinted) -> Card:
    """The newest lines that fit into one message, and how many there were before them."""
    shown, room = [], SECTION_TEXT - 2 * len(_FENCE) - 2
    for text in reversed(event.lines):
        shown_as = clip(escape(text.replace("`", "ˋ")), _LINE) or " "
        room -= len(shown_as) + 1
        if room < 0:
            break
        shown.append(shown_as)
    left_out = event.left_out + len(event.lines) - len(shown)
    blocks = [section("\n".join((_FENCE, *reversed(shown), _FENCE)))]
    if left_out:
        blocks.append(context(f"{counted(left_out, 'line')} before that left out."))
    title = run.step(event.step_id).title if run.has(event.step_id) else event.step_id
    return card(f"{line(title)}: {line(' '.join(event.lines[-1:])) or 'printed'}", blocks)
