//! Who sees a file, kept with the file: its keeper, the holder of the project, and who kept it before. And the looks at
//! files out of sight, in a collection of their own.

use futures_util::TryStreamExt;
use mongodb::{
    Database, IndexModel,
    bson::{Bson, Document as Filter, Uuid, doc},
};

use super::{also_require, drop_unused};
use crate::{
    StoreError,
    document::shape::{create_indexes, plain, plain_where, shape},
    lookup::LookupDoc,
};

/// Files named in one command.
const AT_ONCE: usize = 1_000;

pub(super) async fn run(database: &Database) -> Result<(), StoreError> {
    let guests = database.collection::<Filter>("guests");
    remember_who_registered(database).await?;
    // Before the files are rewritten: what an earlier version writes meanwhile would be lost.
    also_require(database, "guests", &[("formerKeepers", "array"), ("sight", "array")]).await?;
    guests.aggregate(custody()).await?;
    guests.update_many(doc! {}, doc! { "$unset": { "registeredBy": "" } }).await?;
    looks(database).await?;
    for (name, indexes) in indexes() {
        create_indexes(database, name, indexes).await?;
    }
    drop_unused(&guests, "custodian_1__id_1").await
}

/// Marks each file with who opened it, as far as there is a record of the act.
async fn remember_who_registered(database: &Database) -> Result<(), StoreError> {
    let acts = database.collection::<Filter>("acts");
    let registered = doc! { "act": "REGISTER_GUEST", "answer": { "$ne": "null" }, "organisation": { "$ne": null } };
    let mut acts = acts.find(registered).projection(doc! { "answer": 1, "organisation": 1 }).await?;
    let mut known: Vec<(Bson, Vec<Uuid>)> = Vec::new();
    while let Some(act) = acts.try_next().await? {
        let guest = act.get_str("answer").ok().and_then(|answer| serde_json::from_str::<String>(answer).ok());
        let guest = guest.and_then(|guest| Uuid::parse_str(guest).ok());
        let (Some(guest), Some(organisation)) = (guest, act.get("organisation")) else { continue };
        match known.iter_mut().find(|(by, _)| by == organisation) {
            Some((_, guests)) => guests.push(guest),
            None => known.push((organisation.clone(), vec![guest])),
        }
    }
    let guests = database.collection::<Filter>("guests");
    for (organisation, ids) in known {
        for ids in ids.chunks(AT_ONCE) {
            let mark = doc! { "$set": { "registeredBy": &organisation } };
            guests.update_many(doc! { "_id": { "$in": ids } }, mark).await?;
        }
    }
    Ok(())
}

/// Works out of the stays who kept each file until when, and where the guest is in whose eyes.
fn custody() -> Vec<Filter> {
    let last_exit = |stays: Filter| doc! { "$max": { "$map": { "input": stays, "in": "$$this.exitAt" } } };
    let of_host =
        doc! { "$filter": { "input": "$was", "as": "stay", "cond": { "$eq": ["$$stay.operator", "$$host"] } } };
    let hosts = doc! { "$map": {
        "input": { "$setDifference": ["$was.operator", ["$custodian"]] },
        "as": "host",
        "in": {
            "organisation": "$$host",
            "until": { "$ifNull": [last_exit(of_host), "$registeredAt"] },
            "hosted": true,
        },
    } };
    let opener = doc! { "$cond": [
        { "$in": [{ "$ifNull": ["$registeredBy", "$custodian"] }, { "$concatArrays": ["$was.operator", ["$custodian"]] }] },
        [],
        [{
            "organisation": "$registeredBy",
            "until": { "$ifNull": [{ "$min": "$was.entryAt" }, "$registeredAt"] },
            "hosted": false,
        }],
    ] };
    let apart = doc! { "$filter": {
        "input": "$formerKeepers", "as": "former",
        "cond": { "$ne": ["$$former.organisation", "$holder"] },
    } };
    let holder = doc! { "$cond": [
        { "$in": ["$holder", [null, "$custodian"]] },
        [],
        [{ "by": "$holder", "as": "HOLDER", "facility": "$facility" }],
    ] };
    let formers = doc! { "$map": {
        "input": apart, "as": "former",
        "in": { "by": "$$former.organisation", "as": "FORMER", "facility": null },
    } };
    let null_if_missing = |field: &str| doc! { "$ifNull": [field, null] };
    vec![
        doc! { "$lookup": { "from": "stays", "localField": "_id", "foreignField": "guest", "as": "was" } },
        doc! { "$lookup": { "from": "facilities", "localField": "facility", "foreignField": "_id", "as": "host" } },
        doc! { "$set": {
            "facility": null_if_missing("$facility"),
            "holder": { "$ifNull": [{ "$first": "$host.holder" }, null] },
            "leftAt": { "$cond": [
                { "$eq": [null_if_missing("$facility"), null] },
                { "$ifNull": [{ "$max": "$was.exitAt" }, null] },
                null,
            ] },
            "formerKeepers": { "$concatArrays": [hosts, opener] },
        } },
        doc! { "$set": { "sight": { "$concatArrays": [
            [{ "by": "$custodian", "as": "KEEPER", "facility": "$facility" }], holder, formers,
        ] } } },
        doc! { "$project": { "holder": 1, "facility": 1, "leftAt": 1, "formerKeepers": 1, "sight": 1 } },
        doc! { "$merge": { "into": "guests", "on": "_id", "whenMatched": "merge", "whenNotMatched": "discard" } },
    ]
}

/// The collection of looks, with those that acts have told of until now: of whose files, nobody knows.
async fn looks(database: &Database) -> Result<(), StoreError> {
    shape::<LookupDoc>(database).await?;
    let acts = database.collection::<Filter>("acts");
    let told = doc! { "outOfSight": { "$exists": true } };
    let moved = vec![
        doc! { "$match": &told },
        doc! { "$project": {
            "act": 1, "subject": 1, "role": 1, "organisation": 1, "at": "$registeredAt", "found": "$outOfSight",
            "files": { "$literal": [] },
        } },
        doc! { "$merge": { "into": "lookups", "on": "_id" } },
    ];
    acts.aggregate(moved).await?;
    // Records of refused acts were kept for their looks alone, and these have moved.
    acts.delete_many(doc! { "outOfSight": { "$exists": true }, "answer": "null" }).await?;
    acts.update_many(told, doc! { "$unset": { "outOfSight": "" } }).await?;
    Ok(())
}

/// The index of each reader. Those for whoever does not see every file begin with who asks.
fn indexes() -> [(&'static str, Vec<IndexModel>); 4] {
    let code = |field: &str| plain_where(doc! { "sight.by": 1, field: 1 }, doc! { field: { "$exists": true } });
    [
        (
            "guests",
            vec![
                plain(doc! { "sight.by": 1, "_id": 1 }),
                plain(doc! { "sight.by": 1, "sight.facility": 1, "_id": 1 }),
                plain(doc! { "sight.by": 1, "surname": 1 }),
                plain(doc! { "sight.by": 1, "household": 1 }),
                plain(doc! { "sight.by": 1, "likeness": 1 }),
                code("taxCode"),
                code("cuiCode"),
                code("vestanetCode"),
            ],
        ),
        ("stays", vec![plain(doc! { "operator": 1, "_id": 1 }), plain(doc! { "facility": 1, "guest": 1, "_id": -1 })]),
        (
            "facilities",
            vec![
                plain(doc! { "operator": 1, "_id": 1 }),
                plain(doc! { "operator": 1, "municipality": 1, "address.street": 1, "address.number": 1 }),
            ],
        ),
        ("pools", vec![plain(doc! { "_id.facility": 1, "blocks.id": 1 })]),
    ]
}
