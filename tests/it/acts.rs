//! Acts: what they do, what checking alone does not do, and what an idempotency key is good for.

use serde_json::{Value, json};
use tavolo_schema::{OccupancyCause, PlaceCategory, Role, id::FacilityId};

use crate::{
    harness::{Client, World, blocking, codes, text},
    stage::{Setting, Stage, assert_books_agree, books, hours_ago},
};

const NUMBERS: &str = "accredited installed blocked allocable occupied reserved free overCapacity";

async fn ordinary_places(hub: &Client, facility: &str) -> Value {
    let document = format!("query($id: ID!) {{ facility(by: {{ id: $id }}) {{ capacity {{ category {NUMBERS} }} }} }}");
    let mut data = hub.data("province", &document, json!({ "id": facility })).await;
    let capacity = data["facility"]["capacity"].as_array_mut().unwrap();
    capacity.iter_mut().find(|capacity| capacity["category"] == "ORDINARY").unwrap().take()
}

/// Performs an act as a subject; it must be accepted without any finding.
async fn perform(hub: &Client, subject: &str, mutation: &str, selection: &str, input: Value) -> Value {
    let payload = hub.act(subject, mutation, selection, input).await;
    assert_eq!(payload["irregularities"], json!([]), "{mutation}");
    payload
}

#[tokio::test]
async fn an_admission_is_seen_by_the_next_query_of_the_same_hub() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 2).await;
    let guest = hub.guest("operator").await;
    let payload = hub.admit("operator", &guest, &facility).await;
    assert_eq!(blocking(&payload), Vec::<String>::new());
    assert_eq!(payload["stay"]["status"], "OPEN");
    let document = "query($id: ID!) { facility(by: { id: $id }) { capacity { occupied free } } }";
    let data = hub.data("operator", document, json!({ "id": facility })).await;
    assert_eq!(data["facility"]["capacity"], json!([{ "occupied": 1, "free": 1 }]));
}

#[tokio::test]
async fn every_act_does_what_it_says_and_the_ledger_says_so() {
    let world = World::new().await;
    let hub = world.hub().await;
    let (operator, province) = (world.bodies.operator.encode(), world.bodies.province.encode());

    let input = json!({
        "name": "  Casa del Faro ", "type": "FAMILY_HOME", "municipality": "101010",
        "address": { "street": "Via Capo Colonna", "number": "7/A", "postalCode": "88900" },
        "operator": operator, "holder": province, "projectCode": "PROG-1",
        "rooms": [{ "letter": "A", "beds": 4, "squareMetres": 30.5 }], "bathrooms": 2, "barrierFree": true,
    });
    let fields = "facility { id code name type municipality { name } address { street number postalCode } holder { id }
        operator { id } projectCode rooms { letter beds squareMetres } bathrooms barrierFree revision capacity { free }
        accreditations { id } }";
    let payload = perform(&hub, "operator", "registerFacility", fields, input).await;
    let facility = text(&payload["facility"]["id"]);
    assert_eq!(
        payload["facility"],
        json!({
            "id": facility, "code": "KR-F-0001", "name": "Casa del Faro", "type": "FAMILY_HOME",
            "municipality": { "name": "Crotone" },
            "address": { "street": "Via Capo Colonna", "number": "7/A", "postalCode": "88900" },
            "holder": { "id": province }, "operator": { "id": operator }, "projectCode": "PROG-1",
            "rooms": [{ "letter": "A", "beds": 4, "squareMetres": 30.5 }], "bathrooms": 2, "barrierFree": true,
            "revision": 1, "capacity": [], "accreditations": [],
        })
    );

    let installed = json!({ "facility": facility, "category": "ORDINARY", "installed": 4 });
    let numbers = format!("facility {{ capacity {{ category {NUMBERS} }} }}");
    let payload = perform(&hub, "operator", "installPlaces", &numbers, installed).await;
    let before = json!({
        "category": "ORDINARY", "accredited": 0, "installed": 4, "blocked": 0, "allocable": 0, "occupied": 0,
        "reserved": 0, "free": 0, "overCapacity": 0,
    });
    assert_eq!(payload["facility"]["capacity"], json!([before]));

    let accreditation = accreditation_of(&hub, &facility).await;
    assert_eq!(ordinary_places(&hub, &facility).await["allocable"], 4);

    let block =
        json!({ "facility": facility, "category": "ORDINARY", "places": 1, "reason": "WORKS", "note": "Tetto" });
    let fields = "block { id places reason note from until } facility { id }";
    let payload = perform(&hub, "operator", "blockPlaces", fields, block).await;
    let block = text(&payload["block"]["id"]);
    let expected = json!({
        "id": block, "places": 1, "reason": "WORKS", "note": "Tetto", "from": "2026-11-23", "until": null,
    });
    assert_eq!(payload["block"], expected);

    let guest = hub.guest("operator").await;
    let admission = json!({
        "guest": guest, "facility": facility, "category": "ORDINARY", "occurredAt": hours_ago(&hub, 2),
    });
    let fields = format!(
        "stay {{ id status category entryAt exitAt exitReason registeredAt guest {{ id facility {{ id }} }} }}
        facility {{ capacity {{ category {NUMBERS} }} }}"
    );
    let payload = perform(&hub, "operator", "admitGuest", &fields, admission).await;
    let stay = text(&payload["stay"]["id"]);
    let expected = json!({
        "id": stay, "status": "OPEN", "category": "ORDINARY", "entryAt": "2026-11-23T06:00:00.000Z", "exitAt": null,
        "exitReason": null, "registeredAt": "2026-11-23T08:00:00.000Z",
        "guest": { "id": guest, "facility": { "id": facility } },
    });
    assert_eq!(payload["stay"], expected);
    let taken = json!({
        "category": "ORDINARY", "accredited": 4, "installed": 4, "blocked": 1, "allocable": 3, "occupied": 1,
        "reserved": 0, "free": 2, "overCapacity": 0,
    });
    assert_eq!(payload["facility"]["capacity"], json!([taken]));

    let exit = json!({ "stay": stay, "reason": "FAMILY_REUNIFICATION", "occurredAt": hours_ago(&hub, 1) });
    let fields = "stay { id status exitAt exitReason guest { facility { id } } } facility { occupancy { occupied } }";
    let payload = perform(&hub, "operator", "dischargeGuest", fields, exit).await;
    let expected = json!({
        "id": stay, "status": "CLOSED", "exitAt": "2026-11-23T07:00:00.000Z", "exitReason": "FAMILY_REUNIFICATION",
        "guest": { "facility": null },
    });
    assert_eq!(payload["stay"], expected);
    assert_eq!(payload["facility"]["occupancy"]["occupied"], 0);

    let unblock = json!({ "block": block });
    let payload =
        perform(&hub, "operator", "unblockPlaces", "facility { capacity { blocked blocks { id } } }", unblock).await;
    assert_eq!(payload["facility"]["capacity"], json!([{ "blocked": 0, "blocks": [] }]));

    let revision = json!({ "facility": facility, "expectedRevision": 1, "name": "Casa del Porto", "bathrooms": 3 });
    let fields = "facility { name bathrooms projectCode revision }";
    let payload = perform(&hub, "operator", "reviseFacility", fields, revision).await;
    let expected = json!({ "name": "Casa del Porto", "bathrooms": 3, "projectCode": "PROG-1", "revision": 2 });
    assert_eq!(payload["facility"], expected);

    stop_accreditation(&hub, &facility, &accreditation).await;

    let id = FacilityId::decode(&facility).unwrap();
    let ledger = world.store.ledger_of(id, PlaceCategory::Ordinary).await.unwrap();
    let entries: Vec<_> = ledger.iter().map(|entry| (entry.cause, entry.role)).collect();
    let (by_operator, by_province) = (Some(Role::Operator), Some(Role::Province));
    assert_eq!(
        entries,
        [
            (OccupancyCause::PlacesInstalled, by_operator),
            (OccupancyCause::AccreditationGranted, by_province),
            (OccupancyCause::PlacesBlocked, by_operator),
            (OccupancyCause::Admission, by_operator),
            (OccupancyCause::Discharge, by_operator),
            (OccupancyCause::PlacesUnblocked, by_operator),
            (OccupancyCause::AccreditationSuspended, by_province),
            (OccupancyCause::AccreditationGranted, by_province),
            (OccupancyCause::AccreditationRevoked, by_province),
        ]
    );
    assert_eq!(ledger[3].occurred_at.to_string(), "2026-11-23T06:00:00.000Z");
    assert_eq!(ledger[3].registered_at, hub.clock.now());
    assert_eq!(ledger[3].stay.map(|stay| stay.encode()), Some(stay));
    assert_books_agree(&world).await;
}

/// Drafts, submits and decides; hands back the accreditation.
async fn accreditation_of(hub: &Client, facility: &str) -> String {
    let fields = "accreditation { id status requested { category places } granted { category places } validFrom
        validUntil submittedAt decidedAt actNumber reason }";
    let places = |places: i32| json!([{ "category": "ORDINARY", "places": places }]);
    let draft = json!({ "facility": facility, "places": places(2), "draft": true });
    let payload = perform(hub, "operator", "submitAccreditation", fields, draft).await;
    let accreditation = text(&payload["accreditation"]["id"]);
    let mut expected = json!({
        "id": accreditation, "status": "DRAFT", "requested": places(2), "granted": [], "validFrom": null,
        "validUntil": null, "submittedAt": null, "decidedAt": null, "actNumber": null, "reason": null,
    });
    assert_eq!(payload["accreditation"], expected);

    let submission = json!({ "facility": facility, "accreditation": accreditation, "places": places(4) });
    let payload = perform(hub, "operator", "submitAccreditation", fields, submission).await;
    expected["status"] = json!("SUBMITTED");
    expected["requested"] = places(4);
    expected["submittedAt"] = json!("2026-11-23T08:00:00.000Z");
    assert_eq!(payload["accreditation"], expected);

    let decision = json!({ "accreditation": accreditation, "outcome": "ACCREDITED", "actNumber": "Det. 12/2026" });
    let payload = perform(hub, "province", "decideAccreditation", fields, decision).await;
    expected["status"] = json!("ACCREDITED");
    expected["granted"] = places(4);
    expected["validFrom"] = json!("2026-11-23");
    expected["validUntil"] = json!("2029-11-22");
    expected["decidedAt"] = json!("2026-11-23T08:00:00.000Z");
    expected["actNumber"] = json!("Det. 12/2026");
    assert_eq!(payload["accreditation"], expected);
    accreditation
}

/// Suspends, reinstates and revokes.
async fn stop_accreditation(hub: &Client, facility: &str, accreditation: &str) {
    let fields = "accreditation { status reason actNumber } facility { accreditation { id } occupancy { allocable } }";
    let stop = json!({ "accreditation": accreditation, "reason": "Ispezione", "actNumber": "Det. 13" });
    let payload = perform(hub, "province", "suspendAccreditation", fields, stop.clone()).await;
    let stopped = |status| json!({ "status": status, "reason": "Ispezione", "actNumber": "Det. 13" });
    assert_eq!(payload["accreditation"], stopped("SUSPENDED"));
    assert_eq!(payload["facility"], json!({ "accreditation": null, "occupancy": { "allocable": 0 } }));

    let again = json!({ "accreditation": accreditation, "outcome": "ACCREDITED" });
    let payload = perform(hub, "province", "decideAccreditation", fields, again).await;
    assert_eq!(payload["accreditation"]["status"], "ACCREDITED");
    let in_force = json!({ "accreditation": { "id": accreditation }, "occupancy": { "allocable": 4 } });
    assert_eq!(payload["facility"], in_force);

    let payload = perform(hub, "province", "revokeAccreditation", fields, stop).await;
    assert_eq!(payload["accreditation"], stopped("REVOKED"));
    assert_eq!(ordinary_places(hub, facility).await["accredited"], 0);
}

#[tokio::test]
async fn checking_alone_writes_nothing_and_the_act_itself_does() {
    let world = World::new().await;
    let hub = world.hub().await;
    let stage = Stage::set(&hub, Setting::in_crotone(1, world.bodies.operator, world.bodies.province)).await;
    for order in stage.orders() {
        let before = books(&world).await;
        let selection = format!("{} {{ id }} outcome", order.case.thing);
        let only = json!({ "input": order.input, "only": true, "key": order.case.mutation });
        let checked = hub.order("province", order.case.mutation, &selection, only).await;
        let payload = &checked["data"][order.case.mutation];
        assert_eq!(payload["outcome"], "CHECKED", "{}: {payload:#}", order.case.mutation);
        assert_eq!(payload[order.case.thing], Value::Null, "{}", order.case.mutation);
        assert_eq!(books(&world).await, before, "{} was only to be checked", order.case.mutation);

        // The same order, with the same key, is now performed: the check has not used up the key.
        let performed = json!({ "input": order.input, "key": order.case.mutation });
        let performed = hub.order("province", order.case.mutation, &selection, performed).await;
        let payload = &performed["data"][order.case.mutation];
        assert!(payload[order.case.thing]["id"].is_string(), "{performed:#}");
        assert_eq!(payload["outcome"], "DONE", "{performed:#}");
        assert_ne!(books(&world).await, before, "{} was to be performed", order.case.mutation);
    }
    assert_books_agree(&world).await;
}

#[tokio::test]
async fn a_refused_act_leaves_no_gap_in_the_codes() {
    let world = World::new().await;
    let hub = world.hub().await;
    let stage = Stage::set(&hub, Setting::in_crotone(1, world.bodies.operator, world.bodies.province)).await;
    assert_eq!(stage.code, "KR-F-0001");
    let input = stage.orders().remove(0).input;
    let mut wrong = input.clone();
    wrong["municipality"] = json!("999999");
    let refused = hub.act("province", "registerFacility", "facility { code }", wrong).await;
    assert_eq!(refused["facility"], Value::Null);
    let accepted = hub.act("province", "registerFacility", "facility { code }", input).await;
    assert_eq!(accepted["facility"]["code"], "KR-F-0002");
}

#[tokio::test]
async fn an_order_with_the_same_key_is_performed_once_and_a_different_one_refused() {
    let world = World::new().await;
    let hub = world.hub().await;
    let stage = Stage::set(&hub, Setting::in_crotone(1, world.bodies.operator, world.bodies.province)).await;
    for order in stage.orders() {
        let selection = format!("{} {{ id }}", order.case.thing);
        let key = format!("ordine {}", order.case.mutation);
        let wanted = json!({ "input": order.input, "key": key });
        let first = hub.order("province", order.case.mutation, &selection, wanted.clone()).await;
        assert!(first["data"][order.case.mutation][order.case.thing]["id"].is_string(), "{first:#}");
        let after = books(&world).await;

        let again = hub.order("province", order.case.mutation, &selection, wanted).await;
        assert_eq!(again, first, "the answer is the first one");
        assert_eq!(books(&world).await, after, "{} is performed once", order.case.mutation);

        let different = json!({ "input": order.other, "key": key });
        let refused = hub.order("province", order.case.mutation, &selection, different).await;
        assert_eq!(refused["data"][order.case.mutation], Value::Null);
        assert_eq!(refused["errors"][0]["extensions"]["code"], "IDEMPOTENCY_KEY_REUSED", "{refused:#}");

        // A mere check is made afresh, whatever the key was used for.
        let check = json!({ "input": order.other, "key": key, "only": true });
        let checked = hub.order("province", order.case.mutation, &selection, check).await;
        assert!(checked.get("errors").is_none(), "{checked:#}");
        assert_eq!(checked["data"][order.case.mutation][order.case.thing], Value::Null);

        let another_act = hub.guest_order("province", &key).await;
        assert_eq!(another_act["errors"][0]["extensions"]["code"], "IDEMPOTENCY_KEY_REUSED", "{another_act:#}");
        assert_eq!(books(&world).await, after, "{}: a reused key writes nothing", order.case.mutation);
    }
    assert_books_agree(&world).await;
}

impl Client {
    /// Registers an invented adult under a key and hands back the whole response.
    async fn guest_order(&self, subject: &str, key: &str) -> Value {
        let order = json!({ "input": crate::harness::person(), "key": key });
        self.order(subject, "registerGuest", "guest { id }", order).await
    }
}

#[tokio::test]
async fn a_key_belongs_to_its_member_and_is_not_used_up_by_a_refusal() {
    let world = World::new().await;
    let hub = world.hub().await;
    let one = hub.guest_order("operator", "ospite 1").await;
    let other = hub.guest_order("other_operator", "ospite 1").await;
    let (one, other) = (text(&one["data"]["registerGuest"]["guest"]["id"]), &other["data"]["registerGuest"]);
    assert_eq!(other["irregularities"], json!([]));
    assert_ne!(text(&other["guest"]["id"]), one, "another member's key is another key");

    let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 1).await;
    let first = hub.guest("operator").await;
    let stay = text(&hub.admit("operator", &first, &facility).await["stay"]["id"]);
    let admission = json!({
        "input": { "guest": one, "facility": facility, "category": "ORDINARY" }, "key": "ingresso 1",
    });
    let refused = hub.order("operator", "admitGuest", "stay { id }", admission.clone()).await;
    assert_eq!(blocking(&refused["data"]["admitGuest"]), ["NO_FREE_PLACE"]);
    hub.act("operator", "dischargeGuest", "stay { id }", json!({ "stay": stay, "reason": "OTHER" })).await;
    let accepted = hub.order("operator", "admitGuest", "stay { id }", admission).await;
    assert!(accepted["data"]["admitGuest"]["stay"]["id"].is_string(), "{accepted:#}");

    for key in ["", &"k".repeat(201)] {
        let refused = hub.guest_order("operator", key).await;
        assert_eq!(refused["errors"][0]["extensions"]["code"], "BAD_REQUEST", "a key of {} bytes", key.len());
    }
    let longest = hub.guest_order("operator", &"k".repeat(200)).await;
    assert!(longest["data"]["registerGuest"]["guest"]["id"].is_string(), "{longest:#}");
    assert_books_agree(&world).await;
}

#[tokio::test]
async fn a_message_speaks_the_language_that_is_asked_for() {
    let world = World::new().await;
    let hub = world.hub().await;
    let document = "mutation($input: RegisterGuestInput!) { registerGuest(input: $input, validateOnly: true) {
        irregularities { message italian: message(language: IT) english: message(language: EN) legalReference } } }";
    let mut input = crate::harness::person();
    input["taxCode"] = json!("KFRCND96C12Z335X");
    let italian = "Il codice fiscale non è valido (carattere di controllo).";
    let english = "The tax code is not valid (check character).";
    for (accepted, message) in [
        ("", italian),
        ("it-IT,it;q=0.9,en;q=0.8", italian),
        ("en-GB,en;q=0.9,it;q=0.8", english),
        ("de,fr;q=0.9,en;q=0.5", english),
        ("de", italian),
        ("it;q=0.5, en;q=0.9", english),
    ] {
        let request = hub.http.post(format!("http://{}/graphql", hub.address)).bearer_auth(hub.token("province"));
        let request = request.header("accept-language", accepted);
        let body = json!({ "query": document, "variables": { "input": input } });
        let answer: Value = request.json(&body).send().await.unwrap().json().await.unwrap();
        let expected = json!([{
            "message": message, "italian": italian, "english": english, "legalReference": "DM 23/12/1976",
        }]);
        assert_eq!(answer["data"]["registerGuest"]["irregularities"], expected, "{accepted:?}");
    }
}

#[tokio::test]
async fn guests_stay_when_the_accreditation_is_suspended_and_are_not_hidden() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 3).await;
    let mut stays = Vec::new();
    for _ in 0..2 {
        let guest = hub.guest("operator").await;
        stays.push(text(&hub.admit("operator", &guest, &facility).await["stay"]["id"]));
    }
    let document = "query($id: ID!) { facility(by: { id: $id }) { accreditation { id } irregularities { code severity
        path message } stays(status: OPEN) { nodes { id } } } }";
    let data = hub.data("operator", document, json!({ "id": facility })).await;
    let accreditation = text(&data["facility"]["accreditation"]["id"]);
    assert_eq!(data["facility"]["irregularities"], json!([]));

    let stop = json!({ "accreditation": accreditation, "reason": "Verbale 4" });
    perform(&hub, "province", "suspendAccreditation", "accreditation { status }", stop).await;
    let expected = json!({
        "category": "ORDINARY", "accredited": 0, "installed": 3, "blocked": 0, "allocable": 0, "occupied": 2,
        "reserved": 0, "free": 0, "overCapacity": 2,
    });
    assert_eq!(ordinary_places(&hub, &facility).await, expected);
    let data = hub.data("operator", document, json!({ "id": facility })).await;
    assert_eq!(data["facility"]["stays"]["nodes"].as_array().unwrap().len(), 2);
    assert_eq!(
        data["facility"]["irregularities"],
        json!([{
            "code": "HOSTING_WITHOUT_ACCREDITATION", "severity": "WARN", "path": "capacity.ORDINARY",
            "message": "Ospiti presenti senza accreditamento in vigore (ORDINARY).",
        }])
    );
    // Leaving is always possible.
    let exit = json!({ "stay": stays[0], "reason": "OTHER" });
    perform(&hub, "operator", "dischargeGuest", "stay { status }", exit).await;
    assert_eq!(ordinary_places(&hub, &facility).await["overCapacity"], 1);

    // Places may be reduced to those taken, and not below.
    let installed = |installed: i32| json!({ "facility": facility, "category": "ORDINARY", "installed": installed });
    let refused = hub.act("operator", "installPlaces", "facility { id }", installed(0)).await;
    assert_eq!(codes(&refused), ["BELOW_OCCUPIED"]);
    perform(&hub, "operator", "installPlaces", "facility { id }", installed(1)).await;
    assert_books_agree(&world).await;
}

#[tokio::test]
async fn nothing_is_performed_of_a_request_that_is_not_valid_as_a_whole() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 4).await;
    let first = json!({ "facility": facility, "category": "ORDINARY", "installed": 3 });
    let document = |second: &str, kind: &str, argument: &str| {
        format!(
            "mutation($first: InstallPlacesInput!, $second: {kind}) {{
                first: installPlaces(input: $first) {{ facility {{ id }} }}
                second: {second}(input: {argument}) {{ irregularities {{ code }} }} }}"
        )
    };
    let discharge = |at: &str| json!({ "stay": "x", "reason": "OTHER", "occurredAt": at });
    let before = books(&world).await;
    for (document, second) in [
        (document("unblockPlaces", "UnblockPlacesInput!", "$second"), None),
        (document("unblockPlaces", "UnblockPlacesInput!", "$second"), Some(Value::Null)),
        (document("dischargeGuest", "DischargeGuestInput!", "$second"), Some(discharge("yesterday"))),
        (document("unblockPlaces", "ID", "{ block: $second }"), Some(json!("x"))),
        (document("unblockPlaces", "ID!", "{ block: $second, block: \"y\" }"), Some(json!("x"))),
        (document("unblockPlaces", "ID! @nothing", "{ block: $second }"), Some(json!("x"))),
    ] {
        let mut variables = json!({ "first": first });
        if let Some(second) = second {
            variables["second"] = second;
        }
        let answer = hub.send("province", &document, variables).await;
        assert!(answer.get("data").is_none(), "{document}\n{answer:#}");
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_REQUEST", "{answer:#}");
        assert_eq!(books(&world).await, before, "{document}");
    }
    // Of two operations, none is meant as long as none is named: what is missing of the one says nothing of the other.
    let two = format!("query Who {{ viewer {{ role }} }} {}", document("unblockPlaces", "ID!", "{ block: $second }"));
    let two = two.replacen("mutation", "mutation Both", 1);
    let answer = hub.send("province", &two, Value::Null).await;
    assert!(answer.get("data").is_none(), "{answer:#}");
    assert!(text(&answer["errors"][0]["message"]).contains("peration"), "{answer:#}");
    let whole = document("unblockPlaces", "ID!", "{ block: $second }");
    let answer = hub.send("province", &whole, json!({ "first": first, "second": 5 })).await;
    assert_eq!(answer["data"]["first"]["facility"]["id"], facility.as_str(), "{answer:#}");
    assert_eq!(codes(&answer["data"]["second"]), ["UNKNOWN_BLOCK"]);
}
