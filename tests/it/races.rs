//! Many at once: places are claimed one by one, whatever arrives together, and the books agree afterwards.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt, future::join_all, stream};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use tavolo_schema::{OccupancyCause, PlaceCategory, id::FacilityId};

use crate::{
    harness::{Client, World, blocking, text, until},
    stage::assert_books_agree,
};

/// Files that are opened beside each other. They are only what a race begins with.
const BESIDE: usize = 20;

/// Guests whose files an operator has opened.
async fn guests(hub: &Client, subject: &str, count: usize) -> Vec<String> {
    stream::iter(0..count).map(|_| hub.guest(subject)).buffered(BESIDE).collect().await
}

/// Admits everybody at once, over all hubs in turn.
async fn admit_at_once(hubs: &[Client], guests: &[String], facility: &str) -> Vec<Value> {
    let admissions = guests.iter().zip(hubs.iter().cycle());
    join_all(admissions.map(|(guest, hub)| hub.admit("operator", guest, facility))).await
}

fn admitted(payloads: &[Value]) -> usize {
    payloads.iter().filter(|payload| payload["stay"]["status"] == "OPEN").count()
}

/// How many payloads were refused with exactly these codes.
fn refused(payloads: &[Value]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for payload in payloads.iter().filter(|payload| payload["stay"].is_null()) {
        *counts.entry(blocking(payload).join(" ")).or_default() += 1;
    }
    counts
}

/// Asserts that the books agree, and that ledger, pool, stays and the board of every hub say that so many of the ordinary
/// places of a facility are taken.
async fn assert_occupied(world: &World, hubs: &[Client], facility: &str, occupied: usize) {
    assert_books_agree(world).await;
    let id = FacilityId::decode(facility).unwrap();
    let ledger = world.store.ledger_of(id, PlaceCategory::Ordinary).await.unwrap();
    let count = |cause| ledger.iter().filter(|entry| entry.cause == cause).count();
    assert_eq!(count(OccupancyCause::Admission) - count(OccupancyCause::Discharge), occupied);
    assert_eq!(usize::try_from(ledger.last().unwrap().after.occupied).unwrap(), occupied);
    assert_eq!(
        ledger.iter().map(|entry| entry.revision).collect::<Vec<_>>(),
        (1..=ledger.len() as i64).collect::<Vec<_>>()
    );
    for hub in hubs {
        until("every board shows the last entry", || async { hub.pool(facility).await["occupied"] == occupied }).await;
        let document = "query($id: ID!) { facility(by: { id: $id }) { stays(first: 100, status: OPEN) { nodes { guest { id } } } } }";
        let data = hub.data("operator", document, json!({ "id": facility })).await;
        let mut present: Vec<String> = data["facility"]["stays"]["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|stay| text(&stay["guest"]["id"]))
            .collect();
        present.sort();
        present.dedup();
        assert_eq!(present.len(), occupied, "each place is taken by another guest");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_200_admissions_at_once_for_one_last_place_one_is_admitted() {
    let world = World::with_lookups(400, 400).await;
    let hubs = [world.hub().await, world.hub().await];
    let facility = hubs[0].facility(world.bodies.operator, world.bodies.municipality, "ORDINARY", 1).await;
    let guests = guests(&hubs[0], "operator", 200).await;
    let payloads = admit_at_once(&hubs, &guests, &facility).await;
    assert_eq!(admitted(&payloads), 1);
    assert_eq!(refused(&payloads), BTreeMap::from([("NO_FREE_PLACE".to_owned(), 199)]));
    assert_occupied(&world, &hubs, &facility, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_40_admissions_at_once_for_15_places_15_are_admitted() {
    let world = World::new().await;
    let hubs = [world.hub().await, world.hub().await];
    let facility = hubs[0].facility(world.bodies.operator, world.bodies.municipality, "ORDINARY", 15).await;
    let guests = guests(&hubs[0], "operator", 40).await;
    let payloads = admit_at_once(&hubs, &guests, &facility).await;
    assert_eq!(admitted(&payloads), 15);
    assert_eq!(refused(&payloads), BTreeMap::from([("NO_FREE_PLACE".to_owned(), 25)]));
    assert_occupied(&world, &hubs, &facility, 15).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_admitted_in_two_facilities_at_once_is_in_one_of_them() {
    let world = World::new().await;
    let hubs = [world.hub().await, world.hub().await];
    let [one, other] = [
        hubs[0].facility(world.bodies.operator, world.bodies.municipality, "ORDINARY", 10).await,
        hubs[0].facility(world.bodies.operator, world.bodies.municipality, "ORDINARY", 10).await,
    ];
    let guests = guests(&hubs[0], "operator", 8).await;
    let both = |guest: String| {
        let [here, there] = [&hubs[0], &hubs[1]];
        let (one, other) = (&one, &other);
        async move {
            let (first, second) =
                tokio::join!(here.admit("operator", &guest, one), there.admit("operator", &guest, other));
            (guest, [first, second])
        }
    };
    for (guest, payloads) in join_all(guests.into_iter().map(both)).await {
        assert_eq!(admitted(&payloads), 1);
        assert_eq!(refused(&payloads), BTreeMap::from([("GUEST_ALREADY_HOSTED".to_owned(), 1)]));
        let document = "query($id: ID!) { guest(by: { id: $id }) { facility { id } stays(status: OPEN) { nodes { facility { id } } } } }";
        let data = hubs[0].data("operator", document, json!({ "id": guest })).await;
        let stays = data["guest"]["stays"]["nodes"].as_array().unwrap();
        assert_eq!(stays.len(), 1);
        assert_eq!(stays[0]["facility"], data["guest"]["facility"]);
    }
    assert_books_agree(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_sent_20_times_at_once_under_one_key_is_performed_once() {
    let world = World::new().await;
    let hubs = [world.hub().await, world.hub().await];
    let facility = hubs[0].facility(world.bodies.operator, world.bodies.municipality, "ORDINARY", 30).await;
    let guests = guests(&hubs[0], "operator", 2).await;
    let document =
        "mutation($input: AdmitGuestInput!, $key: String!) { admitGuest(input: $input, idempotencyKey: $key) {
        stay { id status entryAt } irregularities { code path message } } }";
    let order = |guest: &str| json!({ "input": { "guest": guest, "facility": facility, "category": "ORDINARY" }, "key": "arrival 7" });
    let orders = (0..20).zip(hubs.iter().cycle());
    let answers = join_all(orders.map(|(_, hub)| hub.send("operator", document, order(&guests[0])))).await;
    assert_eq!(answers[0]["data"]["admitGuest"]["stay"]["status"], "OPEN");
    for answer in &answers {
        assert_eq!(answer["data"], answers[0]["data"]);
        assert!(answer.get("errors").is_none(), "{answer}");
    }
    let other_input = hubs[1].send("operator", document, order(&guests[1])).await;
    assert_eq!(other_input["errors"][0]["extensions"]["code"], "IDEMPOTENCY_KEY_REUSED");
    assert_occupied(&world, &hubs, &facility, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_discharges_at_once_one_ends_the_stay() {
    let world = World::new().await;
    let hubs = [world.hub().await, world.hub().await];
    let facility = hubs[0].facility(world.bodies.operator, world.bodies.municipality, "ORDINARY", 5).await;
    let guests = guests(&hubs[0], "operator", 5).await;
    for payload in admit_at_once(&hubs, &guests, &facility).await {
        let input = json!({ "stay": payload["stay"]["id"], "reason": "TERM_EXPIRED" });
        let discharges = hubs.iter().map(|hub| hub.act("operator", "dischargeGuest", "stay { status }", input.clone()));
        let payloads = join_all(discharges).await;
        assert_eq!(payloads.iter().filter(|payload| payload["stay"]["status"] == "CLOSED").count(), 1);
        assert_eq!(refused(&payloads), BTreeMap::from([("STAY_ALREADY_CLOSED".to_owned(), 1)]));
    }
    assert_occupied(&world, &hubs, &facility, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_admitted_after_the_suspension_is_in_the_ledger() {
    let world = World::new().await;
    let hubs = [world.hub().await, world.hub().await];
    let facility = hubs[0].facility(world.bodies.operator, world.bodies.municipality, "ORDINARY", 30).await;
    let document = "query($id: ID!) { facility(by: { id: $id }) { accreditation { id } } }";
    let data = hubs[0].data("province", document, json!({ "id": facility })).await;
    let suspension = json!({ "accreditation": data["facility"]["accreditation"]["id"], "reason": "sopralluogo" });
    let guests = guests(&hubs[0], "operator", 30).await;
    let (payloads, suspended) = tokio::join!(
        admit_at_once(&hubs, &guests, &facility),
        hubs[1].act("province", "suspendAccreditation", "accreditation { status }", suspension)
    );
    assert_eq!(suspended["accreditation"]["status"], "SUSPENDED");
    let inside = admitted(&payloads);
    let late = refused(&payloads);
    assert_eq!(late.get("NO_ACCREDITATION_IN_FORCE").copied().unwrap_or_default() + inside, 30, "{late:?}");
    let id = FacilityId::decode(&facility).unwrap();
    let ledger = world.store.ledger_of(id, PlaceCategory::Ordinary).await.unwrap();
    let suspension = ledger.iter().position(|entry| entry.cause == OccupancyCause::AccreditationSuspended).unwrap();
    let admissions = |entries: &[tavolo_schema::LedgerEntry]| {
        entries.iter().filter(|entry| entry.cause == OccupancyCause::Admission).count()
    };
    assert_eq!((admissions(&ledger[..suspension]), admissions(&ledger[suspension..])), (inside, 0));
    let [guest] = &self::guests(&hubs[0], "operator", 1).await[..] else { unreachable!() };
    assert_eq!(blocking(&hubs[0].admit("operator", guest, &facility).await), ["NO_ACCREDITATION_IN_FORCE"]);
    assert_occupied(&world, &hubs, &facility, inside).await;
}

/// What somebody does next. Numbers choose among what is there.
#[derive(Clone, Debug)]
enum Step {
    Install(i32),
    Block { places: i32, begins: i64, days: Option<i64> },
    Unblock(usize),
    Grant { places: i32, begins: i64, days: i64 },
    Suspend(usize),
    Reinstate(usize),
    Admit,
    Discharge(usize),
    Days(i64),
    KeepTime,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => (0..8_i32).prop_map(Step::Install),
        2 => (1..4_i32, 0..4_i64, proptest::option::of(0..4_i64))
            .prop_map(|(places, begins, days)| Step::Block { places, begins, days }),
        1 => any::<usize>().prop_map(Step::Unblock),
        2 => (1..7_i32, 0..3_i64, 1..8_i64).prop_map(|(places, begins, days)| Step::Grant { places, begins, days }),
        1 => any::<usize>().prop_map(Step::Suspend),
        1 => any::<usize>().prop_map(Step::Reinstate),
        6 => Just(Step::Admit),
        3 => any::<usize>().prop_map(Step::Discharge),
        2 => (1..4_i64).prop_map(Step::Days),
        1 => Just(Step::KeepTime),
    ];
    // Most of what follows needs places, so they come first.
    vec(step, 5..22).prop_map(|mut steps| {
        steps.splice(0..0, [Step::Install(5), Step::Grant { places: 4, begins: 0, days: 6 }]);
        steps
    })
}

/// The places of one facility as a person with a calendar would keep them. Days count from the first.
#[derive(Debug, Default)]
struct Model {
    today: i64,
    installed: i32,
    blocks: Vec<(String, i32, i64, i64)>,
    accreditations: Vec<Granted>,
    grants: Vec<(String, i32, i64, i64)>,
    present: Vec<(String, String)>,
    away: Vec<String>,
}

#[derive(Debug)]
struct Granted {
    id: String,
    places: i32,
    /// First day.
    from: i64,
    /// Last day.
    until: i64,
    suspended: bool,
}

const FOR_EVER: i64 = i64::MAX;

impl Model {
    fn blocked_on(&self, day: i64) -> i32 {
        self.blocks.iter().filter(|(_, _, from, until)| (*from..=*until).contains(&day)).map(|block| block.1).sum()
    }

    /// Places granted today; none when no accreditation is in force.
    fn in_force(&self) -> Option<i32> {
        let in_force = |grant: &&(String, i32, i64, i64)| (grant.2..=grant.3).contains(&self.today);
        self.grants.iter().find(in_force).map(|grant| grant.1)
    }

    /// Lets grants end the day before; what would begin later is void.
    fn end_grants(&mut self, from: i64, which: impl Fn(&str) -> bool) {
        self.grants.retain(|grant| !which(&grant.0) || grant.2 < from);
        for grant in self.grants.iter_mut().filter(|grant| which(&grant.0)) {
            grant.3 = grant.3.min(from - 1);
        }
    }

    /// Puts an accreditation in force in the place of every earlier one.
    fn grant(&mut self, which: usize, from: i64) {
        self.end_grants(from, |_| true);
        let granted = &self.accreditations[which];
        self.grants.push((granted.id.clone(), granted.places, from, granted.until));
        for (_, earlier) in self.accreditations.iter_mut().enumerate().filter(|(index, _)| *index != which) {
            earlier.until = earlier.until.min(from - 1);
        }
    }

    fn occupied(&self) -> i32 {
        i32::try_from(self.present.len()).unwrap()
    }

    fn allocable(&self) -> i32 {
        (self.installed - self.blocked_on(self.today)).min(self.in_force().unwrap_or(0)).max(0)
    }

    fn numbers(&self) -> Value {
        let left = self.allocable() - self.occupied();
        json!({
            "accredited": self.in_force().unwrap_or(0),
            "installed": self.installed, "blocked": self.blocked_on(self.today), "allocable": self.allocable(),
            "occupied": self.occupied(), "reserved": 0, "free": left.max(0), "overCapacity": (-left).max(0),
        })
    }
}

/// A facility, its model, and who keeps both.
struct Play<'w> {
    world: &'w World,
    hub: &'w Client,
    facility: String,
    model: Model,
}

impl Play<'_> {
    /// A civil day so many days from the model's first.
    fn day(&self, days: i64) -> String {
        let from_today = i32::try_from(days - self.model.today).unwrap();
        self.hub.clock.now().day().plus_days(from_today).to_string()
    }

    /// Performs an act as the Province and checks that it is refused exactly with these codes.
    async fn act(&self, mutation: &str, selection: &str, input: Value, refused: &[&str]) -> Value {
        let payload = self.hub.act("province", mutation, selection, input).await;
        assert_eq!(blocking(&payload), refused, "{mutation} {:?}", self.model);
        payload
    }

    async fn step(&mut self, step: Step) {
        self.hub.clock.advance(Duration::from_millis(1));
        match step {
            Step::Install(installed) => {
                let blocked = (0..30).map(|days| self.model.blocked_on(self.model.today + days)).max().unwrap();
                let refused = if installed < self.model.occupied() {
                    &["BELOW_OCCUPIED"][..]
                } else if installed < self.model.installed && installed - blocked < self.model.occupied() {
                    &["BELOW_BLOCKED"][..]
                } else {
                    &[]
                };
                let input = json!({ "facility": self.facility, "category": "ORDINARY", "installed": installed });
                self.act("installPlaces", "facility { id }", input, refused).await;
                if refused.is_empty() {
                    self.model.installed = installed;
                }
            }
            Step::Block { places, begins, days } => self.block(places, begins, days).await,
            Step::Unblock(which) if !self.model.blocks.is_empty() => {
                let (id, .., until) = self.model.blocks.remove(which % self.model.blocks.len());
                // What has ended is past, and stays as it was.
                let refused = if until < self.model.today { &["UNKNOWN_BLOCK"][..] } else { &[] };
                self.act("unblockPlaces", "facility { id }", json!({ "block": id }), refused).await;
            }
            Step::Grant { places, begins, days } => self.grant(places, begins, days).await,
            Step::Suspend(which) if !self.model.accreditations.is_empty() => self.suspend(which).await,
            Step::Reinstate(which) if !self.model.accreditations.is_empty() => self.reinstate(which).await,
            Step::Admit => self.admit().await,
            Step::Discharge(which) if !self.model.present.is_empty() => {
                let (stay, guest) = self.model.present.remove(which % self.model.present.len());
                let input = json!({ "stay": stay, "reason": "TERM_EXPIRED" });
                self.act("dischargeGuest", "stay { status }", input, &[]).await;
                self.model.away.push(guest);
            }
            Step::Days(days) => {
                self.hub.clock.advance_days(u64::try_from(days).unwrap());
                self.model.today += days;
            }
            Step::KeepTime => {
                let hub = tavolo_schema::id::fresh(self.hub.clock.now());
                self.world.store.keep_time(hub, self.hub.clock.now()).await.unwrap();
            }
            Step::Unblock(_) | Step::Suspend(_) | Step::Reinstate(_) | Step::Discharge(_) => {}
        }
        assert_eq!(self.hub.pool(&self.facility).await, self.model.numbers(), "{:?}", self.model);
    }

    async fn block(&mut self, places: i32, begins: i64, days: Option<i64>) {
        let from = self.model.today + begins;
        let until = days.map(|days| from + days);
        let horizon = until.unwrap_or(from + 30).min(from + 30);
        let worst = (from..=horizon).map(|day| self.model.blocked_on(day)).max().unwrap();
        let refused = if worst + places > self.model.installed { &["BLOCK_EXCEEDS_INSTALLED"][..] } else { &[] };
        let input = json!({
            "facility": self.facility, "category": "ORDINARY", "places": places, "reason": "WORKS",
            "from": self.day(from), "until": until.map(|until| self.day(until)),
        });
        let payload = self.act("blockPlaces", "block { id }", input, refused).await;
        if refused.is_empty() {
            self.model.blocks.push((text(&payload["block"]["id"]), places, from, until.unwrap_or(FOR_EVER)));
        }
    }

    async fn grant(&mut self, places: i32, begins: i64, days: i64) {
        let input = json!({ "facility": self.facility, "places": [{ "category": "ORDINARY", "places": places }] });
        let payload = self.act("submitAccreditation", "accreditation { id }", input, &[]).await;
        let id = text(&payload["accreditation"]["id"]);
        let from = self.model.today + begins;
        let until = from + days;
        let input = json!({
            "accreditation": id, "outcome": "ACCREDITED", "validFrom": self.day(from), "validUntil": self.day(until),
        });
        self.act("decideAccreditation", "accreditation { id }", input, &[]).await;
        self.model.accreditations.push(Granted { id, places, from, until, suspended: false });
        self.model.grant(self.model.accreditations.len() - 1, from);
    }

    async fn suspend(&mut self, which: usize) {
        let which = which % self.model.accreditations.len();
        let today = self.model.today;
        let granted = &self.model.accreditations[which];
        let over = granted.until < today || granted.suspended;
        let input = json!({ "accreditation": granted.id, "reason": "sopralluogo" });
        let refused = if over { &["TRANSITION_NOT_ALLOWED"][..] } else { &[] };
        self.act("suspendAccreditation", "accreditation { id }", input, refused).await;
        if !over {
            self.model.accreditations[which].suspended = true;
            let id = self.model.accreditations[which].id.clone();
            self.model.end_grants(today, |other| *other == id);
        }
    }

    async fn reinstate(&mut self, which: usize) {
        let which = which % self.model.accreditations.len();
        let granted = &self.model.accreditations[which];
        let may = granted.suspended && granted.until >= self.model.today.max(granted.from);
        let input = json!({ "accreditation": granted.id, "outcome": "ACCREDITED" });
        // One that is over can neither be decided nor be given a period that has passed.
        let payload = self.hub.act("province", "decideAccreditation", "accreditation { id }", input).await;
        assert_eq!(blocking(&payload).is_empty(), may, "{payload} {:?}", self.model);
        if may {
            let from = granted.from.max(self.model.today);
            // Whatever was decided since has ended it the day before.
            let granted = &mut self.model.accreditations[which];
            granted.suspended = false;
            self.model.grants.push((granted.id.clone(), granted.places, from, granted.until));
        }
    }

    async fn admit(&mut self) {
        let guest = match self.model.away.pop() {
            Some(guest) => guest,
            None => self.hub.guest("operator").await,
        };
        let refused = match self.model.in_force() {
            None => &["NO_ACCREDITATION_IN_FORCE"][..],
            Some(_) if self.model.occupied() >= self.model.allocable() => &["NO_FREE_PLACE"],
            Some(_) => &[],
        };
        let payload = self.hub.admit("operator", &guest, &self.facility).await;
        assert_eq!(blocking(&payload), refused, "{:?}", self.model);
        if refused.is_empty() {
            self.model.present.push((text(&payload["stay"]["id"]), guest));
        } else {
            self.model.away.push(guest);
        }
    }
}

#[test]
fn whatever_is_done_in_whatever_order_the_board_shows_the_formula_and_the_books_agree() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(World::new());
    let hub = runtime.block_on(world.hub());
    let config = Config { cases: 12, max_shrink_iters: 60, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&steps(), |steps| {
        runtime.block_on(async {
            let facility = bare_facility(&world, &hub).await;
            let mut play = Play { world: &world, hub: &hub, facility, model: Model::default() };
            for step in steps {
                play.step(step).await;
            }
            assert_books_agree(&world).await;
        });
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

/// A facility without places.
async fn bare_facility(world: &World, hub: &Client) -> String {
    let input = json!({
        "name": "Casa", "type": "APARTMENT", "municipality": "101010",
        "address": { "street": "Via Roma", "number": "1", "postalCode": "88900" },
        "operator": world.bodies.operator.encode(), "holder": world.bodies.municipality.encode(),
    });
    let payload = hub.act("province", "registerFacility", "facility { id }", input).await;
    text(&payload["facility"]["id"])
}
