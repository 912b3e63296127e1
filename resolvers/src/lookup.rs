//! Looks at files out of sight: what the Province, and whoever keeps a file that was hit, is told of them.

use std::sync::Arc;

use async_graphql::{Context, InputObject, Object, Result};
use futures_util::future::try_join_all;
use tavolo_schema::{
    self as schema, Act, Code, DateTime, Role,
    access::{DataClass::Lookup, data_class},
    id::{GuestId, LookupId},
    lookup::LookedAt,
};
use tavolo_store::LookupScope;

use crate::{
    connection::{Connection, Page, encode},
    error::fault,
    gate,
    guest::Guest,
    organisation::Organisation,
    request_context::request_context,
    viewer_scope::ViewerScope,
};

/// A look at files that the member who ordered an act does not see.
#[derive(Clone)]
pub(crate) struct GuestLookup {
    viewer_scope: Arc<ViewerScope>,
    scope: LookupScope,
    look: Arc<schema::Lookup>,
}

impl GuestLookup {
    /// The files that were hit, as far as the viewer is told of it.
    fn files(&self) -> impl Iterator<Item = &LookedAt> {
        self.look.files.iter().filter(|file| match self.scope {
            LookupScope::All => true,
            LookupScope::Told(organisation) => file.told.contains(&organisation),
        })
    }
}

/// A look at guests' files that the member who ordered an act does not see: whether the person is known to others, or
/// may be admitted. It is on record whether it found anything or not, and of what the member entered nothing is kept.
#[Object]
impl GuestLookup {
    /// Global id.
    #[graphql(directive = data_class::apply(Lookup))]
    async fn id(&self) -> LookupId {
        self.look.id
    }

    /// The act that was ordered.
    #[graphql(directive = data_class::apply(Lookup))]
    async fn act(&self) -> Act {
        self.look.act
    }

    /// When it was ordered.
    #[graphql(directive = data_class::apply(Lookup))]
    async fn at(&self) -> DateTime {
        self.look.at
    }

    /// Who ordered it: the member's subject at the identity provider.
    #[graphql(directive = data_class::apply(Lookup))]
    async fn subject(&self) -> Option<&str> {
        self.look.actor.subject.as_deref()
    }

    /// The part the member played then.
    #[graphql(directive = data_class::apply(Lookup))]
    async fn role(&self) -> Option<Role> {
        self.look.actor.role
    }

    /// The organisation the member acted for.
    #[graphql(directive = data_class::apply(Lookup))]
    async fn organisation(&self) -> Option<Organisation> {
        Organisation::find(&self.viewer_scope, self.look.actor.organisation?)
    }

    /// What the look told the member because of these guests, and nothing else would have; for the Province, all that it
    /// told. Empty when it told nothing.
    #[graphql(directive = data_class::apply(Lookup))]
    async fn found(&self) -> Vec<Code> {
        if self.scope == LookupScope::All {
            return self.look.found.clone();
        }
        let found: Vec<Code> = self.files().flat_map(|file| file.found.iter().copied()).collect();
        Code::ALL.iter().copied().filter(|code| found.contains(code)).collect()
    }

    /// Whose files were hit, as far as the viewer was told of it and sees the file; twenty at most.
    #[graphql(directive = data_class::apply(Lookup))]
    async fn guests(&self, ctx: &Context<'_>) -> Option<Result<Vec<Guest>>> {
        let guests = try_join_all(self.files().map(|file| Guest::find(ctx, &self.viewer_scope, file.guest))).await;
        Some(guests.map(|guests| guests.into_iter().flatten().collect()))
    }
}

/// Which looks a list is about.
#[derive(InputObject, Default)]
struct GuestLookupFilter {
    /// Those that hit this guest's file.
    guest: Option<GuestId>,
}

#[derive(Default)]
pub(crate) struct LookupQuery;

#[Object]
impl LookupQuery {
    /// Looks at files out of sight, the earliest first: all for the Province; for others those that hit the file of a
    /// guest they hosted at that time.
    #[allow(clippy::too_many_arguments, reason = "the arguments of a Relay connection")]
    #[graphql(directive = data_class::apply(Lookup))]
    async fn guest_lookups(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which ones.")] filter: Option<GuestLookupFilter>,
        #[graphql(desc = "So many from the beginning, 1 to 100; 20 when neither first nor last is given.")]
        first: Option<i32>,
        #[graphql(desc = "After this cursor.")] after: Option<String>,
        #[graphql(desc = "So many from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Option<Result<Connection<GuestLookup>>> {
        let Some(scope) = request_context(ctx).viewer_scope().lookup_scope() else {
            gate::redact(ctx, Lookup);
            return None;
        };
        let page = Page::new(first, after, last, before);
        Some(list(ctx, filter.unwrap_or_default(), scope, page).await)
    }
}

async fn list(
    ctx: &Context<'_>,
    filter: GuestLookupFilter,
    scope: LookupScope,
    page: Result<Page>,
) -> Result<Connection<GuestLookup>> {
    let (viewer_scope, store, page) = (request_context(ctx).viewer_scope(), &request_context(ctx).hub.store, page?);
    let wanted = page.by_key()?;
    let looks = store.lookups(filter.guest, scope, wanted).await.map_err(|error| fault(&error))?;
    let (looks, more) = page.turn(looks);
    let total = if ctx.look_ahead().field("totalCount").exists() {
        let count = store.count_lookups(filter.guest, scope).await.map_err(|error| fault(&error))?;
        Some(usize::try_from(count).unwrap_or(usize::MAX))
    } else {
        None
    };
    let node = |look| GuestLookup { viewer_scope: Arc::clone(viewer_scope), scope, look: Arc::new(look) };
    let nodes = looks.into_iter().map(node).collect();
    Ok(Connection::new(nodes, |node: &GuestLookup| encode(&node.look.id), more, total))
}
