//! Hostile documents, sent as anybody can send them: each is refused with a code, and others go on being answered.

use serde_json::{Map, Value, json};

use crate::harness::{Client, World};

/// Sixty spreads on each of four levels: thirteen million fields in 1,600 bytes.
fn bomb() -> String {
    let level = |at: usize| format!("fragment f{at} on Query{{{}}}", format!("...f{} ", at + 1).repeat(60));
    let levels: String = (0..4).map(level).collect();
    format!("{{...f0}}{levels}fragment f4 on Query{{__typename}}")
}

/// A number in few characters, so that ten thousand fit into a request.
fn short(number: usize) -> String {
    let digit = |at: usize| char::from(b"abcdefghijklmnopqrstuvwxyz"[at % 26]);
    [digit(number / 676), digit(number / 26), digit(number)].iter().collect()
}

fn hostile() -> Vec<(&'static str, Value, &'static str)> {
    let aliases: String = (0..10_000).map(|number| format!("{}:id ", short(number))).collect();
    let declared: String = (0..8_000).map(|number| format!("${}:Int", short(number))).collect();
    let sent: Map<String, Value> = (0..5_000).map(|number| (short(number), json!(1))).collect();
    let document = |text: String| json!({ "query": text });
    let names = "name ".repeat(2_900);
    vec![
        ("a variable again and again", repeated_variable(), "TOO_COSTLY"),
        (
            "types of fields of types",
            document(format!("{{__schema{{types{{fields{{type{{fields{{{names}}}}}}}}}}}}}")),
            "TOO_COSTLY",
        ),
        ("behind an open string", document(format!("{{a(b:[\"\"\"x\"]) {}}}", "c ".repeat(30_000))), "BAD_REQUEST"),
        ("spreads", document(bomb()), "TOO_COSTLY"),
        ("aliases", document(format!("{{viewer{{{}}}}}", &aliases[..60_000])), "TOO_COSTLY"),
        ("declared variables", document(format!("query({declared}){{viewer{{role}}}}")), "TOO_COSTLY"),
        ("sent variables", json!({ "query": "{ viewer { role } }", "variables": sent }), "TOO_COSTLY"),
        ("levels", document("{a".repeat(30_000)), "TOO_COSTLY"),
        ("lists", document(format!("{{a(b:{}", "[".repeat(60_000))), "TOO_COSTLY"),
        ("objects", document(format!("{{a(b:{}", "{b:".repeat(20_000))), "TOO_COSTLY"),
        ("types", document(format!("query($v:{}", "[".repeat(60_000))), "TOO_COSTLY"),
        ("variables in each other", nested_variables(), "BAD_REQUEST"),
        ("negative lists", document("{ facilities(first: -5) { nodes { id } } }".into()), "BAD_REQUEST"),
        (
            "roots",
            document("subscription { a: occupancyChanged { kind } b: occupancyChanged { kind } }".into()),
            "BAD_REQUEST",
        ),
    ]
}

/// A variable of 29,000 values in 2,900 places: 84 million values, were it copied.
fn repeated_variable() -> Value {
    let query = format!("query($i:[Int]){{nodes(ids:[{}]){{id}}}}", "$i".repeat(2_900));
    json!({ "query": query, "variables": { "i": vec![0; 29_000] } })
}

/// Variables that the JSON of the body nests without end.
fn nested_variables() -> Value {
    let mut value = json!(1);
    for _ in 0..200 {
        value = json!([value]);
    }
    json!({ "query": "query($v: Int) { facilities(first: $v) { nodes { id } } }", "variables": { "v": value } })
}

async fn code(hub: &Client, body: &Value) -> Value {
    let request = hub.http.post(format!("http://{}/graphql", hub.address)).json(body);
    let mut answer: Value = request.send().await.unwrap().json().await.unwrap();
    answer["errors"][0]["extensions"]["code"].take()
}

#[tokio::test]
async fn each_hostile_document_is_refused_with_a_code() {
    let world = World::new().await;
    let hub = world.hub().await;
    for (name, body, expected) in hostile() {
        assert!(body.to_string().len() <= 64 * 1024, "{name} reaches the guard");
        assert_eq!(code(&hub, &body).await, expected, "{name}");
    }
    // Nor is a document that is known dearer the second time, or cheaper with other variables.
    let list = "query($n: Int = 100) { facilities(first: $n) { nodes { stays(first: $n) { nodes { guest { stays(first: $n) { nodes { id } } } } } } } }";
    for (variables, refused) in [(json!({ "n": 2 }), false), (json!({}), true), (json!({ "n": 2 }), false)] {
        let answer = hub.send("province", list, variables).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"] == "TOO_COSTLY", refused, "{answer}");
    }
}

#[tokio::test]
async fn others_are_answered_while_bombs_come() {
    let world = World::new().await;
    let hub = world.hub().await;
    let attack = {
        let hub = hub.clone();
        async move {
            for _ in 0..20 {
                for (name, body, expected) in hostile() {
                    assert_eq!(code(&hub, &body).await, expected, "{name}");
                }
            }
        }
    };
    let attack = tokio::spawn(attack);
    let mut answered = 0;
    while !attack.is_finished() {
        let data = hub.data("", "{ municipalities { name } }", Value::Null).await;
        assert!(!data["municipalities"].as_array().unwrap().is_empty());
        answered += 1;
    }
    attack.await.unwrap();
    assert!(answered >= 10, "the board was answered {answered} times");
}
