import { useEffect, useState, type FormEvent } from "react";
import { it } from "./dashboard/texts/it";
import { ROOT } from "./hub";
import { bodyOf, OWN_TOKEN, PUBLIC, type Viewer } from "./viewer";

interface Props {
  demo: Record<string, string>;
  /** None before anybody has said who asks. */
  viewer: Viewer | undefined;
  onChange(viewer: Viewer): void;
}

/** The bar that says who asks. A token of one's own counts only once it is confirmed. */
export function ExploreAs({ demo, viewer, onChange }: Props) {
  const [as, setAs] = useState(viewer?.as ?? OWN_TOKEN);
  const organisation = useOrganisation(viewer?.token);

  function choose(next: string) {
    setAs(next);
    if (next !== OWN_TOKEN) onChange({ as: next, token: demo[next] });
  }

  function useOwnToken(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const token = new FormData(event.currentTarget).get("token");
    onChange({ as: OWN_TOKEN, token: String(token).trim() || undefined });
  }

  return (
    <header className="explore-as" lang="it">
      <a className="home" href="../">
        Tavolo
      </a>
      <label>
        Chi chiede
        <select value={as} onChange={(event) => choose(event.target.value)}>
          <option value={PUBLIC}>Pubblico (senza gettone)</option>
          {Object.keys(demo).map((role) => (
            <option key={role} value={role}>
              {roleName(role)}
            </option>
          ))}
          <option value={OWN_TOKEN}>un mio gettone …</option>
        </select>
      </label>
      {as === OWN_TOKEN && (
        <form onSubmit={useOwnToken}>
          <label>
            Gettone
            <input
              name="token"
              type="password"
              autoComplete="off"
              spellCheck={false}
              defaultValue={viewer?.as === OWN_TOKEN ? viewer.token : ""}
              placeholder="eyJ…"
            />
          </label>
          <button>Usa</button>
        </form>
      )}
      {organisation && <output>{organisation}</output>}
    </header>
  );
}

/** For whom the hub takes whoever asks. */
function useOrganisation(token: string | undefined): string | undefined {
  const [organisation, setOrganisation] = useState<string>();
  useEffect(() => {
    let current = true;
    setOrganisation(undefined);
    if (token) void bodyOf(ROOT, token).then((body) => current && setOrganisation(body?.organisation));
    return () => {
      current = false;
    };
  }, [token]);
  return organisation;
}

function roleName(role: string): string {
  return it.roles[role.toUpperCase() as keyof typeof it.roles] ?? role;
}
