//! The commands, run as anybody runs them: the binary, its output, its exit code and its one line of error.

use std::{path::Path, process::Output};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    process::{Child, Command},
};

use crate::harness::{OwnDatabase, SIGNER, World, database_key_file, key_file, mongodb_uri};

/// The binary with these arguments and no variable of its own from outside.
pub fn tavolo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tavolo"));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("TAVOLO_")) {
            command.env_remove(name);
        }
    }
    command.args(arguments).env("TAVOLO_LOG", "error").kill_on_drop(true);
    // No file of whoever runs the tests is read or made.
    command.env("TAVOLO_KEY_FILE", database_key_file());
    command
}

/// What a command that succeeds prints.
pub async fn prints(arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = tavolo(arguments).output().await.unwrap();
    assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

/// The one line of a command that fails, without its beginning.
async fn complaint(arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = tavolo(arguments).output().await.unwrap();
    let error = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{arguments:?}: {}{error}", String::from_utf8_lossy(&stdout));
    let line = error.strip_suffix('\n').unwrap_or_else(|| panic!("{arguments:?}: {error:?}"));
    assert!(!line.contains('\n'), "{arguments:?}: {error}");
    line.strip_prefix("tavolo: ").unwrap_or_else(|| panic!("{arguments:?}: {error:?}")).to_owned()
}

/// A database for commands.
struct Target {
    database: OwnDatabase,
}

impl Target {
    fn new() -> Self {
        Self { database: OwnDatabase::new() }
    }

    /// One that has been migrated: no other command makes a database.
    async fn migrated() -> Self {
        let target = Self::new();
        target.prints(&["migrate"]).await;
        target
    }

    fn arguments<'a>(&'a self, command: &[&'a str]) -> Vec<&'a str> {
        let uri: &'static str = Box::leak(mongodb_uri().into_boxed_str());
        [command, &["--mongodb-uri", uri, "--database", self.database.name()]].concat()
    }

    async fn prints(&self, command: &[&str]) -> String {
        prints(&self.arguments(command)).await
    }

    async fn complaint(&self, command: &[&str]) -> String {
        complaint(&self.arguments(command)).await
    }
}

const PROVINCE: [&str; 7] =
    ["organisation", "--name", "Provincia di Crotone", "--kind", "province", "--tax-code", "91000020791"];

#[tokio::test]
async fn schema_prints_the_contract() {
    let printed = prints(&["schema"]).await;
    assert_eq!(printed, tavolo_resolvers::Graph::sdl());
    assert!(printed.contains("type Mutation"));
}

#[tokio::test]
async fn token_makes_a_private_key_once_and_signs_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key.pem");
    let path = key.to_str().unwrap();
    let jwks: Value = serde_json::from_str(&prints(&["token", "--key", path, "--jwks"]).await).unwrap();
    assert_eq!(jwks["keys"].as_array().unwrap().len(), 1);
    assert_eq!((&jwks["keys"][0]["kty"], &jwks["keys"][0]["d"]), (&json!("EC"), &Value::Null), "no private part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    let token = prints(&["token", "--key", path, "--subject", "maria", "--hours", "2"]).await;
    let set: jsonwebtoken::jwk::JwkSet = serde_json::from_value(jwks.clone()).unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(&set.keys[0]).unwrap();
    let validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
    let claims = jsonwebtoken::decode::<Value>(token.trim_end(), &key, &validation).unwrap().claims;
    assert_eq!(claims["sub"], "maria");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 7_200);
    let again: Value = serde_json::from_str(&prints(&["token", "--key", path, "--jwks"]).await).unwrap();
    assert_eq!(again, jwks);

    std::fs::write(folder.path().join("no.pem"), "no key").unwrap();
    let no_key = folder.path().join("no.pem");
    let line = complaint(&["token", "--key", no_key.to_str().unwrap(), "--subject", "x"]).await;
    assert!(line.contains("PEM"), "{line}");
    let nowhere = folder.path().join("nowhere/key.pem");
    let line = complaint(&["token", "--key", nowhere.to_str().unwrap(), "--subject", "x"]).await;
    assert!(line.contains("nowhere/key.pem"), "{line}");
}

#[tokio::test]
async fn members_are_added_listed_and_removed() {
    let target = Target::migrated().await;
    let id = target.prints(&PROVINCE).await;
    let add = |role| ["member", "add", "--subject", "maria", "--role", role, "--organisation", "91000020791"];
    target.prints(&add("analyst")).await;
    target.prints(&add("province")).await;
    assert_eq!(target.prints(&["member", "list"]).await, format!("maria\tPROVINCE\t{id}"));
    target.prints(&["member", "remove", "--subject", "maria"]).await;
    assert_eq!(target.prints(&["member", "list"]).await, "");
    let line = target.complaint(&["member", "remove", "--subject", "maria"]).await;
    assert_eq!(line, "maria is no member");
    let unknown = ["member", "add", "--subject", "x", "--role", "operator", "--organisation", "00000000000"];
    let line = target.complaint(&unknown).await;
    assert_eq!(line, "there is no organisation with tax code 00000000000");
}

#[tokio::test]
async fn an_organisation_is_registered_once_and_with_a_valid_tax_code() {
    let target = Target::migrated().await;
    let id = target.prints(&PROVINCE).await;
    assert!(tavolo_schema::id::OrganisationId::decode(id.trim_end()).is_some(), "{id}");
    let line = target.complaint(&PROVINCE).await;
    assert!(line.contains("91000020791") && line.contains("registered"), "{line}");
    let mut wrong = PROVINCE;
    wrong[6] = "91000020795";
    let line = target.complaint(&wrong).await;
    assert_eq!(line, "91000020795 is no valid tax code");
    let nowhere = [
        "organisation",
        "--name",
        "Comune",
        "--kind",
        "municipality",
        "--tax-code",
        "00297110793",
        "--municipality",
        "999999",
    ];
    let line = target.complaint(&nowhere).await;
    assert!(line.contains("999999"), "{line}");
}

#[tokio::test]
async fn a_seeded_database_passes_the_check_and_a_falsified_one_does_not() {
    let target = Target::migrated().await;
    let printed = target.prints(&["seed", "--facilities", "12", "--guests", "60"]).await;
    assert_eq!(printed, "done\n");
    let printed = target.prints(&["check"]).await;
    assert!(printed.starts_with("12 pools, ") && printed.ends_with(" open stays\n"), "{printed}");
    let driver = mongodb::Client::with_uri_str(mongodb_uri()).await.unwrap().database(target.database.name());
    use mongodb::bson::{Document, doc};
    let pools = driver.collection::<Document>("pools");
    pools.update_one(doc! {}, doc! { "$inc": { "occupied": 1 } }).await.unwrap();
    let output = tavolo(&target.arguments(&["check"])).output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines[0].starts_with("KR-F-0") && lines[0].ends_with(" in the ledger"), "{printed}");
    assert!(lines[1].starts_with("KR-F-0") && lines[1].ends_with(" open stays"), "{printed}");
    assert!(lines[..2].iter().all(|line| line.contains(" ORDINARY: occupied: ")), "{printed}");
    let line = "tavolo: the books of 1 pool do not agree: see `tavolo repair`\n";
    assert_eq!(String::from_utf8(output.stderr).unwrap(), line);
    let granted = doc! { "$inc": { "occupied": -1, "grants.0.places": 1 } };
    pools.update_one(doc! {}, granted).await.unwrap();
    let output = tavolo(&target.arguments(&["check"])).output().await.unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.lines().next().unwrap().contains(": accredited: "), "{printed}");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), line);
}

#[tokio::test]
async fn migrate_brings_the_schema_and_the_municipalities_of_a_file() {
    let target = Target::new();
    let version = tavolo_store::SCHEMA_VERSION;
    assert_eq!(target.prints(&["migrate"]).await, format!("schema {version}, before 0; 27 municipalities\n"));
    assert_eq!(target.prints(&["migrate"]).await, format!("schema {version}; 27 municipalities\n"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("municipalities.csv");
    let head = "istat_code,name,cadastral_code,postal_code,population_2011,province,region\n";
    std::fs::write(&file, format!("{head}101010,Crotone Nuova,D122,88900,58881,KR,Calabria\n")).unwrap();
    let path = file.to_str().unwrap();
    let printed = target.prints(&["migrate", "--municipalities", path]).await;
    assert_eq!(printed, format!("schema {version}; 1 municipality\n"));
    std::fs::write(&file, "a,b\n1,2\n").unwrap();
    let line = target.complaint(&["migrate", "--municipalities", path]).await;
    assert!(line.starts_with("reference data: "), "{line}");
    let missing = folder.path().join("missing.csv");
    let line = target.complaint(&["migrate", "--municipalities", missing.to_str().unwrap()]).await;
    assert!(line.contains("missing.csv"), "{line}");
}

#[tokio::test]
async fn what_is_typed_wrong_is_answered_with_one_line_or_the_usage() {
    for (arguments, named) in [
        (&["nonsense"][..], "nonsense"),
        (&["serve", "--mongodb-uri", "mongodb://x/", "--listen", "nowhere"], "--listen"),
        (&["serve", "--mongodb-uri", "mongodb://x/", "--keys", "a", "--jwks", "b"], "--jwks"),
        (&["check"], "--mongodb-uri"),
        (&["member", "add", "--role", "king"], "king"),
        (&["token", "--key", "x"], "--subject"),
        (&["serve", "--mongodb-uri", "mongodb://x/", "--origins", "*"], "--origins"),
        (&["serve", "--mongodb-uri", "mongodb://x/", "--trusted-proxies", "proxy"], "--trusted-proxies"),
        (&["serve", "--mongodb-uri", "mongodb://x/", "--member-budget", "0"], "--member-budget"),
        (&["serve", "--mongodb-uri", "mongodb://x/", "--trusted-only"], "--documents"),
    ] {
        let Output { status, stdout, stderr } = tavolo(arguments).output().await.unwrap();
        let error = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(named), "{arguments:?}: {error}");
        assert_eq!(stdout, b"");
    }
    let line = complaint(&["check", "--mongodb-uri", "nonsense"]).await;
    assert!(line.starts_with("TAVOLO_MONGODB_URI is not a MongoDB address"), "{line}");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    let target = Target::new();
    let line = target.complaint(&["serve", "--listen", &taken]).await;
    assert!(line.starts_with(&format!("cannot listen on {taken}")), "{line}");
    let line = target.complaint(&["serve", "--listen", "127.0.0.1:0", "--keys", "/no/such/file"]).await;
    assert!(line.contains("/no/such/file"), "{line}");
    let line = target.complaint(&["serve", "--listen", "127.0.0.1:0", "--jwks", "http://127.0.0.1:1/keys"]).await;
    assert!(line.contains("http://127.0.0.1:1/keys"), "{line}");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("wrong.graphql"), "{ nothing }").unwrap();
    let documents = folder.path().to_str().unwrap();
    let line = target.complaint(&["serve", "--listen", "127.0.0.1:0", "--documents", documents]).await;
    assert!(line.contains("wrong.graphql is no document for this hub: ") && line.contains("nothing"), "{line}");
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let line = target.complaint(&["serve", "--listen", "127.0.0.1:0", "--keys", manifest.to_str().unwrap()]).await;
    assert!(line.contains("neither a JWKS nor a public key"), "{line}");
}

/// A hub in a process of its own.
pub struct Served {
    child: Child,
    address: String,
}

impl Served {
    /// Starts `tavolo serve` and waits until its log says that it is ready.
    pub async fn start(world: &World, more: &[&str]) -> Self {
        let database = ["--mongodb-uri", &world.settings.uri, "--database", &world.settings.database];
        let arguments =
            [&["--log-json", "--log", "info", "serve", "--listen", "127.0.0.1:0"], &database[..], more].concat();
        let mut child = tavolo(&arguments).stderr(std::process::Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = loop {
            let line = lines.next_line().await.unwrap().expect("the hub gets ready");
            let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
            if line["fields"]["message"] == "ready" {
                break line["fields"]["address"].as_str().unwrap().to_owned();
            }
        };
        // Whoever closes its end of the log would end the hub by its next line.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { child, address }
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    async fn role(&self, token: Option<&str>) -> Value {
        let mut request = reqwest::Client::new().post(format!("http://{}/graphql", self.address));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let body = json!({ "query": "{ viewer { role } }" });
        let answer: Value = request.json(&body).send().await.unwrap().json().await.unwrap();
        answer["data"]["viewer"]["role"].clone()
    }

    /// Asks the process to end, as a service manager does, and expects it to do so in good order.
    pub async fn stop(mut self) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
        assert!(self.child.wait().await.unwrap().success());
    }
}

/// A token of the harness's key that is good now, by the clock of this machine: the binary has no other.
pub fn token_now(subject: &str) -> String {
    SIGNER.sign(subject, tavolo::system_clock().now(), 600).unwrap()
}

#[tokio::test]
async fn serve_checks_tokens_with_the_keys_of_a_file() {
    let world = World::new().await;
    let keys = key_file();
    let hub = Served::start(&world, &["--keys", keys.to_str().unwrap()]).await;
    assert_eq!(hub.role(None).await, "PUBLIC");
    assert_eq!(hub.role(Some(&token_now("prefecture"))).await, "PREFECTURE");
    assert_eq!(hub.role(Some(&token_now("stranger"))).await, Value::Null);
    hub.stop().await;
}

/// An identity provider: answers every request with the harness's keys.
async fn identity_provider() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/keys", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let keys = SIGNER.jwks().unwrap();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => request.push(byte),
                    Err(_) => break,
                }
            }
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", keys.len());
            stream.write_all(format!("{head}{keys}").as_bytes()).await.unwrap();
        }
    });
    address
}

#[tokio::test]
async fn serve_checks_tokens_with_the_keys_of_an_address_and_demands_what_it_was_told_to() {
    let world = World::new().await;
    let provider = identity_provider().await;
    let hub = Served::start(&world, &["--jwks", &provider]).await;
    assert_eq!(hub.role(Some(&token_now("operator"))).await, "OPERATOR");
    hub.stop().await;
    let strict =
        Served::start(&world, &["--jwks", &provider, "--issuer", "https://id.example", "--audience", "tavolo"]).await;
    assert_eq!(strict.role(Some(&token_now("operator"))).await, Value::Null, "the token names no issuer");
    assert_eq!(strict.role(None).await, "PUBLIC");
    strict.stop().await;
}

#[tokio::test]
async fn two_processes_show_the_change_that_one_of_them_made() {
    let world = World::new().await;
    let keys = key_file();
    let keys = ["--keys", keys.to_str().unwrap()];
    let (one, other) = (Served::start(&world, &keys).await, Served::start(&world, &keys).await);
    let document = "mutation($input: RegisterFacilityInput!) { registerFacility(input: $input) { facility { code } } }";
    let input = json!({
        "name": "Casa", "type": "APARTMENT", "municipality": "101010",
        "address": { "street": "Via Roma", "number": "1", "postalCode": "88900" },
        "operator": world.bodies.operator.encode(), "holder": world.bodies.municipality.encode(),
    });
    let ask = async |hub: &Served, body: Value| -> Value {
        let request = reqwest::Client::new().post(format!("http://{}/graphql", hub.address));
        request.bearer_auth(token_now("province")).json(&body).send().await.unwrap().json().await.unwrap()
    };
    let answer = ask(&one, json!({ "query": document, "variables": { "input": input } })).await;
    let code = answer["data"]["registerFacility"]["facility"]["code"].clone();
    assert_eq!(code, "KR-F-0001");
    crate::harness::until("the other process shows it", || async {
        let answer = ask(&other, json!({ "query": "{ facilities { nodes { code } } }" })).await;
        answer["data"]["facilities"]["nodes"][0]["code"] == code
    })
    .await;
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn the_demonstration_has_a_year_behind_it_and_its_books_agree() {
    let target = Target::new();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let command = target.arguments(&["demo", "--no-activity", "--listen", "127.0.0.1:0", "--data", data]);
    let mut demo = tavolo(&command).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
    let address = loop {
        let line = lines.next_line().await.unwrap().expect("a start page");
        if let Some(address) = line.trim().strip_prefix("start page") {
            break address.trim().to_owned();
        }
    };
    let tokens: Value = serde_json::from_slice(&std::fs::read(folder.path().join("tokens.json")).unwrap()).unwrap();
    let now = tavolo::system_clock().now();
    let days_ago = |days: i64| now.plus_millis(-days * 86_400_000);
    let document = "query($from: Date!, $to: Date!, $then: DateTime!) {
        occupancyHistory(from: $then, every: MONTH) { capacity { installed allocable occupied overCapacity } }
        statistics(from: $from, to: $to) { lengthOfStay { exits { count } meanDays } exitsByReason { count } } }";
    let variables = json!({ "from": days_ago(300).day().to_string(), "to": now.day().to_string(), "then": days_ago(300).to_string() });
    for page in ["", "graphiql/", "demo/tokens.json", "graphql/schema.graphql", "graphql/ws"] {
        let strange = reqwest::Client::new().get(format!("{address}{page}")).header("host", "evil.example");
        let refused = strange.send().await.unwrap();
        assert_eq!(refused.status(), 421, "{page}");
        let refused: Value = refused.json().await.unwrap();
        assert_eq!(refused["errors"][0]["extensions"]["code"], "BAD_REQUEST", "{page}");
    }
    let request =
        reqwest::Client::new().post(format!("{address}graphql")).bearer_auth(tokens["province"].as_str().unwrap());
    let answer = request.json(&json!({ "query": document, "variables": variables })).send().await.unwrap();
    let data = answer.json::<Value>().await.unwrap()["data"].take();
    for point in data["occupancyHistory"].as_array().unwrap() {
        let number = |name: &str| point["capacity"][name].as_i64().unwrap();
        assert!(number("occupied") * 10 > number("allocable") * 4, "{point}");
        assert!(number("installed") > 150 && number("overCapacity") == 0, "{point}");
    }
    let stay = &data["statistics"]["lengthOfStay"];
    assert!(stay["exits"]["count"].as_i64() > Some(60) && stay["meanDays"].as_f64() > Some(90.0), "{stay}");
    let reasons = data["statistics"]["exitsByReason"].as_array().unwrap();
    assert!(reasons.iter().filter(|reason| reason["count"].as_i64() > Some(5)).count() >= 4, "{reasons:?}");
    demo.kill().await.unwrap();
    target.prints(&["check"]).await;
}
