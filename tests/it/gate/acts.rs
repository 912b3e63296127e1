//! Acts, for those the table names.

use std::collections::BTreeSet;

use async_graphql::parser::types::FieldDefinition;
use serde_json::{Value, json};
use tavolo_schema::{Relation, Role, access::sees};

use super::{
    Province, VIEWERS, relations,
    ways::{Contract, base, shown},
};
use crate::{
    contract::fields,
    harness::blocking,
    stage::{assert_books_agree, books},
};

#[tokio::test]
async fn every_act_is_for_those_the_table_names_and_for_nobody_else() {
    let province = Province::new().await;
    let hub = &province.hub;
    let before = books(&province.world).await;
    for (subject, role) in VIEWERS {
        for (record, stage) in province.records.iter().enumerate() {
            for order in stage.orders() {
                let (case, mutation, act) = (order.case, order.case.mutation, order.case.act());
                let relation = case.relation(subject, relations(subject)[record]);
                let allowed = case.is_for(subject, relation);
                assert_eq!(act.is_for(role, relation), allowed, "the table about {role:?}, {act:?}, {relation:?}");
                let selection = format!("{} {{ id }}", case.thing);
                let only = json!({ "input": order.input, "only": true });
                let answer = hub.order(subject, mutation, &selection, only).await;
                let context = format!("{mutation} on record {record} by {subject:?}\n{answer:#}");
                let payload = &answer["data"][mutation];
                let never = !Relation::ALL.into_iter().any(|relation| act.is_for(role, relation));
                if never || (!allowed && case.unknown.is_none()) {
                    let code = if subject.is_empty() { "UNAUTHENTICATED" } else { "FORBIDDEN" };
                    assert_eq!(answer["errors"][0]["extensions"]["code"], code, "{context}");
                    assert_eq!(*payload, Value::Null, "{context}");
                } else if allowed {
                    assert!(answer.get("errors").is_none(), "{context}");
                    assert_eq!(blocking(payload), Vec::<String>::new(), "{context}");
                } else {
                    assert_eq!(crate::harness::codes(payload), case.unknown.as_slice(), "{context}");
                    assert_eq!(payload[case.thing], Value::Null, "{context}");
                }
                assert_eq!(province.leaks(subject, role, &answer.to_string()), Vec::<String>::new(), "{context}");
            }
        }
    }
    assert_eq!(books(&province.world).await, before, "nothing was written");
}

#[tokio::test]
async fn every_act_answers_through_the_gate() {
    let province = Province::new().await;
    let contract = Contract::read();
    let mut payloads = BTreeSet::new();
    for (subject, role, record) in [("operator", Role::Operator, 0), ("province", Role::Province, 3)] {
        for order in province.records[record].orders() {
            let (case, mutation) = (order.case, order.case.mutation);
            let relation = case.relation(subject, relations(subject)[record]);
            if !case.is_for(subject, relation) {
                continue;
            }
            let sight = sees(role, relation);
            let payload = contract.payload(mutation);
            payloads.insert(payload);
            let records = |field: &&FieldDefinition| !["irregularities", "outcome"].contains(&field.name.node.as_str());
            let selections = fields(&contract.0[payload]).into_iter().filter(records);
            let selection: Vec<String> = selections
                .map(|field| {
                    let ty = base(&field.ty.node);
                    let below: Vec<String> =
                        fields(&contract.0[ty]).into_iter().map(|below| contract.selection(ty, below)).collect();
                    format!("{} {{ {} }}", field.name.node, below.join(" "))
                })
                .collect();
            let input = json!({ "input": order.input });
            let answer = province.hub.order(subject, mutation, &selection.join(" "), input).await;
            assert!(answer.get("errors").is_none(), "{answer:#}");
            assert_eq!(province.leaks(subject, role, &answer.to_string()), Vec::<String>::new(), "{mutation}");
            for part in fields(&contract.0[payload]).into_iter().filter(records) {
                let (name, ty) = (part.name.node.as_str(), base(&part.ty.node));
                let value = &answer["data"][mutation][name];
                assert!(!value.is_null(), "{payload}.{name} of {mutation}");
                for field in fields(&contract.0[ty]) {
                    let field = field.name.node.as_str();
                    let hidden = !sight.contains(contract.class(ty, field));
                    assert!(!(hidden && shown(&value[field])), "{mutation} shows {ty}.{field} to {role:?}");
                }
            }
        }
    }
    let mutations = fields(&contract.0["Mutation"]).into_iter().map(|field| field.name.node.as_str());
    let known: BTreeSet<&str> = mutations.map(|mutation| contract.payload(mutation)).collect();
    assert_eq!(payloads, known, "every payload was walked");
    assert_books_agree(&province.world).await;
}
