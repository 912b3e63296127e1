//! The eighth migration: what is told of protected categories is told of them alone, and what was told is found by its
//! time.
//!
//! Totals of all categories together have been published, from which the protected ones followed by subtraction. They go;
//! those of the ordinary places, published beside them, are told in their place. From statistics that are kept, the same
//! is taken; what their rows describe stays as it was told, since another draw of them could be compared.

use futures_util::TryStreamExt;
use mongodb::{
    Collection, Database,
    bson::{Bson, Document as Filter, doc},
};
use tavolo_schema::{PlaceCategory, contract_name, disclosure::OTHERS};

use crate::{
    StoreError,
    document::shape::{create_indexes, plain},
    publication::by_time,
};

pub(super) async fn run(database: &Database) -> Result<(), StoreError> {
    let publications = database.collection::<Filter>("publications");
    create_indexes(database, "publications", vec![plain(by_time())]).await?;
    publications.delete_many(doc! { "_id.cell.category": null }).await?;
    let tables: Collection<Filter> = database.collection("statisticsTables");
    let mut kept = tables.find(doc! {}).await?;
    while let Some(table) = kept.try_next().await? {
        let groups = table.get_array("groups").map(|groups| groups_apart(groups)).unwrap_or_default();
        let id = table.get("_id").cloned();
        tables.update_one(doc! { "_id": id }, doc! { "$set": { "groups": groups } }).await?;
    }
    Ok(())
}

/// The totals of the ordinary places, which are those of the whole as well, and of protected categories that are large
/// enough. Municipalities have been counted with everybody in them, and nothing is known of their ordinary places alone.
fn groups_apart(groups: &[Bson]) -> Vec<Filter> {
    let groups: Vec<&Filter> = groups.iter().filter_map(Bson::as_document).collect();
    let of = |category: PlaceCategory| {
        let name = contract_name(category);
        groups.iter().copied().find(move |group| group.get_str("category").is_ok_and(|own| own == name)).cloned()
    };
    let whole = of(PlaceCategory::Ordinary).map(|mut ordinary| {
        ordinary.insert("category", Bson::Null);
        ordinary
    });
    let large = |group: &Filter| group.get_i32("hosted").is_ok_and(|hosted| hosted >= OTHERS);
    let parts = PlaceCategory::ALL
        .into_iter()
        .filter_map(|category| of(category).filter(|group| !category.is_protected() || large(group)));
    whole.into_iter().chain(parts).collect()
}
