//! Guests: answered from the vault, field by field through the gate.

use std::sync::Arc;

use async_graphql::{Context, Object, OneofObject, Result};
use tavolo_schema::{
    self as schema, DataClass, DateTime, Day, StayStatus,
    access::{
        DataClass::{Identity, Legal, Sensitive},
        data_class,
    },
    guest::{BirthDatePrecision, GuestFilter, HouseholdRole, LegalStatus, RegisterGuestInput, Sex},
    id::{GuestId, HouseholdId},
};
use tavolo_store::{GuestScope, Store};

use crate::{
    act::{After, mutations, payload},
    connection::{Connection, Page, encode},
    error::fault,
    facility::Facility,
    gate,
    loaders::{AllFound, Batch},
    request_context::request_context,
    stay::{self, Stay},
    viewer_scope::ViewerScope,
};

/// A guest (beneficiario): one person's file.
#[derive(Clone)]
pub(crate) struct Guest {
    pub(crate) viewer_scope: Arc<ViewerScope>,
    pub(crate) guest: Arc<schema::Guest>,
}

impl Guest {
    /// The guest, if the viewer sees that the file exists.
    pub(crate) fn seen(viewer_scope: &Arc<ViewerScope>, guest: Arc<schema::Guest>) -> Option<Self> {
        let seen = viewer_scope.sight(guest.owners()).contains(Identity);
        seen.then(|| Self { viewer_scope: Arc::clone(viewer_scope), guest })
    }

    pub(crate) async fn find(ctx: &Context<'_>, viewer_scope: &Arc<ViewerScope>, id: GuestId) -> Result<Option<Self>> {
        let Some(scope) = viewer_scope.guest_scope() else { return Ok(None) };
        let found = request_context(ctx).loaders.load::<GuestById>(id, scope).await?;
        Ok(found.and_then(|guest| Self::seen(viewer_scope, guest)))
    }

    fn show<T>(&self, ctx: &Context<'_>, class: DataClass, value: impl FnOnce(&schema::Guest) -> T) -> Option<T> {
        gate::show(ctx, &self.viewer_scope, class, self.guest.owners(), || value(&self.guest))
    }
}

/// A guest (beneficiario): one person's file. Every read is judged by the viewer's role and relation to the file. Who
/// kept the file and keeps it no more sees it as it was when the guest left, whatever has come after.
#[Object]
impl Guest {
    /// Global id.
    #[graphql(directive = data_class::apply(Identity))]
    pub(crate) async fn id(&self) -> GuestId {
        self.guest.id
    }

    /// Surname; the only name of a person with one name.
    #[graphql(directive = data_class::apply(Identity))]
    async fn surname(&self, ctx: &Context<'_>) -> Option<String> {
        self.show(ctx, Identity, |guest| guest.surname.clone())
    }

    /// Given names; empty for a person with one name.
    #[graphql(directive = data_class::apply(Identity))]
    async fn given_names(&self, ctx: &Context<'_>) -> Option<String> {
        self.show(ctx, Identity, |guest| guest.given_names.clone())
    }

    /// Sex as on the residence permit.
    #[graphql(directive = data_class::apply(Identity))]
    async fn sex(&self, ctx: &Context<'_>) -> Option<Sex> {
        self.show(ctx, Identity, |guest| guest.sex)
    }

    /// Birth date, as exact as its precision says.
    #[graphql(directive = data_class::apply(Identity))]
    async fn birth_date(&self, ctx: &Context<'_>) -> Option<Day> {
        self.show(ctx, Identity, |guest| guest.birth_date)
    }

    /// How exactly the birth date is known.
    #[graphql(directive = data_class::apply(Identity))]
    async fn birth_date_precision(&self, ctx: &Context<'_>) -> Option<BirthDatePrecision> {
        self.show(ctx, Identity, |guest| guest.birth_date_precision)
    }

    /// Citizenships, ISO 3166-1 alpha-3; XXA stateless, XXX unknown.
    #[graphql(directive = data_class::apply(Identity))]
    async fn citizenships(&self, ctx: &Context<'_>) -> Option<Vec<String>> {
        self.show(ctx, Identity, |guest| guest.citizenships.clone())
    }

    /// Languages, ISO 639-3.
    #[graphql(directive = data_class::apply(Identity))]
    async fn languages(&self, ctx: &Context<'_>) -> Option<Vec<String>> {
        self.show(ctx, Identity, |guest| guest.languages.clone())
    }

    /// Tax code (codice fiscale), 16 characters or 11 digits.
    #[graphql(directive = data_class::apply(Identity))]
    async fn tax_code(&self, ctx: &Context<'_>) -> Option<String> {
        self.show(ctx, Identity, |guest| guest.tax_code.clone()).flatten()
    }

    /// CUI, tied to the fingerprints.
    #[graphql(directive = data_class::apply(Legal))]
    async fn cui_code(&self, ctx: &Context<'_>) -> Option<String> {
        self.show(ctx, Legal, |guest| guest.cui_code.clone()).flatten()
    }

    /// Vestanet code of the asylum procedure.
    #[graphql(directive = data_class::apply(Legal))]
    async fn vestanet_code(&self, ctx: &Context<'_>) -> Option<String> {
        self.show(ctx, Legal, |guest| guest.vestanet_code.clone()).flatten()
    }

    /// Legal ground of presence.
    #[graphql(directive = data_class::apply(Legal))]
    async fn legal_status(&self, ctx: &Context<'_>) -> Option<LegalStatus> {
        self.show(ctx, Legal, |guest| guest.legal_status)
    }

    /// Registered as an unaccompanied minor (MSNA).
    #[graphql(directive = data_class::apply(Legal))]
    async fn unaccompanied_minor(&self, ctx: &Context<'_>) -> Option<bool> {
        self.show(ctx, Legal, |guest| guest.unaccompanied_minor)
    }

    /// A need for places of mental health or disability is documented; the content is not kept here.
    #[graphql(directive = data_class::apply(Sensitive))]
    async fn special_need_documented(&self, ctx: &Context<'_>) -> Option<bool> {
        self.show(ctx, Sensitive, |guest| guest.special_need_documented)
    }

    /// The household.
    #[graphql(directive = data_class::apply(Identity))]
    async fn household(&self, ctx: &Context<'_>) -> Option<Household> {
        self.show(ctx, Identity, |guest| Household {
            viewer_scope: Arc::clone(&self.viewer_scope),
            id: guest.household,
        })
    }

    /// Part in the household.
    #[graphql(directive = data_class::apply(Identity))]
    async fn household_role(&self, ctx: &Context<'_>) -> Option<HouseholdRole> {
        self.show(ctx, Identity, |guest| guest.household_role)
    }

    /// Where the guest stays now.
    #[graphql(directive = data_class::apply(Identity))]
    async fn facility(&self, ctx: &Context<'_>) -> Option<Facility> {
        let facility = self.show(ctx, Identity, |guest| guest.facility).flatten()?;
        Facility::find(&self.viewer_scope, facility)
    }

    /// Stays in facilities of which the viewer sees who was present, the latest registered first.
    #[graphql(directive = data_class::apply(Identity))]
    async fn stays(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only stays of this status.")] status: Option<StayStatus>,
        #[graphql(desc = "So many from the beginning, 1 to 100; 20 when neither first nor last is given.")]
        first: Option<i32>,
        #[graphql(desc = "After this cursor.")] after: Option<String>,
        #[graphql(desc = "So many from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Option<Result<Connection<Stay>>> {
        let guest = self.show(ctx, Identity, |guest| guest.id)?;
        let page = Page::new(first, after, last, before);
        Some(stay::of_guest(ctx, &self.viewer_scope, guest, status, page).await)
    }

    /// When the file was opened.
    #[graphql(directive = data_class::apply(Identity))]
    async fn registered_at(&self, ctx: &Context<'_>) -> Option<DateTime> {
        self.show(ctx, Identity, |guest| guest.registered_at)
    }
}

/// Finds files by their ids.
struct GuestById;

impl Batch for GuestById {
    type Id = GuestId;
    type Way = GuestScope;
    type Found = Arc<schema::Guest>;

    async fn find(store: &Store, ids: &[GuestId], scope: &GuestScope) -> AllFound<Self> {
        let found = store.guests_by_ids(ids, *scope).await?;
        Ok(found.into_iter().map(|(id, guest)| (id, Arc::new(guest))).collect())
    }
}

/// Finds the members of households.
struct Members;

impl Batch for Members {
    type Id = HouseholdId;
    type Way = GuestScope;
    type Found = Arc<[Arc<schema::Guest>]>;

    async fn find(store: &Store, ids: &[HouseholdId], scope: &GuestScope) -> AllFound<Self> {
        let found = store.guests_by_households(ids, *scope).await?;
        Ok(found.into_iter().map(|(id, members)| (id, members.into_iter().map(Arc::new).collect())).collect())
    }
}

/// People who live together (nucleo familiare).
pub(crate) struct Household {
    pub(crate) viewer_scope: Arc<ViewerScope>,
    pub(crate) id: HouseholdId,
}

impl Household {
    pub(crate) async fn members_seen(&self, ctx: &Context<'_>) -> Result<Vec<Guest>> {
        let Some(scope) = self.viewer_scope.guest_scope() else { return Ok(Vec::new()) };
        let members = request_context(ctx).loaders.load::<Members>(self.id, scope).await?;
        let members = members.iter().flat_map(|members| members.iter());
        Ok(members.filter_map(|guest| Guest::seen(&self.viewer_scope, Arc::clone(guest))).collect())
    }
}

/// People who live together (nucleo familiare).
#[Object]
impl Household {
    /// Global id.
    #[graphql(directive = data_class::apply(Identity))]
    pub(crate) async fn id(&self) -> HouseholdId {
        self.id
    }

    /// The members whose files the viewer sees, in the order of registration.
    #[graphql(directive = data_class::apply(Identity))]
    async fn members(&self, ctx: &Context<'_>) -> Option<Result<Vec<Guest>>> {
        Some(self.members_seen(ctx).await)
    }
}

/// Names one guest.
#[derive(OneofObject)]
enum GuestBy {
    /// By global id.
    Id(GuestId),
}

#[derive(Default)]
pub(crate) struct GuestQuery;

#[Object]
impl GuestQuery {
    /// One guest, if the viewer sees the file.
    #[graphql(directive = data_class::apply(Identity))]
    async fn guest(&self, ctx: &Context<'_>, #[graphql(desc = "Which one.")] by: GuestBy) -> Option<Result<Guest>> {
        let GuestBy::Id(id) = by;
        let viewer_scope = request_context(ctx).viewer_scope();
        if viewer_scope.guest_scope().is_none() {
            gate::redact(ctx, Identity);
            return None;
        }
        Guest::find(ctx, viewer_scope, id).await.transpose()
    }

    /// Guests whose files the viewer sees, in the order of registration.
    #[allow(clippy::too_many_arguments, reason = "the arguments of a Relay connection")]
    #[graphql(directive = data_class::apply(Identity))]
    async fn guests(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which ones.")] filter: Option<GuestFilter>,
        #[graphql(desc = "So many from the beginning, 1 to 100; 20 when neither first nor last is given.")]
        first: Option<i32>,
        #[graphql(desc = "After this cursor.")] after: Option<String>,
        #[graphql(desc = "So many from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Option<Result<Connection<Guest>>> {
        let Some(scope) = request_context(ctx).viewer_scope().guest_scope() else {
            gate::redact(ctx, Identity);
            return None;
        };
        let page = Page::new(first, after, last, before);
        Some(list(ctx, filter.unwrap_or_default(), scope, page).await)
    }
}

async fn list(
    ctx: &Context<'_>,
    filter: GuestFilter,
    scope: GuestScope,
    page: Result<Page>,
) -> Result<Connection<Guest>> {
    let (viewer_scope, store, page) = (request_context(ctx).viewer_scope(), &request_context(ctx).hub.store, page?);
    let wanted = page.by_key()?;
    let guests = store.guests(&filter, scope, wanted).await.map_err(|error| fault(&error))?;
    let (guests, more) = page.turn(guests);
    let total = if ctx.look_ahead().field("totalCount").exists() {
        let count = store.count_guests(&filter, scope).await.map_err(|error| fault(&error))?;
        Some(usize::try_from(count).unwrap_or(usize::MAX))
    } else {
        None
    };
    let nodes = guests.into_iter().filter_map(|guest| Guest::seen(viewer_scope, Arc::new(guest))).collect();
    Ok(Connection::new(nodes, |node: &Guest| encode(&node.guest.id), more, total))
}

impl After<GuestId> for Guest {
    async fn after(ctx: &Context<'_>, viewer_scope: &Arc<ViewerScope>, id: GuestId) -> Result<Option<Self>> {
        Self::find(ctx, viewer_scope, id).await
    }
}

payload! {
    /// What came of registering a guest.
    GuestPayload {
        /// The guest; null when the act was refused or only checked.
        guest: Guest,
    }
}

mutations! {
    GuestMutation {
        /// Opens a guest's file. The member's organisation keeps it until a facility of another operator admits the guest.
        /// Whether the person is registered already is checked among the files the member sees. Beyond them it is looked at for
        /// an order that nothing else keeps from being performed, never for `validateOnly`; each such look is counted, a day
        /// has so many for a member and its organisation, and is on record for the Province and the file's keeper.
        register_guest(RegisterGuestInput, "The guest.") -> GuestPayload;
    }
}
