// Slack's emoji names that people and bots really use. The first name of a glyph is the one shown in a tooltip.
import { h } from "./dom.js";

const TABLE = `
white_check_mark ✅|heavy_check_mark ✔️|ballot_box_with_check ☑️|x ❌|negative_squared_cross_mark ❎|warning ⚠️
rotating_light 🚨|fire 🔥|boom,collision 💥|bug 🐛|rocket 🚀|eyes 👀|+1,thumbsup 👍|-1,thumbsdown 👎|tada 🎉
heart ❤️|raised_hands 🙌|clap 👏|pray 🙏|wave 👋|ok_hand 👌|muscle 💪|point_up ☝️|point_right 👉|point_left 👈
point_down 👇|raised_hand,hand ✋|v ✌️|handshake 🤝|thinking_face 🤔|smile 😄|slightly_smiling_face 🙂|grinning 😀
joy 😂|rolling_on_the_floor_laughing,rofl 🤣|wink 😉|blush 😊|sweat_smile 😅|heart_eyes 😍|sunglasses 😎|neutral_face 😐
expressionless 😑|unamused 😒|confused 😕|disappointed 😞|worried 😟|cry 😢|sob 😭|angry 😠|rage 😡|scream 😱
cold_sweat 😰|sweat 😓|sleeping 😴|zzz 💤|facepalm,face_palm 🤦|shrug 🤷|see_no_evil 🙈|hear_no_evil 🙉|speak_no_evil 🙊
saluting_face 🫡|face_with_monocle 🧐|nerd_face 🤓|partying_face 🥳|exploding_head 🤯|melting_face 🫠|upside_down_face 🙃
hourglass ⌛|hourglass_flowing_sand ⏳|stopwatch ⏱️|alarm_clock ⏰|timer_clock ⏲️|clock1 🕐|clock3 🕒|watch ⌚
calendar 📆|date 📅|spiral_calendar_pad 🗓️|lock 🔒|unlock 🔓|closed_lock_with_key 🔐|key 🔑|shield 🛡️|link 🔗|paperclip 📎
memo,pencil 📝|pencil2 ✏️|clipboard 📋|bookmark 🔖|bookmark_tabs 📑|page_facing_up 📄|page_with_curl 📃|scroll 📜|books 📚
book,open_book 📖|newspaper 📰|file_folder 📁|open_file_folder 📂|card_index_dividers 🗂️|wastebasket 🗑️|package 📦|inbox_tray 📥|outbox_tray 📤
bar_chart 📊|chart_with_upwards_trend 📈|chart_with_downwards_trend 📉|mag 🔍|mag_right 🔎|bulb 💡|gear ⚙️|wrench 🔧|hammer 🔨
hammer_and_wrench 🛠️|hammer_and_pick ⚒️|nut_and_bolt 🔩|test_tube 🧪|microscope 🔬|satellite_antenna 📡|electric_plug 🔌|battery 🔋|computer 💻|desktop_computer 🖥️
floppy_disk 💾|cd 💿|file_cabinet 🗄️|phone,telephone ☎️|iphone 📱|pager 📟|bell 🔔|no_bell 🔕|loudspeaker 📢|mega 📣
speech_balloon 💬|left_speech_bubble 🗨️|thought_balloon 💭|email,envelope ✉️|incoming_envelope 📨|robot_face,robot 🤖|frog 🐸|turtle 🐢|snail 🐌|whale 🐳
penguin 🐧|unicorn_face 🦄|beetle 🐞|ant 🐜|dog 🐶|cat 🐱|seedling 🌱|evergreen_tree 🌲|four_leaf_clover 🍀|sunny ☀️
partly_sunny ⛅|cloud ☁️|rain_cloud 🌧️|zap ⚡|snowflake ❄️|ocean 🌊|rainbow 🌈|star ⭐|star2 🌟|sparkles ✨
full_moon 🌕|new_moon 🌑|earth_africa 🌍|globe_with_meridians 🌐|coffee ☕|beer 🍺|pizza 🍕|cake 🍰|doughnut 🍩|apple 🍎
trophy 🏆|medal 🏅|dart 🎯|checkered_flag 🏁|triangular_flag_on_post 🚩|waving_white_flag 🏳️|gift 🎁|balloon 🎈|crown 👑|gem 💎
ship,ship_it 🚢|construction 🚧|vertical_traffic_light 🚦|traffic_light 🚥|octagonal_sign,stop_sign 🛑|no_entry ⛔|no_entry_sign 🚫|ambulance 🚑|fire_engine 🚒|firefighter 🧑‍🚒
hospital 🏥|house 🏠|office 🏢|factory 🏭|large_green_circle 🟢|large_yellow_circle 🟡|large_orange_circle 🟠|red_circle 🔴|large_blue_circle,blue_circle 🔵|large_purple_circle 🟣
white_circle ⚪|black_circle ⚫|large_green_square 🟩|large_yellow_square 🟨|large_orange_square 🟧|large_red_square 🟥|large_blue_square 🟦|white_large_square ⬜|black_large_square ⬛|white_medium_square ◻️
arrow_up ⬆️|arrow_down ⬇️|arrow_left ⬅️|arrow_right ➡️|leftwards_arrow_with_hook ↩️|arrow_right_hook ↪️|arrows_counterclockwise 🔄|arrows_clockwise 🔃|rewind ⏪|fast_forward ⏩
black_left_pointing_double_triangle_with_vertical_bar ⏮️|arrow_forward ▶️|arrow_backward ◀️|double_vertical_bar,pause_button ⏸️|black_square_for_stop,stop_button ⏹️|repeat 🔁|back 🔙|soon 🔜|end 🔚|new 🆕
ok 🆗|up 🆙|sos 🆘|information_source ℹ️|question ❓|grey_question ❔|exclamation,heavy_exclamation_mark ❗|grey_exclamation ❕|bangbang ‼️|interrobang ⁉️
100 💯|heavy_plus_sign ➕|heavy_minus_sign ➖|one 1️⃣|two 2️⃣|three 3️⃣|four 4️⃣|five 5️⃣|hash #️⃣|hourglass_done ⌛
bust_in_silhouette 👤|busts_in_silhouette 👥|technologist 🧑‍💻|detective,sleuth_or_spy 🕵️|crystal_ball 🔮|ghost 👻|skull 💀|skull_and_crossbones ☠️|alien 👽|japanese_ogre 👹
ladder 🪜|adhesive_bandage 🩹|broken_heart 💔|green_heart 💚|blue_heart 💙|yellow_heart 💛|purple_heart 💜|moneybag 💰|chart 💹|umbrella ☔`;

const glyphs = new Map();
/** [first name, glyph], in the table's order. */
export const EMOJI = [];
for (const entry of TABLE.trim().split(/[|\n]/)) {
  const [names, glyph] = entry.split(" ");
  EMOJI.push([names.split(",")[0], glyph]);
  for (const name of names.split(",")) glyphs.set(name, glyph);
}

export const PALETTE = ["white_check_mark", "eyes", "+1", "tada", "pray", "x"];

/** The glyph of a name, skin tone dropped; undefined when the workspace does not know it. */
export const glyph = (name) => glyphs.get(name.split("::")[0]);

export function emoji(name) {
  const found = glyph(name);
  if (!found) return `:${name}:`;
  return h("span", { class: "emoji", role: "img", "aria-label": name.replaceAll("_", " "), title: `:${name}:` }, found);
}

/** Plain text in which only :emoji: means something. */
export function withEmoji(text) {
  return text.split(/(:[a-z0-9_+'-]+:)/).map((part) => {
    const name = part.length > 2 && part.startsWith(":") && part.endsWith(":") ? part.slice(1, -1) : null;
    return name && glyph(name) ? emoji(name) : part;
  });
}
