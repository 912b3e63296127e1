//! The listener's limits: how long a head, a body, an operation and a client that does not read may take, and how many
//! connections there are.

use std::{process::Stdio, time::Duration};

use reqwest::StatusCode;
use serde_json::{Value, json};
use tavolo::edge::Settings;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpStream,
    process::{ChildStderr, Command},
    time::timeout,
};

use crate::harness::{Client, PATIENCE, World, database_key_file, person};

const SOON: Duration = Duration::from_millis(100);

async fn connect(hub: &Client) -> TcpStream {
    TcpStream::connect(&hub.address).await.unwrap()
}

/// Everything that comes until the hub ends the connection.
async fn until_the_end(stream: &mut TcpStream) -> String {
    let mut received = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut received)).await.expect("the hub ends the connection");
    // A reset is an end as well.
    drop(ended);
    String::from_utf8_lossy(&received).into_owned()
}

#[tokio::test]
async fn a_head_that_does_not_come_ends_its_connection() {
    let world = World::new().await;
    let hub = world.hub_with(Settings { head_within: SOON, ..Settings::default() }).await;
    let mut stream = connect(&hub).await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    let received = until_the_end(&mut stream).await;
    assert!(!received.contains(" 200 "), "{received}");
}

#[tokio::test]
async fn a_head_has_32_kib_at_most_though_it_come_in_one_piece() {
    let world = World::new().await;
    let hub = world.hub().await;
    let fields = |bytes: usize| format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "a".repeat(bytes));
    let target = |bytes: usize| format!("GET /healthz?{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(bytes));
    for (head, status) in [
        (fields(30_000), "200"),
        (fields(33_000), "431"),
        (fields(40_000), "431"),
        (fields(60_000), "431"),
        (target(30_000), "200"),
        (target(40_000), "431"),
    ] {
        let mut stream = connect(&hub).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        timeout(PATIENCE, stream.read_exact(&mut answer)).await.expect("an answer").unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), format!("HTTP/1.1 {status}"), "{} bytes", head.len());
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let world = World::new().await;
    let hub = world.hub_with(Settings { body_within: SOON, ..Settings::default() }).await;
    let mut stream = connect(&hub).await;
    let head = "POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut answer)).await.expect("an answer").unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
}

#[tokio::test]
async fn a_body_is_as_long_as_the_settings_say() {
    let world = World::new().await;
    let hub = world.hub_with(Settings { body_bytes: 1_024, ..Settings::default() }).await;
    let ask = |bytes: usize| {
        let body = json!({ "query": "{ viewer { role } }", "operationName": null }).to_string();
        let padded = format!("{body}{}", " ".repeat(bytes - body.len()));
        let request = hub.http.post(format!("http://{}/graphql", hub.address));
        request.header("content-type", "application/json").body(padded).send()
    };
    assert_eq!(ask(1_024).await.unwrap().status(), StatusCode::OK);
    assert_eq!(ask(1_025).await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut_and_one_that_is_idle_is_not() {
    let world = World::new().await;
    let hub = world.hub_with(Settings { write_within: SOON, ..Settings::default() }).await;
    let mut idle = hub.socket("operator").await;
    let mut stream = connect(&hub).await;
    let request = b"GET /graphql/schema.graphql HTTP/1.1\r\nhost: x\r\n\r\n";
    // The contract again and again, until the buffers of both ends are full and the hub has had enough.
    let cut = async { while stream.write_all(request).await.is_ok() {} };
    timeout(PATIENCE, cut).await.expect("the hub cuts the connection");
    idle.send(json!({ "type": "ping" })).await;
    assert_eq!(idle.next().await["type"], "pong");
}

#[tokio::test]
async fn who_finds_no_place_waits_for_one() {
    let world = World::new().await;
    let hub = world.hub_with(Settings { connections: 1, ..Settings::default() }).await;
    let mut first = connect(&hub).await;
    let request = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut answer = [0; 15];
    first.write_all(request).await.unwrap();
    first.read_exact(&mut answer).await.unwrap();
    let mut second = connect(&hub).await;
    second.write_all(request).await.unwrap();
    assert!(timeout(SOON, second.read_exact(&mut answer)).await.is_err(), "there is one place");
    drop(first);
    timeout(PATIENCE, second.read_exact(&mut answer)).await.expect("a place").unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    // A socket holds its place as well.
    drop(second);
    let socket = hub.socket("operator").await;
    let mut third = connect(&hub).await;
    third.write_all(request).await.unwrap();
    assert!(timeout(SOON, third.read_exact(&mut answer)).await.is_err(), "the socket has it");
    drop(socket);
    timeout(PATIENCE, third.read_exact(&mut answer)).await.expect("a place").unwrap();
    drop(third);
}

#[tokio::test]
async fn an_operation_that_takes_too_long_is_given_up_and_an_act_goes_on() {
    let world = World::new().await;
    // The board is answered at the first look; the database never is.
    let hub = world.hub_with(Settings { request_within: Duration::ZERO, ..Settings::default() }).await;
    let patient = world.hub().await;
    hub.data("province", "{ municipalities { name } }", Value::Null).await;
    let ask = |document: &str, variables: Value| {
        let body = json!({ "query": document, "variables": variables });
        let request = hub.http.post(format!("http://{}/graphql", hub.address)).bearer_auth(hub.token("operator"));
        request.json(&body).send()
    };
    let response = ask("{ guests { nodes { id } } }", Value::Null).await.unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["errors"][0]["extensions"]["code"], "TIMEOUT");

    let register = "mutation($input: RegisterGuestInput!, $key: String) {
        registerGuest(input: $input, idempotencyKey: $key) { guest { id } irregularities { code } } }";
    let order = json!({ "input": person(), "key": "once" });
    let response = ask(register, order.clone()).await.unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["errors"][0]["extensions"]["code"], "OUTCOME_PENDING");
    // The same order, sent to a hub that has time, is answered from the act that was written; either way there is one.
    let data = patient.data("operator", register, order).await;
    assert!(data["registerGuest"]["guest"]["id"].is_string(), "{data}");
    let counted = patient.data("operator", "{ guests { totalCount } }", Value::Null).await;
    assert_eq!(counted["guests"]["totalCount"], 1);
}

#[tokio::test]
async fn a_hub_to_which_the_system_gives_no_more_sockets_goes_on_when_it_does_again() {
    let world = World::new().await;
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_tavolo")])
        .args(["--log-json", "--log", "info", "serve", "--listen", "127.0.0.1:0"])
        .args(["--mongodb-uri", &world.settings.uri, "--database", &world.settings.database])
        .env("TAVOLO_KEY_FILE", database_key_file())
        .kill_on_drop(true)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = told(&mut lines, "ready").await["address"].as_str().unwrap().to_owned();
    let mut open = Vec::new();
    for _ in 0..100 {
        open.push(TcpStream::connect(&address).await.unwrap());
    }
    told(&mut lines, "no connection can be accepted").await;
    drop(open);
    let answer = reqwest::get(format!("http://{address}/healthz")).await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "ok\n");
    child.kill().await.unwrap();
}

/// The fields of the next line of a log that says this.
async fn told(lines: &mut Lines<BufReader<ChildStderr>>, message: &str) -> Value {
    loop {
        let line = timeout(PATIENCE, lines.next_line()).await.expect("a line").unwrap().expect("the hub goes on");
        let mut line: Value = serde_json::from_str(&line).unwrap();
        if line["fields"]["message"] == message {
            return line["fields"].take();
        }
    }
}
