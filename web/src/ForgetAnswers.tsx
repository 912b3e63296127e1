import { useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { useEffect, useEffectEvent } from "react";
import type { Hub } from "./hub";

/** Empties the result pane of every tab when somebody else asks: what one was told is not for the next. */
export function ForgetAnswers({ hub }: { hub: Hub }) {
  const { stop } = useGraphiQLActions();
  const { tabs, responseEditor } = useGraphiQL(({ tabs, responseEditor }) => ({
    tabs,
    responseEditor,
  }));
  const forget = useEffectEvent(() => {
    stop();
    // In place, as GraphiQL has no action for the tabs in the background.
    for (const tab of tabs) tab.response = null;
    responseEditor?.setValue("");
  });
  useEffect(() => forget(), [hub]);
  return null;
}
