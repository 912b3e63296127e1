//! Exports: the same as the graph, in the shape a spreadsheet wants, and nothing the graph would not show.

use std::{
    io::{Cursor, Read},
    time::Duration,
};

use mongodb::bson::{Binary, Document, doc, spec::BinarySubtype};
use reqwest::{StatusCode, header};
use serde_json::{Value, json};
use tavolo::edge::Settings;
use tavolo_schema::{
    DataClass, Relation, Role,
    access::{counts_people, sees},
    id::fresh,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::{
    harness::{Client, World, text, until},
    stage::{Setting, Stage, accepted},
};

/// Every table, with the parameters it needs.
const TABLES: [&str; 5] =
    ["facilities", "occupancy-history?from=2026-11-01", "ledger", "statistics?from=2026-01-01&to=2026-06-30", "stays"];

/// Who asks, in which relation to the one facility: Crotone, run by `operator`, held by the Province.
const VIEWERS: [(&str, Role, Relation); 8] = [
    ("province", Role::Province, Relation::Holder),
    ("operator", Role::Operator, Relation::Keeper),
    ("other_operator", Role::Operator, Relation::Stranger),
    ("municipality", Role::Municipality, Relation::Territory),
    ("prefecture", Role::Prefecture, Relation::Stranger),
    ("central_service", Role::CentralService, Relation::Stranger),
    ("analyst", Role::Analyst, Relation::Holder),
    ("", Role::Public, Relation::Stranger),
];

async fn get(hub: &Client, subject: &str, path: &str) -> reqwest::Response {
    let mut request = hub.http.get(format!("http://{}/export/{path}", hub.address));
    if !subject.is_empty() {
        request = request.bearer_auth(hub.token(subject));
    }
    request.send().await.unwrap()
}

/// The address of a table in a format.
fn path(table: &str, format: &str) -> String {
    let (name, parameters) = table.split_once('?').unwrap_or((table, ""));
    format!("{name}.{format}?{parameters}")
}

/// The records of a table, the names of the columns first.
async fn records(hub: &Client, subject: &str, path: &str) -> Vec<Vec<String>> {
    let answer = get(hub, subject, path).await;
    assert_eq!(answer.status(), StatusCode::OK, "{subject} {path}");
    let bytes = answer.bytes().await.unwrap();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&bytes[..]);
    reader.records().map(|record| record.unwrap().iter().map(ToOwned::to_owned).collect()).collect()
}

/// A file within a spreadsheet.
fn part(spreadsheet: &[u8], name: &str) -> String {
    let mut archive = zip::ZipArchive::new(Cursor::new(spreadsheet)).unwrap();
    let mut text = String::new();
    archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
    text
}

async fn staged() -> (World, Client, Stage) {
    let world = World::new().await;
    let hub = world.hub().await;
    let stage = Stage::set(&hub, Setting::in_crotone(1, world.bodies.operator, world.bodies.province)).await;
    (world, hub, stage)
}

#[tokio::test]
async fn no_export_shows_more_than_the_graph() {
    let (_world, hub, stage) = staged().await;
    let mut shown = 0;
    for (subject, role, relation) in VIEWERS {
        let sight = sees(role, relation);
        for table in TABLES {
            let class = match table {
                "stays" => DataClass::Presence,
                history if history.starts_with("occupancy") => DataClass::Public,
                _ => DataClass::Operational,
            };
            let answer = get(&hub, subject, &path(table, "csv")).await;
            let (status, body) = (answer.status(), answer.text().await.unwrap());
            for secret in &stage.secrets {
                let hidden = !sight.contains(secret.class) && body.contains(&secret.text);
                assert!(!hidden, "{subject:?} is shown {} in {table}", secret.text);
                shown += i32::from(body.contains(&secret.text));
            }
            // Somebody whose role sees such things somewhere gets a table without rows.
            let somewhere = Relation::ALL.into_iter().any(|relation| sees(role, relation).contains(class));
            let refused = if table.starts_with("statistics") { !sight.contains(class) } else { !somewhere };
            let expected = match (refused, role) {
                (false, _) => StatusCode::OK,
                (true, Role::Public) => StatusCode::UNAUTHORIZED,
                _ => StatusCode::FORBIDDEN,
            };
            assert_eq!(status, expected, "{subject:?} {table}: {body}");
            if !refused && !table.starts_with("statistics") {
                // Of today's entries nothing is told before the day is over.
                let by_the_day = !counts_people(role) && table == "ledger";
                let rows = sight.contains(class) && !by_the_day;
                assert_eq!(body.lines().count() > 1, rows, "{subject:?} {table}: {body}");
            }
        }
    }
    assert!(shown > 10, "only {shown} secrets are shown to anybody");
}

#[tokio::test]
async fn a_table_says_what_the_graph_says() {
    let (_world, hub, stage) = staged().await;
    let rows = records(&hub, "province", "facilities.csv?category=ORDINARY").await;
    let column = |name: &str| rows[0].iter().position(|column| column == name).unwrap();
    let document =
        "query($id: ID!) { facility(by: { id: $id }) { code name address { street } capacity { category occupied
        blocked overCapacity } } }";
    let facility = hub.data("province", document, json!({ "id": stage.facility })).await["facility"].take();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[1][column("code")], text(&facility["code"]));
    assert_eq!(rows[1][column("street")], text(&facility["address"]["street"]));
    for name in ["occupied", "blocked", "overCapacity"] {
        assert_eq!(rows[1][column(name)], facility["capacity"][0][name].to_string(), "{name}");
    }
    let ledger = records(&hub, "prefecture", "ledger.csv?category=ORDINARY").await;
    let causes: Vec<&str> = ledger[1..].iter().map(|row| row[6].as_str()).collect();
    assert_eq!(causes[..4], ["ADMISSION", "DISCHARGE", "ADMISSION", "ADMISSION"], "in the order they occurred in");
    assert_eq!(causes.len(), 7, "and what was entered at one instant: {causes:?}");
    let [at, revision] = ["occurredAt", "revision"].map(|name| ledger[0].iter().position(|own| own == name).unwrap());
    let ordered = ledger[1..].is_sorted_by_key(|row| (row[at].clone(), row[revision].parse::<u32>().unwrap()));
    assert!(ordered, "entries of one instant are in the order of their pool's ledger: {ledger:?}");
    let stays = records(&hub, "operator", "stays.csv").await;
    assert_eq!(stays.len(), 4);
    let reasons: Vec<&str> = stays[1..].iter().map(|row| row[6].as_str()).collect();
    assert_eq!(reasons, ["CUSTODY", "", ""]);
    let without = records(&hub, "prefecture", "stays.csv").await;
    assert!(without[1..].iter().all(|row| row[6].is_empty()), "why they left is for those who may know who it was");
}

#[tokio::test]
async fn italian_excel_gets_its_own_dialect() {
    let (_world, hub, _) = staged().await;
    let answer = get(&hub, "province", "facilities.csv?dialect=excel-it").await;
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/csv; charset=utf-8; header=present");
    let disposition = "attachment; filename=\"tavolo-facilities-2026-11-23.csv\"";
    assert_eq!(answer.headers()[header::CONTENT_DISPOSITION], disposition);
    let bytes = answer.bytes().await.unwrap();
    assert!(bytes.starts_with(b"\xef\xbb\xbfcode;name;type;"));
    let text = std::str::from_utf8(&bytes).unwrap();
    assert!(text.lines().count() == 3 && text.matches("\r\n").count() == 3, "{text}");
    assert!(text.contains(";22/11/2029;") && text.contains(";VERO;") && text.contains(";0,5;EXACT\r\n"), "{text}");
    let ledger = get(&hub, "province", "ledger.csv?dialect=excel-it").await.text().await.unwrap();
    assert!(ledger.contains("\r\n23/11/2026 09:00:00;23/11/2026 09:00:00;"), "by the clock in Rome: {ledger}");
}

#[tokio::test]
async fn a_name_that_looks_like_a_formula_stays_a_name() {
    let world = World::new().await;
    let hub = world.hub().await;
    let name = "=HYPERLINK(\"http://example.org\")";
    let input = json!({
        "name": name, "type": "APARTMENT", "municipality": "101010",
        "address": { "street": "Via Po;@SUM(A1)", "number": "1", "postalCode": "88900" },
        "operator": world.bodies.operator.encode(), "holder": world.bodies.province.encode(),
    });
    accepted(&hub, "registerFacility", "facility", input).await;
    let rows = records(&hub, "province", "facilities.csv").await;
    assert_eq!((rows[1][1].as_str(), rows[1][5].as_str()), (format!("'{name}").as_str(), "Via Po;'@SUM(A1)"));
    let spreadsheet = get(&hub, "province", "facilities.xlsx").await.bytes().await.unwrap();
    let sheet = part(&spreadsheet, "xl/worksheets/sheet1.xml");
    assert!(sheet.contains("=HYPERLINK(") && !sheet.contains("<f>"), "{sheet}");
}

#[tokio::test]
async fn a_spreadsheet_has_types_and_tells_its_source() {
    let (_world, hub, _) = staged().await;
    let answer = get(&hub, "province", "ledger.xlsx?category=ORDINARY").await;
    assert_eq!(answer.headers()[header::CONTENT_DISPOSITION], "attachment; filename=\"tavolo-ledger-2026-11-23.xlsx\"");
    let spreadsheet = answer.bytes().await.unwrap();
    let sheet = part(&spreadsheet, "xl/worksheets/sheet1.xml");
    assert!(sheet.contains("state=\"frozen\"") && sheet.contains("<autoFilter ref=\"A1:P8\"/>"), "{sheet}");
    // 23 November 2026, nine o'clock in Rome, in days since 1900; the delta of a discharge.
    assert!(sheet.contains("<v>46349.375</v>") && sheet.contains("<v>-1</v>"), "{sheet}");
    assert_eq!(sheet.matches("<row ").count(), 8, "{sheet}");
    let source = part(&spreadsheet, "xl/worksheets/sheet2.xml");
    assert!(
        source.contains("/export/ledger") && source.contains("ORDINARY") && source.contains("46349.375"),
        "{source}"
    );
    let spreadsheet = get(&hub, "province", "facilities.xlsx").await.bytes().await.unwrap();
    // Two guests in four places.
    assert!(part(&spreadsheet, "xl/styles.xml").contains("formatCode=\"0.0%\""));
    let sheet = part(&spreadsheet, "xl/worksheets/sheet1.xml");
    let rate = sheet.split("<c ").find(|cell| cell.contains("<v>0.5</v>"));
    assert!(rate.is_some_and(|cell| cell.contains("s=\"")), "{sheet}");
    for table in TABLES {
        let answer = get(&hub, "province", &path(table, "xlsx")).await;
        assert_eq!(answer.status(), StatusCode::OK, "{table}");
        assert!(answer.bytes().await.unwrap().starts_with(b"PK"), "{table}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_before_the_first_byte() {
    let world = World::new().await;
    let hub = world.hub().await;
    hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 3).await;
    for (subject, path, status, code) in [
        ("", "stays.csv", StatusCode::UNAUTHORIZED, "UNAUTHENTICATED"),
        ("analyst", "stays.csv", StatusCode::FORBIDDEN, "FORBIDDEN"),
        ("nobody", "ledger.csv", StatusCode::FORBIDDEN, "FORBIDDEN"),
        ("", "occupancy-history.csv", StatusCode::BAD_REQUEST, "BAD_REQUEST"),
        ("", "occupancy-history.csv?from=yesterday", StatusCode::BAD_REQUEST, "BAD_REQUEST"),
        ("", "occupancy-history.xlsx?from=2020-01-01&every=HOUR", StatusCode::BAD_REQUEST, "BAD_REQUEST"),
        ("province", "ledger.csv?every=DAY", StatusCode::BAD_REQUEST, "BAD_REQUEST"),
        ("province", "ledger.csv?category=LARGE", StatusCode::BAD_REQUEST, "BAD_REQUEST"),
        ("province", "ledger.xlsx?dialect=excel-it", StatusCode::BAD_REQUEST, "BAD_REQUEST"),
        ("analyst", "statistics.csv?from=2026-01-01&to=2026-05-31", StatusCode::BAD_REQUEST, "BAD_REQUEST"),
        ("analyst", "statistics.xlsx?from=2026-07-01&to=2026-12-31", StatusCode::BAD_REQUEST, "BAD_REQUEST"),
    ] {
        let answer = get(&hub, subject, path).await;
        assert_eq!(answer.status(), status, "{path}");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["errors"][0]["extensions"]["code"], code, "{path}: {body}");
    }
    for path in ["guests.csv", "ledger.pdf", "ledger"] {
        assert_eq!(get(&hub, "province", path).await.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

/// A hub with more stays than all the buffers between it and a client hold.
async fn with_many_stays(settings: Settings) -> (World, Client) {
    let world = World::new().await;
    let hub = world.hub_with(settings).await;
    Stage::set(&hub, Setting::in_crotone(1, world.bodies.operator, world.bodies.province)).await;
    let stays = world.driver().await.collection::<Document>("stays");
    let one = stays.find_one(doc! { "status": "CLOSED" }).await.unwrap().expect("a stay that has ended");
    let others = (0..20_000).map(|_| {
        let bytes = fresh(hub.clock.now()).into_bytes().to_vec();
        let mut other = one.clone();
        other.insert("_id", Binary { subtype: BinarySubtype::Uuid, bytes });
        other
    });
    stays.insert_many(others).await.unwrap();
    (world, hub)
}

/// Asks for an export, reads the head of the answer, and no further. This system keeps little of the rest.
async fn slowly(hub: &Client, subject: &str, path: &str) -> (String, TcpStream) {
    let narrow = TcpSocket::new_v4().unwrap();
    narrow.set_recv_buffer_size(16 * 1024).unwrap();
    let mut stream = narrow.connect(hub.address.parse().unwrap()).await.unwrap();
    let token = hub.token(subject);
    let request = format!("GET /export/{path} HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    (String::from_utf8(head).unwrap(), stream)
}

#[tokio::test]
async fn one_member_has_two_exports_at_once_and_takes_none_from_others() {
    let (_world, hub) = with_many_stays(Settings::default()).await;
    let held = [slowly(&hub, "operator", "stays.csv").await, slowly(&hub, "operator", "stays.csv").await];
    assert!(held.iter().all(|(head, _)| head.starts_with("HTTP/1.1 200 ")), "{held:?}");
    let third = get(&hub, "operator", "facilities.csv").await;
    assert_eq!(
        (third.status(), &third.headers()[header::RETRY_AFTER]),
        (StatusCode::TOO_MANY_REQUESTS, &"30".parse().unwrap())
    );
    let body: Value = third.json().await.unwrap();
    assert_eq!(body["errors"][0]["extensions"]["code"], "UNAVAILABLE");
    for subject in ["other_operator", ""] {
        let path = if subject.is_empty() { "occupancy-history.csv?from=2026-11-01" } else { "facilities.csv" };
        assert_eq!(get(&hub, subject, path).await.status(), StatusCode::OK, "{subject}");
    }
    let [_one, other] = held;
    drop(other);
    until("whoever has gone leaves a place", || async {
        get(&hub, "operator", "facilities.csv").await.status() == StatusCode::OK
    })
    .await;
    let (head, _packed) = slowly(&hub, "operator", "stays.xlsx").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(get(&hub, "operator", "facilities.csv").await.status(), StatusCode::OK, "what is packed takes no place");
}

#[tokio::test]
async fn an_export_that_is_taken_too_slowly_is_cut_off() {
    let (_world, hub) =
        with_many_stays(Settings { export_within: Duration::from_millis(500), ..Settings::default() }).await;
    let mut held = [slowly(&hub, "operator", "stays.csv").await, slowly(&hub, "operator", "stays.csv").await];
    until("whoever is too slow leaves a place", || async {
        get(&hub, "operator", "facilities.csv").await.status() == StatusCode::OK
    })
    .await;
    let mut rest = Vec::new();
    // The connection is cut, in order or not, before the end of the last piece.
    let _ = held[0].1.read_to_end(&mut rest).await;
    assert!(!rest.is_empty() && !rest.ends_with(b"\r\n0\r\n\r\n"), "it looks whole");
}
