"""What a person reads when something they did did not work."""

SENTENCES = {
    "no_bot": "kaeru is not connected right now: start the bot and try again.",
    "dispatch_failed": "kaeru did not answer in time: try again in a moment.",
    "invalid_command": "This workspace has no such command. Type / to see the commands there are.",
    "not_in_thread": "Slash commands do not work in threads: send it in the channel.",
    "not_in_channel": "You are not in this channel: join it first.",
    "is_archived": "This channel is archived: nothing can be added to it.",
    "name_taken": "A channel with that name exists already (archived ones keep theirs): choose another.",
    "invalid_name_required": "A channel needs a name.",
    "invalid_name_maxlength": "That name is longer than 80 characters: choose a shorter one.",
    "invalid_name_specials": "Channel names are made of lowercase letters, digits, - and _: choose another.",
    "invalid_name_punctuation": "A channel name needs a letter or a digit: choose another.",
    "cant_update_message": "Only the author of a message can change it.",
    "message_not_found": "That message is gone: reload the channel.",
    "channel_not_found": "There is no such channel that you can see: reload the page.",
    "user_not_found": "There is nobody with that id in this workspace: choose a person from the list.",
    "no_text": "There is nothing to send: write something first.",
    "already_reacted": "You reacted with that emoji already.",
    "no_reaction": "You have not reacted with that emoji.",
    "not_found": "That dialog is closed: open it again.",
    "cant_leave_general": "Nobody can leave #general.",
    "invalid_content": "The file did not arrive in one piece: upload it again.",
    "unknown_shortcut": "The app has no such shortcut: choose one from the menu.",
    "interactivity_disabled": "The app's manifest switches interactivity off: set settings.interactivity.is_enabled.",
    "home_tab_disabled": "The app's manifest has no home tab: set features.app_home.home_tab_enabled.",
}


def sentence(code: str) -> str:
    return SENTENCES.get(code, f"That did not work ({code}): check what was sent and try again.")
