//! The walls of the architecture, read from `cargo metadata` and from the sources themselves.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use async_graphql::parser::types::TypeKind;
use serde_json::Value;

use crate::{contract::types, harness::text};

const CRATES: [&str; 5] = ["schema", "store", "subscriptions", "resolvers", "."];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What each crate of the workspace is built from, without what only its tests are.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let of = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap().iter();
        all.filter(|dependency| dependency["kind"] != "dev").map(|dependency| text(&dependency["name"])).collect()
    };
    packages.iter().map(|package| (text(&package["name"]), of(package))).collect()
}

/// Every source file of a crate with its text.
fn sources(of: &str) -> Vec<(PathBuf, String)> {
    let mut folders = vec![root().join(of).join("src")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    assert!(!files.is_empty());
    files
}

fn who_depends_on(what: &str) -> Vec<String> {
    let all = dependencies().into_iter();
    all.filter(|(_, dependencies)| dependencies.contains(what)).map(|(name, _)| name).collect()
}

/// Whether code, leaving comments aside, names this; as a whole, so that `eprintln!` is no `println!`.
fn names(text: &str, what: &str) -> bool {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let mut places = code.flat_map(|line| line.match_indices(what).map(move |(at, _)| &line[..at]));
    places.any(|before| !before.ends_with(|last: char| last.is_alphanumeric() || last == '_'))
}

#[test]
fn only_store_names_mongodb() {
    assert_eq!(who_depends_on("mongodb"), ["tavolo-store"]);
    assert_eq!(who_depends_on("bson"), Vec::<String>::new());
    for of in CRATES.into_iter().filter(|of| *of != "store") {
        for (path, text) in sources(of) {
            assert!(!names(&text, "mongodb::"), "{}", path.display());
        }
    }
}

#[test]
fn only_the_root_names_axum() {
    assert_eq!(who_depends_on("axum"), ["tavolo"]);
    assert_eq!(who_depends_on("tower-http"), ["tavolo"]);
}

#[test]
fn schema_does_no_io() {
    let dependencies = dependencies();
    for forbidden in ["tokio", "tokio-util", "futures-util", "reqwest", "mongodb", "axum", "tracing"] {
        assert!(!dependencies["tavolo-schema"].contains(forbidden), "{forbidden}");
    }
    for (path, text) in sources("schema") {
        for forbidden in ["std::fs", "std::net", "std::io", "std::env", "std::process", "std::thread"] {
            assert!(!names(&text, forbidden), "{} names {forbidden}", path.display());
        }
    }
}

#[test]
fn the_crates_stand_in_a_line() {
    let order = ["tavolo-schema", "tavolo-store", "tavolo-subscriptions", "tavolo-resolvers", "tavolo"];
    let dependencies = dependencies();
    assert_eq!(dependencies.keys().map(String::as_str).collect::<BTreeSet<_>>(), BTreeSet::from(order));
    for (at, name) in order.iter().enumerate() {
        for above in &order[at..] {
            assert!(!dependencies[*name].contains(*above), "{name} depends on {above}");
        }
    }
}

#[test]
fn only_resolvers_executes_graphql() {
    for of in CRATES.into_iter().filter(|of| *of != "resolvers") {
        for (path, text) in sources(of) {
            for forbidden in ["async_graphql::Schema", "Schema::build", "schema.execute"] {
                assert!(!names(&text, forbidden), "{} names {forbidden}", path.display());
            }
        }
    }
    let executing = sources("resolvers").into_iter().filter(|(_, text)| names(text, "schema.execute"));
    let executing: Vec<_> = executing.map(|(path, _)| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(executing, ["graph.rs"]);
}

/// Nouns that are found out anew whenever somebody asks, and never kept.
const NEVER_STORED: [&str; 1] = ["irregularity"];

/// The nouns: modules of `schema` by whose name the contract has an object.
fn nouns() -> Vec<String> {
    let objects: BTreeSet<String> = types()
        .into_iter()
        .filter(|definition| matches!(definition.kind, TypeKind::Object(_)))
        .map(|definition| definition.name.node.to_lowercase())
        .collect();
    let lib = fs::read_to_string(root().join("schema/src/lib.rs")).unwrap();
    let modules = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    modules.filter(|module| objects.contains(&module.replace('_', ""))).map(ToOwned::to_owned).collect()
}

#[test]
fn the_same_noun_has_the_same_file_name_in_every_layer() {
    let nouns = nouns();
    assert!(nouns.len() > NEVER_STORED.len() + 6, "{nouns:?}");
    for noun in NEVER_STORED {
        assert!(nouns.iter().any(|known| known == noun), "{noun} is no noun");
        assert!(!root().join("store/src").join(format!("{noun}.rs")).exists(), "{noun} is stored");
    }
    for noun in nouns {
        for layer in ["schema", "store", "resolvers"] {
            if layer == "store" && NEVER_STORED.contains(&&*noun) {
                continue;
            }
            let path = root().join(layer).join("src").join(format!("{noun}.rs"));
            assert!(path.is_file(), "{}", path.display());
        }
    }
}

#[test]
fn nothing_prints_or_is_left_undone() {
    for of in CRATES {
        for (path, text) in sources(of) {
            for forbidden in ["println!", "print!", "dbg!", "todo!", "unimplemented!"] {
                assert!(!names(&text, forbidden), "{} names {forbidden}", path.display());
            }
        }
    }
}

/// The ways to read the time of day: of the machine, in whatever library, in an identifier that is made of it, or of the
/// database. An `Instant` is none, since it tells only how long something took.
const CLOCKS: [&str; 18] = [
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
    "DateTime::now",
    "ObjectId::new",
    "Uuid::now_v1",
    "Uuid::now_v6",
    "Uuid::now_v7",
    "Utc::now",
    "Local::now",
    "chrono::",
    "OffsetDateTime::now_utc",
    "OffsetDateTime::now_local",
    "UtcDateTime::now",
    "clock_gettime",
    "gettimeofday",
    "$$NOW",
    "$currentDate",
];

#[test]
fn nobody_but_the_root_reads_the_clock() {
    for of in CRATES {
        for (path, text) in sources(of) {
            for forbidden in CLOCKS {
                let allowed = of == "." && path.ends_with("src/lib.rs");
                assert!(allowed || !names(&text, forbidden), "{} names {forbidden}", path.display());
            }
        }
    }
}

#[test]
fn every_file_opens_with_what_it_promises() {
    for of in CRATES {
        for (path, text) in sources(of) {
            let head = text.lines().map_while(|line| line.strip_prefix("//!"));
            let words = head.take_while(|line| !line.is_empty()).flat_map(str::split_whitespace).count();
            assert!(words >= 3, "{} does not say what it is about", path.display());
        }
    }
}
