//! Looks at files out of sight: what a check leaves out, what an order tells, how many there may be, and who is told.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tavolo_schema::{Member, Role, id::GuestId};

use crate::{
    gate::raw,
    harness::{Client, World, codes, person, text},
    stage::accepted,
};

/// The looks that a subject is told of, the earliest first, without their ids and times.
pub async fn looks(hub: &Client, subject: &str) -> Vec<Value> {
    let document = "{ guestLookups(first: 100) { nodes {
        act at subject role organisation { id } found guests { id } } totalCount } }";
    let mut data = hub.data(subject, document, Value::Null).await;
    let mut nodes = data["guestLookups"]["nodes"].take().as_array().unwrap().clone();
    assert_eq!(data["guestLookups"]["totalCount"], nodes.len());
    let times: Vec<String> =
        nodes.iter_mut().map(|look| text(&look.as_object_mut().unwrap().remove("at").unwrap())).collect();
    assert!(times.is_sorted(), "{times:?}");
    nodes
}

/// Registers a person with some particulars, as a subject.
async fn registered(hub: &Client, subject: &str, changes: Value) -> String {
    let mut input = person();
    for (field, value) in changes.as_object().unwrap() {
        input[field] = value.clone();
    }
    let payload = hub.act(subject, "registerGuest", "guest { id }", input).await;
    text(&payload["guest"]["id"])
}

const ADMIT: &str =
    "mutation($input: AdmitGuestInput!, $only: Boolean!) { admitGuest(input: $input, validateOnly: $only) {
    stay { id } irregularities { code path message severity } } }";

#[tokio::test]
async fn the_check_of_an_admission_is_the_same_whatever_is_out_of_sight() {
    let world = World::new().await;
    let hub = world.hub().await;
    let bodies = &world.bodies;
    let needs = "MENTAL_HEALTH_OR_DISABILITY";
    let facility = hub.facility(bodies.operator, bodies.municipality, needs, 5).await;
    let theirs = hub.facility(bodies.other_operator, bodies.municipality, "ORDINARY", 5).await;
    let need = json!({ "specialNeedDocumented": true });
    let minor = json!({ "birthDate": "2020-05-01", "unaccompaniedMinor": true });
    let mut others = vec![GuestId::fresh(world.clock.now()).encode()];
    for particulars in [json!({}), need.clone(), minor] {
        others.push(registered(&hub, "central_service", particulars.clone()).await);
        others.push(registered(&hub, "other_operator", particulars.clone()).await);
    }
    let hosted = registered(&hub, "other_operator", json!({})).await;
    hub.admit("other_operator", &hosted, &theirs).await;
    others.push(hosted);
    let checked = async |subject: &str, guest: &str, at: Value| {
        let input = json!({ "guest": guest, "facility": facility, "category": needs, "occurredAt": at });
        raw(&hub, subject, ADMIT, &json!({ "input": input, "only": true })).await
    };
    let before = looks(&hub, "province").await.len();
    for at in [Value::Null, json!("2026-11-22T23:00:00Z"), json!("2015-01-01T10:00:00Z")] {
        let mut answers = BTreeMap::new();
        for guest in &others {
            answers.entry(checked("operator", guest, at.clone()).await.1).or_insert_with(Vec::new).push(guest);
        }
        assert_eq!(answers.len(), 1, "{at}: {answers:#?}");
    }
    // The Province sees the file and not the need, once an operator keeps it.
    let of_operator = [&json!({}), &need];
    let mut answers = BTreeMap::new();
    let mut guests = Vec::new();
    for particulars in of_operator {
        let guest = registered(&hub, "operator", particulars.clone()).await;
        answers.insert(checked("province", &guest, Value::Null).await.1, guest.clone());
        guests.push(guest);
    }
    assert_eq!(answers.len(), 1, "{answers:#?}");
    // Its keeper sees the need.
    let own = async |guest: &str| {
        let input = json!({ "guest": guest, "facility": facility, "category": needs });
        let answer = hub.order("operator", "admitGuest", "__typename", json!({ "input": input, "only": true })).await;
        codes(&answer["data"]["admitGuest"])
    };
    assert_eq!(own(&guests[0]).await, ["WRONG_CATEGORY"]);
    assert_eq!(own(&guests[1]).await, Vec::<String>::new());
    let registrations = guests.len() + 1;
    assert_eq!(looks(&hub, "province").await.len(), before + registrations - 1, "the checks have left nothing");

    // The order tells, and that is on record with whose file it was.
    let order = async |guest: &str| {
        let input = json!({ "guest": guest, "facility": facility, "category": needs });
        codes(&hub.act("province", "admitGuest", "stay { id }", input).await)
    };
    for (guest, found) in [(&guests[0], vec!["WRONG_CATEGORY"]), (&guests[1], vec![])] {
        world.clock.advance(Duration::from_secs(1));
        assert_eq!(order(guest).await, found);
        let last = looks(&hub, "province").await.pop().unwrap();
        assert_eq!((&last["act"], &last["found"]), (&json!("ADMIT_GUEST"), &json!(found)));
        assert_eq!(last["guests"], json!([{ "id": guest }]));
    }
}

#[tokio::test]
async fn an_order_for_a_file_out_of_sight_is_a_look_whether_there_is_one_or_not() {
    let world = World::new().await;
    let hub = world.hub().await;
    let bodies = &world.bodies;
    let facility = hub.facility(bodies.operator, bodies.municipality, "ORDINARY", 5).await;
    let waiting = hub.guest("central_service").await;
    let theirs = hub.guest("other_operator").await;
    let nobody = GuestId::fresh(world.clock.now()).encode();
    let before = looks(&hub, "province").await.len();
    for (guest, found, hit) in [
        (&waiting, json!([]), json!([{ "id": waiting }])),
        (&theirs, json!(["UNKNOWN_GUEST"]), json!([{ "id": theirs }])),
        (&nobody, json!(["UNKNOWN_GUEST"]), json!([])),
    ] {
        world.clock.advance(Duration::from_secs(1));
        let payload = hub.admit("operator", guest, &facility).await;
        assert_eq!(json!(codes(&payload)), found);
        let last = looks(&hub, "province").await.pop().unwrap();
        assert_eq!((&last["subject"], &last["found"], &last["guests"]), (&json!("operator"), &found, &hit));
    }
    assert_eq!(looks(&hub, "province").await.len(), before + 3);
    for subject in ["operator", "other_operator", "central_service", "municipality"] {
        assert_eq!(looks(&hub, subject).await.len(), 0, "{subject}");
    }
    for subject in ["prefecture", "analyst", ""] {
        let answer = hub.send(subject, "{ guestLookups { totalCount } }", Value::Null).await;
        assert_eq!(answer["data"]["guestLookups"], Value::Null, "{subject:?}");
    }
}

#[tokio::test]
async fn a_file_that_was_opened_to_be_told_of_looks_tells_nothing() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = hub.facility(world.bodies.other_operator, world.bodies.municipality, "ORDINARY", 5).await;
    // Somebody who is looked for; a former keeper may open a second file as well.
    let mut somebody = person();
    let planted = text(&hub.act("operator", "registerGuest", "guest { id }", somebody.clone()).await["guest"]["id"]);
    world.clock.advance(Duration::from_secs(1));
    somebody["cuiCode"] = json!("CUI9");
    let found = hub.act("other_operator", "registerGuest", "guest { id }", somebody).await;
    world.clock.advance(Duration::from_secs(1));
    hub.admit("other_operator", &text(&found["guest"]["id"]), &facility).await;
    assert_eq!(looks(&hub, "operator").await, Vec::<Value>::new());
    let last = looks(&hub, "province").await.into_iter().find(|look| look["subject"] == "other_operator").unwrap();
    assert_eq!(last["guests"], json!([{ "id": planted }]), "the Province is told of both");
}

#[tokio::test]
async fn whom_the_guest_has_left_is_not_told_where_somebody_asks() {
    let world = World::new().await;
    let hub = world.hub().await;
    let bodies = &world.bodies;
    let facility = hub.facility(bodies.operator, bodies.municipality, "ORDINARY", 5).await;
    let mut same = person();
    same["cuiCode"] = json!("CUI7");
    let guest = text(&hub.act("operator", "registerGuest", "guest { id }", same.clone()).await["guest"]["id"]);
    let stay = text(&hub.admit("operator", &guest, &facility).await["stay"]["id"]);
    same["surname"] = json!("Altra");
    hub.act("other_operator", "registerGuest", "guest { id }", same.clone()).await;
    assert_eq!(looks(&hub, "operator").await.len(), 1, "who hosts the guest is told");
    accepted(&hub, "dischargeGuest", "stay", json!({ "stay": stay, "reason": "OTHER" })).await;
    world.clock.advance(Duration::from_secs(1));
    hub.act("other_operator", "registerGuest", "guest { id }", same).await;
    assert_eq!(looks(&hub, "operator").await.len(), 1);
    let last = looks(&hub, "province").await.pop().unwrap();
    assert_eq!((&last["subject"], &last["guests"]), (&json!("other_operator"), &json!([{ "id": guest }])));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_forty_looks_at_once_as_many_are_taken_as_may_be() {
    let world = World::with_lookups(7, 9).await;
    let hubs = [world.hub().await, world.hub().await];
    let hub = &hubs[0];
    let mut known = person();
    known["cuiCode"] = json!("CUI8");
    hub.act("operator", "registerGuest", "guest { id }", known).await;
    let question = |hit: bool| {
        let mut input = person();
        input["cuiCode"] = if hit { json!("CUI8") } else { Value::Null };
        input
    };
    let ask = async |number: usize, subject: &str| {
        let payload =
            hubs[number % 2].act(subject, "registerGuest", "__typename", question(number.is_multiple_of(3))).await;
        (payload["irregularities"][0]["code"] == "LOOKUPS_EXHAUSTED").then(|| payload.to_string())
    };
    let answers = join_all((0..40_usize).map(|number| ask(number, "other_operator"))).await;
    let refused: Vec<String> = answers.into_iter().flatten().collect();
    assert_eq!(refused.len(), 33);
    assert!(refused.iter().all(|answer| *answer == refused[0]), "hit or miss: {refused:#?}");
    assert!(refused[0].contains("sono esaurite"), "{}", refused[0]);
    let taken = looks(hub, "province").await;
    assert_eq!(taken.iter().filter(|look| look["subject"] == "other_operator").count(), 7);

    // A colleague has looks of its own, as many as are left for the organisation.
    let colleague =
        Member { subject: "colleague".into(), role: Role::Operator, organisation: world.bodies.other_operator };
    world.store.put_member(&colleague).await.unwrap();
    crate::harness::until("the colleague is there", async || {
        hubs.iter().all(|hub| hub.graph.hub().live_board.board().member("colleague").is_some())
    })
    .await;
    let answers = join_all((0..10_usize).map(|number| ask(number, "colleague"))).await;
    assert_eq!(answers.into_iter().flatten().count(), 8);
    // What is only checked is not counted, and what others do neither; tomorrow is another day.
    assert_eq!(ask(0, "operator").await, None);
    let only = json!({ "input": person(), "only": true });
    let checked = hub.order("other_operator", "registerGuest", "__typename", only).await;
    assert_eq!(codes(&checked["data"]["registerGuest"]), Vec::<String>::new());
    world.clock.advance_days(1);
    let answers = join_all((0..9_usize).map(|number| ask(number, "colleague"))).await;
    assert_eq!(answers.into_iter().flatten().count(), 2);
    let answers = join_all((0..9_usize).map(|number| ask(number, "other_operator"))).await;
    assert_eq!(answers.into_iter().flatten().count(), 7, "two are left for the organisation");
}
