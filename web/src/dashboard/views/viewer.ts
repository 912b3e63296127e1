/** Who looks. A token is asked for here; it stays in the session. */
import { OWN_TOKEN, PUBLIC, type Viewer } from "../../viewer";
import { h, write } from "../dom";
import type { Speech } from "../language";
import { isMember, seesFacilities, type Data } from "../store";

export function viewerView(
  speech: Speech,
  demo: Record<string, string>,
  viewer: Viewer,
  become: (next: Viewer) => void,
) {
  const { t } = speech;
  const summary = h("summary", {}, t.viewer);
  const sees = h("p", {});
  const element = h(
    "details",
    { class: "viewer" },
    summary,
    h(
      "div",
      {},
      sees,
      demoChoice(speech, demo, viewer, become),
      tokenForm(speech, become),
      publicButton(speech, viewer, become),
    ),
  );
  element.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape" || !element.open) return;
    element.open = false;
    summary.focus();
  });
  return {
    element,
    update(data: Data) {
      if (!data.viewer) return;
      const { role, organisation } = data.viewer;
      write(summary, `${t.viewer}: ${organisation?.name ?? t.roles[role]}`);
      const facilities = isMember(data) ? t.viewerSees : t.viewerSeesByDay;
      write(sees, seesFacilities(data) ? facilities : t.viewerSeesTotals);
    },
  };
}

/** The hub of the demonstration offers a token for each role; others offer none. */
function demoChoice({ t }: Speech, demo: Record<string, string>, { as }: Viewer, become: (next: Viewer) => void) {
  const roles = Object.keys(demo);
  if (roles.length === 0) return undefined;
  const names: [string, string][] = [
    [PUBLIC, t.roles.PUBLIC],
    ...roles.map((role): [string, string] => [role, t.roles[role.toUpperCase() as keyof typeof t.roles] ?? role]),
  ];
  if (as === OWN_TOKEN) names.push([OWN_TOKEN, t.ownToken]);
  const options = names.map(([value, name]) => h("option", { value, selected: value === as }, name));
  const select = h("select", { class: "form-select" }, ...options);
  select.addEventListener("change", () => become({ as: select.value, token: demo[select.value] }));
  return h("label", {}, t.demoRole, select);
}

function tokenForm({ t }: Speech, become: (next: Viewer) => void): HTMLFormElement {
  const token = h("input", {
    type: "password",
    class: "form-control",
    required: true,
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "eyJ…",
    "aria-describedby": "token-note",
  });
  const form = h(
    "form",
    {},
    h("label", {}, t.token, token),
    h("button", { class: "btn btn-primary btn-xs" }, t.useToken),
    h("p", { class: "quiet", id: "token-note" }, t.tokenNote),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    become({ as: OWN_TOKEN, token: token.value.trim() });
  });
  return form;
}

function publicButton({ t }: Speech, { as }: Viewer, become: (next: Viewer) => void): HTMLButtonElement {
  const button = h("button", { type: "button", class: "btn btn-outline-primary btn-xs", hidden: as === PUBLIC });
  write(button, t.asPublic);
  button.addEventListener("click", () => become({ as: PUBLIC }));
  return button;
}
