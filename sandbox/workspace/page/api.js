// The two ways to the workspace: one POST per thing a person does, and a WebSocket for what others do.

export class ApiError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** POST /client/`verb`; gives the answer, or throws ApiError with Slack's snake_case code and a sentence. */
export async function call(verb, body) {
  let answer;
  try {
    const response = await fetch(`client/${verb}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    answer = await response.json();
  } catch {
    throw new ApiError("unreachable", "The workspace does not answer. Is it still running? Try again in a moment.");
  }
  if (!answer.ok) throw new ApiError(answer.error, answer.message || `The workspace refused: ${answer.error}.`);
  return answer;
}

/** Follow what `user` can see. `onStatus(up)` tells of the line; after a gap the caller has to catch up. */
export function follow(user, onEvent, onStatus) {
  let socket;
  let timer;
  let wait = 300;
  let closed = false;
  const open = () => {
    const url = new URL(`client/ws?user=${encodeURIComponent(user)}`, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(url);
    socket.onopen = () => {
      wait = 300;
      onStatus(true);
    };
    socket.onmessage = (frame) => {
      if (!closed) onEvent(JSON.parse(frame.data));
    };
    socket.onclose = () => {
      if (closed) return;
      onStatus(false);
      timer = setTimeout(open, wait);
      wait = Math.min(wait * 2, 5000);
    };
  };
  open();
  return () => {
    closed = true;
    clearTimeout(timer);
    socket.close();
  };
}
