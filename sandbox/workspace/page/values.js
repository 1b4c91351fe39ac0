// What Block Kit's elements hold, in Slack's own state shape, and what Slack refuses before an app is asked.

const INITIAL = {
  plain_text_input: (e) => ({ value: e.initial_value ?? null }),
  number_input: (e) => ({ value: e.initial_value ?? null }),
  email_text_input: (e) => ({ value: e.initial_value ?? null }),
  url_text_input: (e) => ({ value: e.initial_value ?? null }),
  static_select: (e) => ({ selected_option: e.initial_option ?? null }),
  radio_buttons: (e) => ({ selected_option: e.initial_option ?? null }),
  multi_static_select: (e) => ({ selected_options: e.initial_options ?? [] }),
  checkboxes: (e) => ({ selected_options: e.initial_options ?? [] }),
  users_select: (e) => ({ selected_user: e.initial_user ?? null }),
  multi_users_select: (e) => ({ selected_users: e.initial_users ?? [] }),
  conversations_select: (e) => ({ selected_conversation: e.initial_conversation ?? null }),
  multi_conversations_select: (e) => ({ selected_conversations: e.initial_conversations ?? [] }),
  channels_select: (e) => ({ selected_channel: e.initial_channel ?? null }),
  multi_channels_select: (e) => ({ selected_channels: e.initial_channels ?? [] }),
  datepicker: (e) => ({ selected_date: e.initial_date ?? null }),
  timepicker: (e) => ({ selected_time: e.initial_time ?? null }),
  datetimepicker: (e) => ({ selected_date_time: e.initial_date_time ?? null }),
};

export const valueOf = (ctx, blockId, element) =>
  ctx.values[blockId]?.[element.action_id] ?? { type: element.type, ...INITIAL[element.type]?.(element) };

export const plainValue = (element) =>
  element.type === "button" ? { text: element.text, ...(element.value === undefined ? {} : { value: element.value }) } : {};

const elementsOf = (block) => [block.element, block.accessory, ...(block.type === "actions" ? block.elements : [])].filter(Boolean);
export const blockId = (block, index) => block.block_id ?? `block-${index}`;

/** Slack's `state.values` for everything that holds a value in these blocks. */
export function collect(ctx) {
  const values = {};
  ctx.blocks.forEach((block, index) => {
    for (const element of elementsOf(block)) {
      if (!(element.type in INITIAL)) continue;
      (values[blockId(block, index)] ??= {})[element.action_id] = valueOf(ctx, blockId(block, index), element);
    }
  });
  return values;
}

const isEmpty = (value) =>
  Object.entries(value).every(([name, held]) => name === "type" || held === null || held === "" || (Array.isArray(held) && !held.length));

/** What Slack itself refuses before the bot is asked: {block_id: sentence}. */
export function complaints(ctx) {
  const found = {};
  ctx.blocks.forEach((block, index) => {
    if (block.type !== "input") return;
    const id = blockId(block, index);
    const element = block.element;
    const value = valueOf(ctx, id, element);
    const text = value.value ?? "";
    if (isEmpty(value)) {
      if (!block.optional) found[id] = "Please complete this required field.";
    } else if (element.min_length && text.length < element.min_length) {
      found[id] = `Please enter at least ${element.min_length} characters.`;
    } else if (element.max_length && text.length > element.max_length) {
      found[id] = `Please enter at most ${element.max_length} characters.`;
    } else if (element.type === "number_input") {
      const pattern = element.is_decimal_allowed ? /^-?\d+([.]\d+)?$/ : /^-?\d+$/;
      if (!pattern.test(text)) found[id] = element.is_decimal_allowed ? "Please enter a number." : "Please enter a whole number.";
      else if (element.min_value !== undefined && Number(text) < Number(element.min_value)) found[id] = `Please enter ${element.min_value} or more.`;
      else if (element.max_value !== undefined && Number(text) > Number(element.max_value)) found[id] = `Please enter ${element.max_value} or less.`;
    } else if (element.type === "email_text_input" && !/^\S+@\S+\.\S+$/.test(text)) {
      found[id] = "Please enter an email address.";
    } else if (element.type === "url_text_input" && !/^https?:\/\/\S+$/.test(text)) {
      found[id] = "Please enter a link that starts with http:// or https://.";
    }
  });
  return found;
}
