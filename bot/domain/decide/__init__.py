"""The decisions: a state, a command, the facts and the time in; the events that follow out.

Nothing here reads a clock or a database. A person's mistake raises `Refusal` with a sentence for them.
"""

from bot.domain.decide.approving import approve, break_glass, expire, expires_at, hold, reject, release
from bot.domain.decide.backups import (
    back_up_again,
    backup_failed,
    backup_taken,
    backup_wanted,
    plan_in_question,
    skip_backup,
    use_backup,
)
from bot.domain.decide.debts import (
    debt_kept,
    debt_repaid,
    debts_seen,
    give_back,
    given_back_by_hand,
    must_be_seen_to,
    owed_by,
    take_over_debt,
)
from bot.domain.decide.planning import (
    choose_version,
    declare,
    join,
    plan_blocked,
    plan_ready,
    request_plan,
    world_moved,
)
from bot.domain.decide.restoring import (
    approve_restore,
    ask_again,
    ask_restore,
    must_not_restore,
    reject_restore,
    restore_blocked,
    restore_ended,
    restore_planned,
)
from bot.domain.decide.state import Events, failed_checks, is_alive
from bot.domain.decide.steering import (
    close,
    remind_of_forward_fix,
    roll_back_after_all,
    set_severity,
    why_unverified,
)
from bot.domain.decide.traffic import (
    continue_traffic,
    is_coming_back,
    still_owed,
    stop_traffic,
    traffic_asked,
    traffic_shifted,
)
from bot.domain.decide.ways import choose_way

__all__ = [
    "Events",
    "approve",
    "approve_restore",
    "ask_again",
    "ask_restore",
    "back_up_again",
    "backup_failed",
    "backup_taken",
    "backup_wanted",
    "break_glass",
    "choose_version",
    "choose_way",
    "close",
    "continue_traffic",
    "debt_kept",
    "debt_repaid",
    "debts_seen",
    "declare",
    "expire",
    "expires_at",
    "failed_checks",
    "give_back",
    "given_back_by_hand",
    "hold",
    "is_alive",
    "is_coming_back",
    "join",
    "must_be_seen_to",
    "must_not_restore",
    "owed_by",
    "plan_blocked",
    "plan_in_question",
    "plan_ready",
    "reject",
    "reject_restore",
    "release",
    "remind_of_forward_fix",
    "request_plan",
    "restore_blocked",
    "restore_ended",
    "restore_planned",
    "roll_back_after_all",
    "set_severity",
    "skip_backup",
    "still_owed",
    "stop_traffic",
    "take_over_debt",
    "traffic_asked",
    "traffic_shifted",
    "use_backup",
    "why_unverified",
    "world_moved",
]
