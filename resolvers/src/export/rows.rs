//! The rows of each table, and the names of their columns.

use tavolo_schema::{
    DataClass, DisclosedNumbers, LedgerEntry, Stay, contract_name,
    statistics::{Count, Statistics},
};
use tavolo_subscriptions::FacilityState;

use super::{Row, Value, days::DayOfPool};
use crate::{occupancy::filter::OccupancyFilter, viewer_scope::ViewerScope};

pub(super) const NUMBERS: [&str; 11] = [
    "accredited",
    "installed",
    "blocked",
    "allocable",
    "occupied",
    "reserved",
    "free",
    "overCapacity",
    "occupancyRate",
    "utilisationRate",
    "precision",
];

pub(super) fn numbers(numbers: DisclosedNumbers) -> Row {
    vec![
        numbers.accredited.into(),
        numbers.installed.into(),
        numbers.blocked.into(),
        numbers.allocable.into(),
        numbers.occupied.into(),
        numbers.reserved.into(),
        numbers.free.into(),
        numbers.over_capacity.into(),
        numbers.occupancy_rate.map(Value::Rate).into(),
        numbers.utilisation_rate.map(Value::Rate).into(),
        contract_name(numbers.precision).into(),
    ]
}

pub(super) const FACILITY: [&str; 16] = [
    "code",
    "name",
    "type",
    "municipality",
    "municipalityName",
    "street",
    "number",
    "postalCode",
    "operator",
    "holder",
    "projectCode",
    "bathrooms",
    "barrierFree",
    "accreditationStatus",
    "accreditationValidUntil",
    "category",
];

/// One row for each category of places, or one without places.
pub(super) fn facility_rows(viewer_scope: &ViewerScope, state: &FacilityState, filter: &OccupancyFilter) -> Vec<Row> {
    let facility = &state.facility;
    let address = viewer_scope.sight(facility.owners()).contains(DataClass::Address).then_some(&facility.address);
    let body = |id| viewer_scope.board.organisation(id).map(|body| body.name.clone());
    let accreditation = state.accreditation_on(viewer_scope.today);
    let about: Row = vec![
        Value::text(&facility.code),
        Value::text(&facility.name),
        contract_name(facility.facility_type).into(),
        Value::text(&facility.municipality),
        viewer_scope.board.municipality(&facility.municipality).map(|found| found.name.clone()).into(),
        address.map(|address| address.street.clone()).into(),
        address.map(|address| address.number.clone()).into(),
        address.map(|address| address.postal_code.clone()).into(),
        body(facility.operator).into(),
        body(facility.holder).into(),
        facility.project_code.clone().into(),
        facility.bathrooms.into(),
        facility.barrier_free.into(),
        accreditation.map(|found| contract_name(found.status_on(viewer_scope.today))).into(),
        accreditation.and_then(|found| found.valid_until).into(),
    ];
    let pools = state.pools.iter().filter(|pool| filter.category.is_none_or(|wanted| wanted == pool.category));
    let row = |category: Value, numbers: Row| [about.clone(), vec![category], numbers].concat();
    let rows = pools.map(|pool| row(contract_name(pool.category).into(), numbers(viewer_scope.numbers(pool))));
    let mut rows: Vec<Row> = rows.collect();
    if rows.is_empty() && filter.category.is_none() {
        rows.push(row(Value::Empty, vec![Value::Empty; NUMBERS.len()]));
    }
    rows
}

pub(super) const LEDGER: [&str; 16] = [
    "occurredAt",
    "registeredAt",
    "facility",
    "municipality",
    "category",
    "revision",
    "cause",
    "accreditedDelta",
    "installedDelta",
    "blockedDelta",
    "occupiedDelta",
    "reservedDelta",
    "accredited",
    "installed",
    "blocked",
    "occupied",
];

/// An entry as it stands, without the stay and the actor.
pub(super) fn ledger_row(viewer_scope: &ViewerScope, entry: &LedgerEntry) -> Row {
    let facility = viewer_scope.board.facility(entry.facility).map(|state| &state.facility);
    vec![
        entry.occurred_at.into(),
        entry.registered_at.into(),
        facility.map(|facility| facility.code.clone()).into(),
        facility.map(|facility| facility.municipality.clone()).into(),
        contract_name(entry.category).into(),
        entry.revision.into(),
        contract_name(entry.cause).into(),
        entry.deltas.accredited.into(),
        entry.deltas.installed.into(),
        entry.deltas.blocked.into(),
        entry.deltas.occupied.into(),
        entry.deltas.reserved.into(),
        entry.after.accredited.into(),
        entry.after.installed.into(),
        entry.after.blocked.into(),
        entry.after.occupied.into(),
    ]
}

pub(super) const LEDGER_DAYS: [&str; 13] = [
    "day",
    "facility",
    "municipality",
    "category",
    "accreditedDelta",
    "installedDelta",
    "blockedDelta",
    "occupiedDelta",
    "reservedDelta",
    "accredited",
    "installed",
    "blocked",
    "occupied",
];

/// What a day has changed in a pool; of protected categories, without the people.
pub(super) fn ledger_day_row(viewer_scope: &ViewerScope, day: &DayOfPool) -> Row {
    let facility = viewer_scope.board.facility(day.facility).map(|state| &state.facility);
    let people = |count: i32| Value::from((!day.category.is_protected()).then_some(count));
    vec![
        day.day.into(),
        facility.map(|facility| facility.code.clone()).into(),
        facility.map(|facility| facility.municipality.clone()).into(),
        contract_name(day.category).into(),
        day.deltas.accredited.into(),
        day.deltas.installed.into(),
        day.deltas.blocked.into(),
        people(day.deltas.occupied),
        people(day.deltas.reserved),
        day.after.accredited.into(),
        day.after.installed.into(),
        day.after.blocked.into(),
        people(day.after.occupied),
    ]
}

pub(super) const STAYS: [&str; 8] =
    ["facility", "municipality", "category", "status", "entryAt", "exitAt", "exitReason", "registeredAt"];

/// That somebody stayed; why they left is for those who may know who it was.
pub(super) fn stay_row(viewer_scope: &ViewerScope, stay: &Stay) -> Row {
    let state = viewer_scope.board.facility(stay.facility);
    let identity = viewer_scope.sight(viewer_scope.owners_of_facility(stay.facility)).contains(DataClass::Identity);
    vec![
        state.map(|state| state.facility.code.clone()).into(),
        state.map(|state| state.facility.municipality.clone()).into(),
        contract_name(stay.category).into(),
        contract_name(stay.status).into(),
        stay.entry_at.into(),
        stay.exit_at.into(),
        stay.exit_reason.filter(|_| identity).map(contract_name).into(),
        stay.registered_at.into(),
    ]
}

pub(super) const STATISTICS: [&str; 4] = ["table", "key", "value", "suppressed"];

pub(super) fn statistics_rows(counted: &Statistics) -> Vec<Row> {
    let plain = |key: &str, value: Value| vec!["period".into(), key.into(), value, false.into()];
    let count =
        |table: &str, key: Value, count: Count| vec![table.into(), key, count.count.into(), count.suppressed.into()];
    let stay = &counted.length_of_stay;
    let length = |key: &str, days: Option<f64>| {
        vec!["lengthOfStay".into(), key.into(), days.into(), stay.exits.suppressed.into()]
    };
    let mut rows = vec![
        plain("from", counted.from.into()),
        plain("to", counted.to.into()),
        plain("roundedTo", counted.rounded_to.into()),
        plain("madeAt", counted.made_at.into()),
        count("hosted", Value::Empty, counted.hosted),
        count("personDays", Value::Empty, counted.person_days),
        count("lengthOfStay", "exits".into(), stay.exits),
        length("meanDays", stay.mean_days),
        length("medianDays", stay.median_days),
    ];
    rows.extend(stay.bands.iter().map(|row| count("lengthOfStay", contract_name(row.band).into(), row.count)));
    rows.extend(
        counted.exits_by_reason.iter().map(|row| count("exitsByReason", contract_name(row.reason).into(), row.count)),
    );
    for month in &counted.movements_by_month {
        rows.push(count("entriesByMonth", month.month.into(), month.entries));
        rows.push(count("exitsByMonth", month.month.into(), month.exits));
    }
    for (table, citizens) in
        [("byCitizenship", &counted.by_citizenship), ("arrivalsByCitizenship", &counted.arrivals_by_citizenship)]
    {
        rows.extend(citizens.iter().map(|row| count(table, row.citizenship.clone().into(), row.count)));
    }
    for (table, sexes) in [("bySex", &counted.by_sex), ("arrivalsBySex", &counted.arrivals_by_sex)] {
        rows.extend(sexes.iter().map(|row| count(table, contract_name(row.sex).into(), row.count)));
    }
    for (table, ages) in [("byAgeBand", &counted.by_age_band), ("arrivalsByAgeBand", &counted.arrivals_by_age_band)] {
        rows.extend(ages.iter().map(|row| count(table, contract_name(row.band).into(), row.count)));
    }
    rows
}
