/** Every document that the dashboard sends, with the types of its variables and of what it is answered with. */
import type {
  FacilitiesSubscription,
  FacilitiesSubscriptionVariables,
  FacilityQuery,
  FacilityQueryVariables,
  HistoryQuery,
  HistoryQueryVariables,
  TotalsSubscription,
  TotalsSubscriptionVariables,
  ViewerQuery,
  ViewerQueryVariables,
} from "./contract";
import facilities from "./facilities.graphql?raw";
import facility from "./facility.graphql?raw";
import history from "./history.graphql?raw";
import totals from "./totals.graphql?raw";
import viewer from "./viewer.graphql?raw";

/** The text of a document. `types` is there for the compiler alone. */
export type Document<Answer, Variables> = string & { readonly types?: (variables: Variables) => Answer };

export const facilitiesDocument = facilities as Document<FacilitiesSubscription, FacilitiesSubscriptionVariables>;
export const facilityDocument = facility as Document<FacilityQuery, FacilityQueryVariables>;
export const historyDocument = history as Document<HistoryQuery, HistoryQueryVariables>;
export const totalsDocument = totals as Document<TotalsSubscription, TotalsSubscriptionVariables>;
export const viewerDocument = viewer as Document<ViewerQuery, ViewerQueryVariables>;
