import "graphiql/setup-workers/vite";
import "@graphiql/react/style.css";
import "@graphiql/plugin-doc-explorer/style.css";
import "@graphiql/plugin-explorer/style.css";
import "@graphiql/plugin-history/style.css";
import "graphiql/graphiql.css";
import "./graphiql.css";

import { explorerPlugin } from "@graphiql/plugin-explorer";
import { GraphiQL, HISTORY_PLUGIN } from "graphiql";
import { useEffect, useMemo, useState } from "react";
import { createRoot } from "react-dom/client";
import { it } from "./dashboard/texts/it";
import { ExploreAs } from "./ExploreAs";
import { ForgetAnswers } from "./ForgetAnswers";
import { examples } from "./examples";
import { connect, ROOT } from "./hub";
import { adoptFragment, demoTokens, recall, remember, type Viewer } from "./viewer";

const plugins = [explorerPlugin(), HISTORY_PLUGIN];

/** GraphiQL asks for the schema as soon as it is there: first somebody says who asks. The demo begins as the Province. */
function Page({ demo }: { demo: Record<string, string> }) {
  const [viewer, setViewer] = useState(() => recall(demo) ?? demonstrator(demo));

  function change(next: Viewer) {
    remember(next);
    setViewer(next);
  }

  return (
    <>
      <ExploreAs demo={demo} viewer={viewer} onChange={change} />
      <main>
        {viewer ? (
          <Explorer token={viewer.token} />
        ) : (
          <p className="welcome" lang="it">
            Chi chiede? Con un gettone il grafo mostra ciò che può vedere chi lo ha; il pubblico vede i totali.
          </p>
        )}
      </main>
    </>
  );
}

function demonstrator(demo: Record<string, string>): Viewer | undefined {
  return demo.province ? { as: "province", token: demo.province } : undefined;
}

function Explorer({ token }: { token: string | undefined }) {
  const hub = useMemo(() => connect(token), [token]);
  useEffect(() => hub.close, [hub]);
  return (
    <GraphiQL
      fetcher={hub.fetcher}
      plugins={plugins}
      defaultTabs={examples}
      defaultEditorToolsVisibility="variables"
      // What is typed here may name guests: it must not outlive the session on a shared computer.
      storage={sessionStorage}
      shouldPersistHeaders={false}
    >
      <GraphiQL.Logo>
        <a href="../graphql/schema.graphql">schema.graphql</a>
      </GraphiQL.Logo>
      <ForgetAnswers hub={hub} />
    </GraphiQL>
  );
}

await adoptFragment(ROOT, it);
// A link with a token that is opened in this very tab changes the fragment only.
addEventListener("hashchange", () => location.reload());

const demo = await demoTokens(ROOT);
createRoot(document.getElementById("page")!).render(<Page demo={demo} />);
