// Watches every pool of places that the token may see, over the graphql-transport-ws protocol and without a library.

const CHANGES = `subscription($after: String) {
  occupancyChanged(after: $after) {
    cursor kind category
    facility { code name municipality { name } }
    capacity { occupied free precision }
  }
}`;
/** How exactly people are told to the token. A number that is not told is null, which is not 0. */
const TOLD = { EXACT: "now", DAY_BEFORE: "at the end of yesterday", WITHHELD: "not told" };
const LONGEST_PAUSE_MS = 30_000;
/** The hub's codes for "who are you?" and "no longer": to come back with the same token is of no use. */
const REFUSED = [4401, 4403];

const status = document.querySelector("[role=status]");
const body = document.querySelector("tbody");
/** Where we are. Handed back after a break, it brings exactly what came in between, if that is not too much. */
let cursor = null;
/** Of what kind the last message was: CURRENT, CHANGED or RESYNC. */
let last = null;

function watch(hub, token, pause = 500) {
  const socket = new WebSocket(`${hub.replace(/^http/, "ws")}/graphql/ws`, "graphql-transport-ws");
  const send = (message) => socket.send(JSON.stringify(message));
  socket.onopen = () => send({ type: "connection_init", payload: { authorization: `Bearer ${token}` } });
  socket.onmessage = ({ data }) => {
    const { type, payload } = JSON.parse(data);
    if (type === "ping") send({ type: "pong" });
    if (type === "connection_ack") {
      pause = 500;
      status.textContent = "Connected";
      send({ id: "1", type: "subscribe", payload: { query: CHANGES, variables: { after: cursor } } });
    }
    if (type === "next" && payload.data) show(payload.data.occupancyChanged);
    if (type === "error") status.textContent = payload[0].message;
  };
  socket.onclose = ({ code, reason }) => {
    if (REFUSED.includes(code)) return void (status.textContent = `Refused: ${reason}`);
    status.textContent = "Connection lost, trying again";
    setTimeout(watch, pause, hub, token, Math.min(2 * pause, LONGEST_PAUSE_MS));
  };
}

/** A state or a change: both say how many places there are now. */
function show({ cursor: reached, kind, category, facility, capacity }) {
  // When more has come in between than the hub keeps (20,000 changes), it tells everything anew.
  if (kind === "RESYNC" && last !== "RESYNC") body.replaceChildren();
  [cursor, last] = [reached, kind];
  const id = `${facility.code}-${category}`;
  const row = document.getElementById(id) ?? body.appendChild(Object.assign(document.createElement("tr"), { id }));
  const cells = [
    `${facility.code} ${facility.name}`,
    facility.municipality.name,
    category,
    capacity.occupied ?? "–",
    capacity.free ?? "–",
    TOLD[capacity.precision],
  ];
  row.replaceChildren(...cells.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
}

document.querySelector("form").onsubmit = (event) => {
  event.preventDefault();
  const { hub, token } = Object.fromEntries(new FormData(event.target));
  event.target.hidden = true;
  watch(hub.replace(/\/$/, ""), token);
};
