//! Lists: pages in both directions, orders and filters.

use serde_json::{Value, json};

use crate::harness::{Client, World, text};

/// Walks a list to its end in pages, forwards or backwards, and hands back the values of one field in list order.
async fn walked(hub: &Client, subject: &str, list: &str, field: &str, size: usize, forwards: bool) -> Vec<String> {
    let (count, cursor) = if forwards { ("first", "after") } else { ("last", "before") };
    let separator = if list.ends_with(')') { "" } else { "(" };
    let head = list.trim_end_matches(')');
    let glue = if separator.is_empty() { ", " } else { separator };
    let document = format!(
        "query($count: Int, $cursor: String) {{ list: {head}{glue}{count}: $count, {cursor}: $cursor) {{
            edges {{ cursor node {{ {field} }} }} nodes {{ {field} }}
            pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
    );
    let mut pages: Vec<Vec<String>> = Vec::new();
    let mut at = Value::Null;
    loop {
        let data = hub.data(subject, &document, json!({ "count": size, "cursor": at })).await;
        let page = &data["list"];
        let nodes: Vec<String> = page["nodes"].as_array().unwrap().iter().map(|node| text(&node[field])).collect();
        let edges = page["edges"].as_array().unwrap();
        assert_eq!(edges.iter().map(|edge| text(&edge["node"][field])).collect::<Vec<_>>(), nodes);
        assert!(!nodes.is_empty() && nodes.len() <= size, "{page:#}");
        let info = &page["pageInfo"];
        assert_eq!(info["startCursor"], edges[0]["cursor"]);
        assert_eq!(info["endCursor"], edges[edges.len() - 1]["cursor"]);
        let (more, behind) = if forwards {
            (&info["hasNextPage"], &info["hasPreviousPage"])
        } else {
            (&info["hasPreviousPage"], &info["hasNextPage"])
        };
        assert_eq!(behind, &json!(!pages.is_empty()), "{page:#}");
        assert!(pages.len() < 50, "the list never ends");
        at = if forwards { info["endCursor"].clone() } else { info["startCursor"].clone() };
        let goes_on = more == &json!(true);
        assert!(!goes_on || nodes.len() == size, "a page that is not the last is full: {page:#}");
        pages.push(nodes);
        if !goes_on {
            break;
        }
    }
    if !forwards {
        pages.reverse();
    }
    pages.concat()
}

/// Facilities with 1, 2, 3 … ordinary places, some with guests, and their codes.
async fn facilities(hub: &Client, world: &World, guests: &[usize]) -> Vec<String> {
    let mut codes = Vec::new();
    for (places, guests) in (1..).zip(guests) {
        let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", places).await;
        for _ in 0..*guests {
            let guest = hub.guest("operator").await;
            hub.admit("operator", &guest, &facility).await;
        }
        codes.push(format!("KR-F-{places:04}"));
    }
    codes
}

#[tokio::test]
async fn a_list_read_in_pages_is_the_whole_list_in_either_direction() {
    let world = World::new().await;
    let hub = world.hub().await;
    let codes = facilities(&hub, &world, &[0, 2, 0, 0, 1, 0, 2]).await;
    for size in [1, 2, 3, 7, 100] {
        for forwards in [true, false] {
            let found = walked(&hub, "operator", "facilities", "code", size, forwards).await;
            assert_eq!(found, codes, "pages of {size}, forwards: {forwards}");
        }
    }
    let guests = walked(&hub, "operator", "guests", "surname", 100, true).await;
    assert_eq!(guests.len(), 5);
    for size in [1, 2, 3] {
        for forwards in [true, false] {
            let found = walked(&hub, "operator", "guests", "surname", size, forwards).await;
            assert_eq!(found, guests, "pages of {size}, forwards: {forwards}");
        }
    }
    let accreditations = walked(&hub, "operator", "accreditations", "id", 100, true).await;
    assert_eq!(accreditations.len(), 7);
    let organisations = walked(&hub, "", "organisations", "name", 100, true).await;
    assert_eq!(organisations.len(), 6);
    let mut sorted = organisations.clone();
    sorted.sort_by_key(|name| name.to_lowercase());
    assert_eq!(organisations, sorted);
    for forwards in [true, false] {
        assert_eq!(walked(&hub, "operator", "accreditations", "id", 3, forwards).await, accreditations);
        assert_eq!(walked(&hub, "", "organisations", "name", 4, forwards).await, organisations);
    }

    let document = "query($after: String, $before: String) {
        facilities(first: 3, after: $after, before: $before) { totalCount nodes { code } edges { cursor }
        pageInfo { hasNextPage hasPreviousPage } } }";
    let whole = hub.data("operator", document, Value::Null).await;
    assert_eq!(whole["facilities"]["totalCount"], 7);
    let cursor = |index: usize| whole["facilities"]["edges"][index]["cursor"].clone();
    let between = hub.data("operator", document, json!({ "after": cursor(0), "before": cursor(2) })).await;
    assert_eq!(between["facilities"]["nodes"], json!([{ "code": "KR-F-0002" }]));
    assert_eq!(between["facilities"]["totalCount"], 7, "of the list, not of the page");
    let page_info = json!({ "hasNextPage": true, "hasPreviousPage": true });
    assert_eq!(between["facilities"]["pageInfo"], page_info);
    let reversed = hub.data("operator", document, json!({ "after": cursor(2), "before": cursor(0) })).await;
    assert_eq!(reversed["facilities"]["nodes"], json!([]));
}

#[tokio::test]
async fn the_stays_of_a_facility_come_in_pages_the_latest_first() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 5).await;
    let mut stays = Vec::new();
    for _ in 0..5 {
        let guest = hub.guest("operator").await;
        stays.insert(0, text(&hub.admit("operator", &guest, &facility).await["stay"]["id"]));
        world.clock.advance(std::time::Duration::from_millis(1));
    }
    let exit = json!({ "stay": stays[1], "reason": "OTHER" });
    hub.act("operator", "dischargeGuest", "stay { id }", exit).await;
    let document = "query($id: ID!, $first: Int, $after: String, $status: StayStatus) { facility(by: { id: $id }) {
        stays(first: $first, after: $after, status: $status) { nodes { id }
        pageInfo { hasNextPage hasPreviousPage endCursor } } } }";
    let mut found = Vec::new();
    let mut after = Value::Null;
    for more in [true, true, false] {
        let variables = json!({ "id": facility, "first": 2, "after": after });
        let data = hub.data("operator", document, variables).await;
        let page = &data["facility"]["stays"];
        assert_eq!(page["pageInfo"]["hasNextPage"], more);
        assert_eq!(page["pageInfo"]["hasPreviousPage"], !found.is_empty());
        found.extend(page["nodes"].as_array().unwrap().iter().map(|node| text(&node["id"])));
        after = page["pageInfo"]["endCursor"].clone();
    }
    assert_eq!(found, stays);
    let closed = hub.data("operator", document, json!({ "id": facility, "status": "CLOSED" })).await;
    assert_eq!(closed["facility"]["stays"]["nodes"], json!([{ "id": stays[1] }]));
    let open = hub.data("operator", document, json!({ "id": facility, "status": "OPEN" })).await;
    assert_eq!(open["facility"]["stays"]["nodes"].as_array().unwrap().len(), 4);
    let backwards = "query($id: ID!, $last: Int, $before: String, $after: String) { facility(by: { id: $id }) {
        stays(last: $last, before: $before, after: $after) { nodes { id }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }";
    let (mut found, mut before) = (Vec::new(), Value::Null);
    for more in [true, true, false] {
        let variables = json!({ "id": facility, "last": 2, "before": before });
        let data = hub.data("operator", backwards, variables).await;
        let page = &data["facility"]["stays"];
        assert_eq!(page["pageInfo"]["hasPreviousPage"], more);
        assert_eq!(page["pageInfo"]["hasNextPage"], !found.is_empty());
        let ids: Vec<String> = page["nodes"].as_array().unwrap().iter().map(|node| text(&node["id"])).collect();
        found.splice(0..0, ids);
        before = page["pageInfo"]["startCursor"].clone();
    }
    assert_eq!(found, stays);
    let between = json!({ "id": facility, "last": 9, "after": before });
    let between = hub.data("operator", backwards, between).await;
    assert_eq!(between["facility"]["stays"]["nodes"].as_array().unwrap().len(), 4, "all but the first");
}

#[tokio::test]
async fn the_stays_of_a_guest_come_from_either_end() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 5).await;
    let guest = hub.guest("operator").await;
    let mut stays = Vec::new();
    for reason in ["OTHER", "TERM_EXPIRED", "REVOKED"] {
        let stay = text(&hub.admit("operator", &guest, &facility).await["stay"]["id"]);
        world.clock.advance(std::time::Duration::from_millis(1));
        hub.act("operator", "dischargeGuest", "stay { id }", json!({ "stay": stay, "reason": reason })).await;
        world.clock.advance(std::time::Duration::from_millis(1));
        stays.insert(0, stay);
    }
    let document = "query($id: ID!, $first: Int, $last: Int) { guest(by: { id: $id }) {
        stays(first: $first, last: $last) { nodes { id } pageInfo { hasNextPage hasPreviousPage } } } }";
    for subject in ["operator", "province"] {
        for (end, expected, next, previous) in [("first", &stays[..2], true, false), ("last", &stays[1..], false, true)]
        {
            let data = hub.data(subject, document, json!({ "id": guest, end: 2 })).await;
            let page = &data["guest"]["stays"];
            let ids: Vec<String> = page["nodes"].as_array().unwrap().iter().map(|node| text(&node["id"])).collect();
            assert_eq!(ids, expected, "{subject} {end}");
            let page_info = json!({ "hasNextPage": next, "hasPreviousPage": previous });
            assert_eq!(page["pageInfo"], page_info, "{subject} {end}");
        }
    }
}

#[tokio::test]
async fn a_page_has_one_to_a_hundred_nodes_and_a_cursor_of_its_own_list() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 1).await;
    let organisations = hub.data("", "{ organisations(first: 1) { pageInfo { endCursor } } }", Value::Null).await;
    let foreign = text(&organisations["organisations"]["pageInfo"]["endCursor"]);
    let refused = async |list: &str, arguments: &str| {
        let nested = list == "stays";
        let list = format!("{list}({arguments}) {{ nodes {{ id }} }}");
        let document = if nested {
            format!("{{ facility(by: {{ id: \"{facility}\" }}) {{ {list} }} }}")
        } else {
            format!("{{ {list} }}")
        };
        let answer = hub.send("operator", &document, Value::Null).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_REQUEST", "{document}\n{answer:#}");
        assert_eq!(answer["errors"].as_array().unwrap().len(), 1);
        // The rest of the answer is not taken along.
        assert!(answer["data"].is_object(), "{answer:#}");
    };
    for list in ["facilities", "guests", "organisations", "accreditations", "stays"] {
        for first in [0, 101, -1, i32::MIN] {
            refused(list, &format!("first: {first}")).await;
            refused(list, &format!("last: {first}")).await;
        }
        refused(list, "after: \"nonsense\"").await;
        refused(list, "after: \"\"").await;
        refused(list, "first: 1, last: 1").await;
        refused(list, "before: \"W10\"").await;
        if list != "organisations" {
            refused(list, &format!("after: \"{foreign}\"")).await;
        }
    }
}

#[tokio::test]
async fn facilities_are_ordered_by_what_is_asked_and_by_code_where_that_is_equal() {
    let world = World::new().await;
    let hub = world.hub().await;
    // Places 1 to 6; free 1, 1, 3, 1, 5, 5; rates 0, 1/2, 0, 3/4, 0, 1/6.
    let codes = facilities(&hub, &world, &[0, 1, 0, 3, 0, 1]).await;
    let bare = json!({
        "name": "aaa senza posti", "type": "APARTMENT", "municipality": "101010",
        "address": { "street": "Via Vuota", "number": "1", "postalCode": "88900" },
        "operator": world.bodies.operator.encode(), "holder": world.bodies.province.encode(),
    });
    let payload = hub.act("province", "registerFacility", "facility { id code }", bare).await;
    let mut by_code = codes;
    by_code.push(text(&payload["facility"]["code"]));
    for (code, name) in by_code.iter().zip(["delta", "Alfa", "echo", "alfa", "Charlie", "bravo"]) {
        let found = hub
            .data("province", "query($c: String!) { facility(by: { code: $c }) { id } }", json!({ "c": code }))
            .await;
        let input = json!({ "facility": found["facility"]["id"], "name": name });
        hub.act("province", "reviseFacility", "facility { id }", input).await;
    }
    let of = |numbers: &[usize]| -> Vec<String> { numbers.iter().map(|number| by_code[number - 1].clone()).collect() };
    for (field, ascending) in [
        ("CODE", of(&[1, 2, 3, 4, 5, 6, 7])),
        ("NAME", of(&[7, 2, 4, 6, 5, 1, 3])),
        ("FREE_PLACES", of(&[7, 1, 2, 4, 3, 5, 6])),
        ("OCCUPANCY", of(&[7, 1, 3, 5, 6, 2, 4])),
    ] {
        let mut descending = ascending.clone();
        descending.reverse();
        for (direction, expected) in [("ASC", &ascending), ("DESC", &descending)] {
            let list = format!("facilities(orderBy: {{ field: {field}, direction: {direction} }})");
            for size in [100, 3, 2] {
                for forwards in [true, false] {
                    let found = walked(&hub, "prefecture", &list, "code", size, forwards).await;
                    assert_eq!(found, *expected, "{field} {direction}, pages of {size}, forwards: {forwards}");
                }
            }
        }
    }
}

#[tokio::test]
async fn facilities_are_found_by_each_filter_and_by_all_together() {
    let world = World::new().await;
    let hub = world.hub().await;
    let bodies = &world.bodies;
    // 1: full of one guest. 2: two places for minors. 3: of the other operator, suspended. 4: in Cutro, nothing yet.
    facilities(&hub, &world, &[1]).await;
    hub.facility(bodies.operator, bodies.municipality, "UNACCOMPANIED_MINOR", 2).await;
    let third = hub.facility(bodies.other_operator, bodies.province, "ORDINARY", 3).await;
    let document = "query($id: ID!) { facility(by: { id: $id }) { accreditation { id } } }";
    let found = hub.data("province", document, json!({ "id": third })).await;
    let stop = json!({ "accreditation": found["facility"]["accreditation"]["id"], "reason": "Verbale 5" });
    hub.act("province", "suspendAccreditation", "facility { id }", stop).await;
    let cutro = json!({
        "name": "Casa dell'Àncora", "type": "COLLECTIVE_CENTRE", "municipality": "101012",
        "address": { "street": "Via Nuova", "number": "1", "postalCode": "88842" },
        "operator": bodies.operator.encode(), "holder": bodies.province.encode(), "projectCode": "PROG-77",
    });
    hub.act("province", "registerFacility", "facility { id }", cutro).await;

    let operator = bodies.operator.encode();
    for (filter, expected) in [
        (json!({}), vec![1, 2, 3, 4]),
        (json!({ "municipality": "101010" }), vec![1, 2, 3]),
        (json!({ "municipality": "101012" }), vec![4]),
        (json!({ "municipality": "101001" }), vec![]),
        (json!({ "municipality": "Crotone" }), vec![]),
        (json!({ "operator": operator }), vec![1, 2, 4]),
        (json!({ "category": "ORDINARY" }), vec![1, 3]),
        (json!({ "category": "UNACCOMPANIED_MINOR" }), vec![2]),
        (json!({ "category": "MENTAL_HEALTH_OR_DISABILITY" }), vec![]),
        (json!({ "freePlacesAtLeast": 0 }), vec![1, 2, 3, 4]),
        (json!({ "freePlacesAtLeast": 1 }), vec![2]),
        (json!({ "freePlacesAtLeast": 2 }), vec![2]),
        (json!({ "freePlacesAtLeast": 3 }), vec![]),
        (json!({ "freePlacesAtLeast": 1, "category": "ORDINARY" }), vec![]),
        (json!({ "accreditationStatus": "ACCREDITED" }), vec![1, 2]),
        (json!({ "accreditationStatus": "SUSPENDED" }), vec![3]),
        (json!({ "accreditationStatus": "EXPIRED" }), vec![]),
        (json!({ "text": "kr-f-0003" }), vec![3]),
        (json!({ "text": "àNCORA" }), vec![4]),
        (json!({ "text": "prog-7" }), vec![4]),
        (json!({ "text": "CUTRO" }), vec![4]),
        (json!({ "text": "88842" }), vec![]),
        (json!({ "text": ".*" }), vec![]),
        (json!({ "text": "" }), vec![1, 2, 3, 4]),
        (
            json!({ "municipality": "101010", "operator": operator, "accreditationStatus": "ACCREDITED", "text": "casa" }),
            vec![1, 2],
        ),
    ] {
        let document = "query($filter: FacilityFilter) { facilities(filter: $filter) { totalCount nodes { code } } }";
        let data = hub.data("central_service", document, json!({ "filter": filter })).await;
        let nodes = data["facilities"]["nodes"].as_array().unwrap();
        let found: Vec<String> = nodes.iter().map(|node| text(&node["code"])).collect();
        let codes: Vec<String> = expected.iter().map(|number| format!("KR-F-{number:04}")).collect();
        assert_eq!(found, codes, "{filter}");
        assert_eq!(data["facilities"]["totalCount"], found.len(), "{filter}");
    }
    let accreditations = async |filter: Value| {
        let document = "query($filter: AccreditationFilter) { accreditations(filter: $filter) { totalCount } }";
        hub.data("analyst", document, json!({ "filter": filter })).await["accreditations"]["totalCount"].as_u64()
    };
    assert_eq!(accreditations(json!({})).await, Some(3));
    assert_eq!(accreditations(json!({ "status": "SUSPENDED" })).await, Some(1));
    assert_eq!(accreditations(json!({ "facility": third })).await, Some(1));
    assert_eq!(accreditations(json!({ "expiresUntil": "2029-11-21" })).await, Some(0));
    assert_eq!(accreditations(json!({ "expiresUntil": "2029-11-22" })).await, Some(2), "of those in force");
}
