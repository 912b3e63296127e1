import { useState, type FormEvent } from "react";
import { OWN_TOKEN, PUBLIC, type Viewer } from "./viewer";

interface Props {
  demo: Record<string, string>;
  viewer: Viewer;
  onChange(viewer: Viewer): void;
}

/** The bar that says who asks. A token of one's own counts only once it is confirmed. */
export function ExploreAs({ demo, viewer, onChange }: Props) {
  const [as, setAs] = useState(viewer.as);

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
    <header className="explore-as">
      <a className="home" href="../">
        Tavolo
      </a>
      <label>
        Explore as
        <select value={as} onChange={(event) => choose(event.target.value)}>
          <option value={PUBLIC}>public (no token)</option>
          {Object.keys(demo).map((role) => (
            <option key={role} value={role}>
              {role.replaceAll("_", " ")}
            </option>
          ))}
          <option value={OWN_TOKEN}>a token of mine…</option>
        </select>
      </label>
      {as === OWN_TOKEN && (
        <form onSubmit={useOwnToken}>
          <label>
            Token
            <input
              name="token"
              type="password"
              autoComplete="off"
              spellCheck={false}
              defaultValue={viewer.as === OWN_TOKEN ? viewer.token : ""}
              placeholder="eyJ…"
            />
          </label>
          <button>Use</button>
        </form>
      )}
    </header>
  );
}
