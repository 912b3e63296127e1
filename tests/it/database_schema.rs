//! The schema of the database itself: validators and indexes are those that the documents say, in a new database as in
//! one that was made by an earlier version.

use mongodb::{
    Database,
    bson::{Bson, Document, doc},
};
use serde_json::{Map, Value, json};
use tavolo_store::{SCHEMA_VERSION, Settings, Store};

use crate::harness::World;

/// The schema as the eighth migration left it: of each collection the fields that its validator demands, and its indexes.
const EIGHT: &str = include_str!("database_schema_8.json");

fn batch(answer: &Document) -> Vec<Bson> {
    answer.get_document("cursor").unwrap().get_array("firstBatch").unwrap().clone()
}

/// An index as JSON, its fields as a list: their order counts.
fn index_as_json(index: Bson) -> Value {
    let fields = index.as_document().unwrap().get_document("key").unwrap().clone();
    let fields: Vec<Value> = fields.into_iter().map(|(field, order)| json!([field, order])).collect();
    let mut index = serde_json::to_value(index).unwrap();
    index["key"] = json!(fields);
    index
}

/// An index as a document, from the same.
fn index_of_json(index: &Value) -> Document {
    let fields: Vec<(String, i32)> = serde_json::from_value(index["key"].clone()).unwrap();
    let mut index: Document = serde_json::from_value(index.clone()).unwrap();
    index.insert("key", fields.into_iter().map(|(field, order)| (field, Bson::from(order))).collect::<Document>());
    index
}

/// Each collection with its validator and its indexes, as JSON.
async fn described(database: &Database) -> Value {
    let mut described = Map::new();
    let mut names = database.list_collection_names().await.unwrap();
    names.sort();
    for name in names.into_iter().filter(|name| name != "meta") {
        let found = database.run_command(doc! { "listCollections": 1, "filter": { "name": &name } }).await.unwrap();
        let options = batch(&found)[0].as_document().unwrap().get_document("options").unwrap().clone();
        let found = database.run_command(doc! { "listIndexes": &name, "cursor": { "batchSize": 100 } }).await.unwrap();
        let mut indexes: Vec<Value> = batch(&found).into_iter().map(index_as_json).collect();
        indexes.sort_by_key(|index| index["name"].to_string());
        // Order is no part of what a validator demands.
        let mut demanded = options.get_document("validator").unwrap().get_document("$jsonSchema").unwrap().clone();
        let mut required = demanded.remove("required").and_then(|required| required.as_array().cloned()).unwrap();
        required.sort_by_key(ToString::to_string);
        demanded.insert("required", required);
        let demanded: Value = serde_json::to_value(demanded).unwrap();
        described.insert(name, json!({ "demanded": demanded, "indexes": indexes }));
    }
    Value::Object(described)
}

/// Makes a database as an earlier version had it.
async fn earlier(database: &Database) {
    let schema: Map<String, Value> = serde_json::from_str(EIGHT).unwrap();
    for (name, shape) in schema {
        let fields = shape["fields"].as_object().unwrap();
        let required: Vec<&str> = fields.keys().map(String::as_str).collect();
        let typed = fields.iter().map(|(field, kind)| (field.clone(), json!({ "bsonType": kind })));
        let properties: Map<String, Value> = typed.collect();
        let schema = json!({ "$jsonSchema": { "bsonType": "object", "required": required, "properties": properties } });
        let validator: Document = serde_json::from_value(schema).unwrap();
        database.create_collection(&name).validator(validator).await.unwrap();
        let indexes: Vec<Document> = shape["indexes"].as_array().unwrap().iter().map(index_of_json).collect();
        if !indexes.is_empty() {
            database.run_command(doc! { "createIndexes": &name, "indexes": indexes }).await.unwrap();
        }
    }
    database.collection::<Document>("meta").insert_one(doc! { "_id": "schema", "version": 8 }).await.unwrap();
}

#[tokio::test]
async fn a_database_of_an_earlier_version_gets_the_schema_of_a_new_one() {
    let world = World::new().await;
    let new = described(&world.driver().await).await;
    assert!(new.as_object().unwrap().len() > 12, "{new:#}");
    assert_eq!(new["guests"]["demanded"]["properties"]["specialNeedDocumented"]["bsonType"], "bool");
    assert!(new["guests"]["demanded"]["properties"].get("taxCode").is_none(), "what a guest may not have");

    let settings = Settings { database: format!("{}_8", world.settings.database), ..world.settings.clone() };
    let old = mongodb::Client::with_uri_str(&settings.uri).await.unwrap().database(&settings.database);
    earlier(&old).await;
    let store = Store::open(&settings, &tavolo::system_clock()).await.unwrap();
    assert_eq!(store.version().await.unwrap(), SCHEMA_VERSION);
    assert_eq!(described(&old).await, new);
    store.drop_database().await.unwrap();
}
