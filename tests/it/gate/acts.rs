//! Acts, for those the table names.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tavolo_schema::{Act, Relation, Role, access::sees, contract_name};

use super::{
    Province, VIEWERS, relations, sight,
    ways::{BY_ACT, Contract, base, shown},
};
use crate::{
    contract::fields,
    harness::blocking,
    stage::{assert_books_agree, books},
};

/// Whether a viewer may perform an act, said here a second time and independently of the table.
fn allowed(subject: &str, mutation: &str, relation: Relation) -> bool {
    let decides = ["decideAccreditation", "suspendAccreditation", "revokeAccreditation"].contains(&mutation);
    match subject {
        "province" => true,
        "operator" | "other_operator" => mutation == "registerGuest" || (relation == Relation::Keeper && !decides),
        "central_service" => mutation == "registerGuest",
        _ => false,
    }
}

fn act_of(mutation: &str) -> Act {
    let name: String =
        mutation.chars().flat_map(|c| c.is_uppercase().then_some('_').into_iter().chain(c.to_uppercase())).collect();
    Act::by_members().find(|act| contract_name(*act) == name).unwrap()
}

#[tokio::test]
async fn every_act_is_for_those_the_table_names_and_for_nobody_else() {
    let province = Province::new().await;
    let hub = &province.hub;
    let before = books(&province.world).await;
    for (subject, role) in VIEWERS {
        for (record, stage) in province.records.iter().enumerate() {
            for order in stage.orders() {
                let (mutation, act) = (order.mutation, act_of(order.mutation));
                let relation = match mutation {
                    // A new file is kept by whoever opens it.
                    "registerGuest" if !subject.is_empty() => Relation::Keeper,
                    _ => relations(subject)[record],
                };
                let allowed = allowed(subject, mutation, relation);
                assert_eq!(act.is_for(role, relation), allowed, "the table about {role:?}, {act:?}, {relation:?}");
                let selection = format!("{} {{ id }}", order.thing);
                let only = json!({ "input": order.input, "only": true });
                let answer = hub.order(subject, mutation, &selection, only).await;
                let context = format!("{mutation} on record {record} by {subject:?}\n{answer:#}");
                let payload = &answer["data"][mutation];
                let never = !Relation::ALL.into_iter().any(|relation| act.is_for(role, relation));
                if never || (!allowed && mutation == "registerFacility") {
                    let code = if subject.is_empty() { "UNAUTHENTICATED" } else { "FORBIDDEN" };
                    assert_eq!(answer["errors"][0]["extensions"]["code"], code, "{context}");
                    assert_eq!(*payload, Value::Null, "{context}");
                } else if allowed {
                    assert!(answer.get("errors").is_none(), "{context}");
                    assert_eq!(blocking(payload), Vec::<String>::new(), "{context}");
                } else {
                    let unknown = match mutation {
                        "unblockPlaces" => "UNKNOWN_BLOCK",
                        "dischargeGuest" => "UNKNOWN_STAY",
                        _ => "UNKNOWN_FACILITY",
                    };
                    assert_eq!(crate::harness::codes(payload), [unknown], "{context}");
                    assert_eq!(payload[order.thing], Value::Null, "{context}");
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
    let mutations: BTreeSet<String> =
        fields(&contract.0["Mutation"]).iter().map(|field| field.name.node.to_string()).collect();
    let mut payloads = BTreeSet::new();
    for (subject, role, record) in [("operator", Role::Operator, 0), ("province", Role::Province, 3)] {
        let orders = province.records[record].orders();
        let performed: BTreeSet<String> = orders.iter().map(|order| order.mutation.to_owned()).collect();
        assert_eq!(performed, mutations, "there is an order for each act");
        for order in orders {
            if !allowed(subject, order.mutation, relations(subject)[record]) {
                continue;
            }
            let sight = match order.mutation {
                "registerGuest" => sees(role, Relation::Keeper),
                _ => sight(subject, role, record),
            };
            let payload = base(&contract.field("Mutation", order.mutation).ty.node);
            payloads.insert(payload.to_owned());
            let selections =
                fields(&contract.0[payload]).into_iter().filter(|field| field.name.node != "irregularities");
            let selection: Vec<String> = selections
                .map(|field| {
                    let ty = base(&field.ty.node);
                    let below: Vec<String> =
                        fields(&contract.0[ty]).into_iter().map(|below| contract.selection(ty, below)).collect();
                    format!("{} {{ {} }}", field.name.node, below.join(" "))
                })
                .collect();
            let input = json!({ "input": order.input });
            let answer = province.hub.order(subject, order.mutation, &selection.join(" "), input).await;
            assert!(answer.get("errors").is_none(), "{answer:#}");
            assert_eq!(province.leaks(subject, role, &answer.to_string()), Vec::<String>::new(), "{}", order.mutation);
            for part in fields(&contract.0[payload]) {
                let (name, ty) = (part.name.node.as_str(), base(&part.ty.node));
                let value = &answer["data"][order.mutation][name];
                assert!(!value.is_null(), "{payload}.{name} of {}", order.mutation);
                for field in fields(&contract.0[ty]).into_iter().filter(|_| name != "irregularities") {
                    let field = field.name.node.as_str();
                    let hidden = !sight.contains(contract.class(ty, field));
                    assert!(!(hidden && shown(&value[field])), "{} shows {ty}.{field} to {role:?}", order.mutation);
                }
            }
        }
    }
    let known: BTreeSet<String> = BY_ACT.iter().skip(1).map(|name| (*name).to_owned()).collect();
    assert_eq!(payloads, known, "every payload was walked");
    assert_books_agree(&province.world).await;
}
