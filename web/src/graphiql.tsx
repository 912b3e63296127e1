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
import { ExploreAs } from "./ExploreAs";
import { ForgetAnswers } from "./ForgetAnswers";
import { examples } from "./examples";
import { connect } from "./hub";
import { adoptFragment, demoTokens, recall, remember, type Viewer } from "./viewer";

const plugins = [explorerPlugin(), HISTORY_PLUGIN];

function Page({ demo }: { demo: Record<string, string> }) {
  const [viewer, setViewer] = useState(() => recall(demo));
  const hub = useMemo(() => connect(viewer.token), [viewer.token]);
  useEffect(() => hub.close, [hub]);

  function change(next: Viewer) {
    remember(next);
    setViewer(next);
  }

  return (
    <>
      <ExploreAs demo={demo} viewer={viewer} onChange={change} />
      <main>
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
      </main>
    </>
  );
}

adoptFragment();
// A link with a token that is opened in this very tab changes the fragment only.
addEventListener("hashchange", () => location.reload());

const demo = await demoTokens();
createRoot(document.getElementById("page")!).render(<Page demo={demo} />);
