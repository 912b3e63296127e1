//! Pages of lists, by the Relay connection specification, with `nodes` beside `edges`.

use std::borrow::Cow;

use async_graphql::{OutputType, Result, SimpleObject, TypeName};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use tavolo_schema::access::{DataClass::Public, data_class};
use tavolo_store::KeyPage;

use crate::error::bad_request;

/// The longest page, and what a list is taken for of which nobody knows how long it is.
pub(crate) const LONGEST_PAGE: u64 = 100;

/// Where a page is within its list.
#[derive(SimpleObject, Clone, Debug, Default)]
pub(crate) struct PageInfo {
    /// More follows after this page.
    #[graphql(directive = data_class::apply(Public))]
    pub(crate) has_next_page: bool,
    /// Something comes before this page.
    #[graphql(directive = data_class::apply(Public))]
    pub(crate) has_previous_page: bool,
    /// Cursor of the first node.
    #[graphql(directive = data_class::apply(Public))]
    pub(crate) start_cursor: Option<String>,
    /// Cursor of the last node.
    #[graphql(directive = data_class::apply(Public))]
    pub(crate) end_cursor: Option<String>,
}

/// A node with its cursor.
#[derive(SimpleObject)]
#[graphql(name_type)]
pub(crate) struct Edge<N: OutputType> {
    /// Hand it back as `after` or `before`.
    #[graphql(directive = data_class::apply(Public))]
    pub(crate) cursor: String,
    /// The node.
    #[graphql(directive = data_class::apply(Public))]
    pub(crate) node: N,
}

/// A page of a list.
#[derive(SimpleObject)]
#[graphql(name_type)]
pub(crate) struct Connection<N: OutputType> {
    /// The nodes with their cursors.
    #[graphql(directive = data_class::apply(Public))]
    pub(crate) edges: Vec<Edge<N>>,
    /// The nodes.
    #[graphql(directive = data_class::apply(Public))]
    pub(crate) nodes: Vec<N>,
    /// Where the page is.
    #[graphql(directive = data_class::apply(Public))]
    pub(crate) page_info: PageInfo,
    /// How many the whole list has, as far as the viewer sees it; null where counting would cost too much.
    #[graphql(directive = data_class::apply(Public))]
    pub(crate) total_count: Option<i32>,
}

impl<N: OutputType> TypeName for Edge<N> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Edge", N::type_name()).into()
    }
}

impl<N: OutputType> TypeName for Connection<N> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", N::type_name()).into()
    }
}

impl<N: OutputType + Clone> Connection<N> {
    pub(crate) fn new(nodes: Vec<N>, cursor: impl Fn(&N) -> String, more: More, total: Option<usize>) -> Self {
        let edges: Vec<_> = nodes.iter().map(|node| Edge { cursor: cursor(node), node: node.clone() }).collect();
        let page_info = PageInfo {
            has_next_page: more.after,
            has_previous_page: more.before,
            start_cursor: edges.first().map(|edge| edge.cursor.clone()),
            end_cursor: edges.last().map(|edge| edge.cursor.clone()),
        };
        let total_count = total.map(|total| i32::try_from(total).unwrap_or(i32::MAX));
        Self { edges, nodes, page_info, total_count }
    }
}

/// Whether the list goes on beyond a page.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct More {
    pub(crate) before: bool,
    pub(crate) after: bool,
}

/// The page that is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) limit: usize,
    /// Count from the end.
    pub(crate) backwards: bool,
    pub(crate) after: Option<String>,
    pub(crate) before: Option<String>,
}

/// Nodes of a page when neither `first` nor `last` is given.
const DEFAULT_LIMIT: i32 = 20;
/// Nodes of a page at most.
const MOST: i32 = LONGEST_PAGE as i32;

impl Page {
    pub(crate) fn new(
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> Result<Self> {
        if first.is_some() && last.is_some() {
            return Err(bad_request("give first or last, not both"));
        }
        let limit = first.or(last).unwrap_or(DEFAULT_LIMIT);
        if !(1..=MOST).contains(&limit) {
            return Err(bad_request("first and last must be 1 to 100"));
        }
        Ok(Self { limit: limit as usize, backwards: last.is_some(), after, before })
    }

    /// The page as the store reads it, of a list in the order of its ids: one more than asked for tells whether the list
    /// goes on.
    pub(crate) fn by_key<I: for<'d> Deserialize<'d>>(&self) -> Result<KeyPage<I>> {
        let after = self.after.as_deref().map(decode::<I>).transpose()?;
        let before = self.before.as_deref().map(decode::<I>).transpose()?;
        Ok(KeyPage { after, before, limit: self.limit as i64 + 1, backwards: self.backwards })
    }

    /// What was read for [`Page::by_key`], without the one more, and whether the list goes on.
    pub(crate) fn turn<T>(&self, mut found: Vec<T>) -> (Vec<T>, More) {
        let goes_on = found.len() > self.limit;
        if goes_on {
            found.remove(if self.backwards { 0 } else { self.limit });
        }
        let more = if self.backwards {
            More { before: goes_on, after: self.before.is_some() }
        } else {
            More { before: self.after.is_some(), after: goes_on }
        };
        (found, more)
    }

    /// Cuts the page out of a whole list that is sorted by `key`.
    pub(crate) fn cut<'l, T, K>(&self, sorted: &'l [T], key: impl Fn(&T) -> K) -> Result<(&'l [T], More)>
    where
        K: Ord + for<'d> Deserialize<'d>,
    {
        let from = match self.after.as_deref().map(decode::<K>).transpose()? {
            Some(after) => sorted.partition_point(|item| key(item) <= after),
            None => 0,
        };
        let to = match self.before.as_deref().map(decode::<K>).transpose()? {
            Some(before) => sorted.partition_point(|item| key(item) < before).max(from),
            None => sorted.len(),
        };
        let (start, end) = if self.backwards {
            (to.saturating_sub(self.limit).max(from), to)
        } else {
            (from, (from + self.limit).min(to))
        };
        let more = More { before: start > 0, after: end < sorted.len() };
        Ok((&sorted[start..end], more))
    }
}

/// A cursor that names the place of a node by its key.
pub(crate) fn encode(key: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(key).unwrap_or_default())
}

/// Reads a cursor.
pub(crate) fn decode<K: for<'d> Deserialize<'d>>(cursor: &str) -> Result<K> {
    URL_SAFE_NO_PAD
        .decode(cursor)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| bad_request("this cursor is not of this list"))
}
